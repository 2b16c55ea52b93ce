import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
	arrows,
	bounds,
	effects,
	looseVersions,
	type Rule,
	strangeEntries,
} from "./architecture/rules.ts";
import {
	codeOf,
	importsOf,
	readSources,
	type Source,
} from "./architecture/sources.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const sources = readSources(top, ["sync", "node", "cli"]);
const rules = [...arrows, ...effects, bounds];

describe("the code keeps", () => {
	test.each(rules)("$name", ({ check }) => {
		expect(check(sources)).toEqual([]);
	});

	test("its sources where they are looked for", () => {
		for (const folder of ["sync/", "node/", "cli/"])
			expect(
				sources.filter(({ path }) => path.startsWith(folder)).length,
			).toBeGreaterThan(5);
	});

	test("each dependency at one exact version", () => {
		expect(
			looseVersions(
				JSON.parse(readFileSync(join(top, "package.json"), "utf8")),
			),
		).toEqual([]);
	});

	test("the top of the repository tidy", () => {
		// What .gitignore names, and what git itself keeps, is not of the repository.
		const ignored = readFileSync(join(top, ".gitignore"), "utf8")
			.split("\n")
			.filter((line) => line && !line.slice(0, -1).includes("/"))
			.map(
				(line) =>
					new RegExp(
						`^${line.replace(/\/$/, "").replaceAll(".", "\\.").replaceAll("*", ".*")}$`,
					),
			);
		const entries = readdirSync(top).filter(
			(entry) =>
				entry !== ".git" && !ignored.some((pattern) => pattern.test(entry)),
		);
		expect(strangeEntries(entries)).toEqual([]);
	});
});

/** Sources that break one rule each, as somebody in a hurry would write them. */
const planted: readonly [rule: string, path: string, text: string][] = [
	[
		"cli → node",
		"sync/log/log.ts",
		'import { x } from "../../node/intake.ts";',
	],
	["cli → node", "node/intake.ts", 'export { x } from "../cli/main.ts";'],
	["cli → node", "cli/main.ts", 'await import("../test/harness/node.ts");'],
	["ports, ids", "sync/limits.ts", 'import { x } from "./log/log.ts";'],
	["ports, ids", "sync/ports/store.ts", 'import type { X } from "../api.ts";'],
	[
		"documents and",
		"sync/mailbox/fold.ts",
		'import { x } from "../network/link.ts";',
	],
	["documents and", "sync/documents/flat.ts", 'import fs from "node:fs";'],
	[
		"backups see",
		"node/backup/backup.ts",
		'import { x } from "../../sync/log/ledger.ts";',
	],
	["checks and", "sync/check/log.ts", 'import fs from "node:fs/promises";'],
	[
		"imap and smtp",
		"node/imap/server.ts",
		'import { x } from "../smtp/server.ts";',
	],
	[
		"imap and smtp",
		"node/smtp/server.ts",
		'import { x } from "../imap/server.ts";',
	],
	[
		"protocols see",
		"node/imap/server.ts",
		'import { x } from "../../sync/log/log.ts";',
	],
	[
		"the simulator",
		"node/node.ts",
		'import { x } from "../sync/sim/clock.ts";',
	],
	[
		"real adapters",
		"sync/replica.ts",
		'import { x } from "./network/network.ts";',
	],
	[
		"real adapters",
		"sync/bodies/bodies.ts",
		'import { x } from "../real/clock.ts";',
	],
	["clocks are", "node/intake.ts", "const now = Date.now();"],
	["clocks are", "sync/log/log.ts", "const now = new Date();"],
	["clocks are", "sync/network/dial.ts", "setTimeout(run, 10);"],
	[
		"clocks are",
		"node/smtp/server.ts",
		`const text = \`at \${performance.now()} ms\`;`,
	],
	[
		"timers and",
		"node/intake.ts",
		'import { setTimeout as wait } from "node:timers/promises";',
	],
	["chance comes", "sync/network/redial.ts", "const jitter = Math.random();"],
	["sockets only", "sync/log/log.ts", 'import { connect } from "node:net";'],
	[
		"sockets only",
		"node/mime/part.ts",
		'import { isIP, connect } from "node:net";',
	],
	["sockets only", "node/intake.ts", 'import dgram from "node:dgram";'],
	[
		"the disk",
		"node/imap/server.ts",
		'import { readFile } from "node:fs/promises";',
	],
	[
		"the disk",
		"sync/log/log.ts",
		'import { DatabaseSync } from "node:sqlite";',
	],
];

describe("each rule can fail", () => {
	const violations = (rule: Rule, ...files: Source[]) => rule.check(files);

	test.each(planted)("%s…: %s with %s", (start, path, text) => {
		const found = rules.filter((rule) => rule.name.startsWith(start));
		expect(found.length).toBe(1);
		expect(
			found.flatMap((rule) => violations(rule, { path, text })).length,
		).toBe(1);
	});

	test("every rule has been shown to", () => {
		const shown = [...planted.map(([start]) => start), "no bound"];
		expect(
			rules.filter(
				(rule) => !shown.some((start) => rule.name.startsWith(start)),
			),
		).toEqual([]);
	});

	test("a bound declared twice", () => {
		const text = "export const QUEUE_BYTES_MAX = 1;";
		expect(
			violations(
				bounds,
				{ path: "sync/limits.ts", text },
				{ path: "node/imap/input.ts", text },
			),
		).toEqual([
			"QUEUE_BYTES_MAX is declared in sync/limits.ts and in node/imap/input.ts",
		]);
	});

	test("a version that is not exact", () => {
		expect(
			looseVersions({
				dependencies: { a: "1.2.3", b: "^1.2.3", c: "1.x" },
				devDependencies: { d: "latest", e: "1.2.3-rc.1" },
				overrides: { f: ">=2" },
			}),
		).toEqual([
			"dependencies: b ^1.2.3",
			"dependencies: c 1.x",
			"devDependencies: d latest",
			"overrides: f >=2",
		]);
	});

	test("an entry that does not belong at the top", () => {
		expect(strangeEntries(["sync", "notes.txt", "package.json"])).toEqual([
			"notes.txt",
		]);
	});
});

describe("reading of sources", () => {
	test("what stands in comments, strings, templates and regular expressions is no code", () => {
		const text = [
			"// Date.now()",
			"/* setTimeout( */",
			'const a = "Math.random()";',
			"const b = 'it\\'s Date.now()';",
			`const c = \`Date.now() \${code({ x: "}" })} Math.random()\`;`,
			"const d = /[/]Date.now()/.test(c);",
			"const e = c.length / 2; const f = 4 / 2;",
		].join("\n");
		const code = codeOf(text);
		expect(code.length).toBe(text.length);
		expect(code).not.toMatch(/Date|Math|setTimeout/);
		expect(code).toContain("code({ x:");
		expect(code).toContain("const f = 4 / 2;");
	});

	test("all forms of import are found, with their names and whether they are types only", () => {
		const found = importsOf({
			path: "node/imap/a.ts",
			text: [
				'import { one, two as three } from "./b.ts";',
				'import type { Four } from "../c.ts";',
				'import { type Five } from "../c.ts";',
				"import {\n\ttype Six,\n\tseven,\n} from 'node:net';",
				'import * as eight from "nine";',
				'import "ten";',
				'export * from "./eleven.ts";',
				'const twelve = await import("../../sync/d.ts");',
				'// import { no } from "no";',
			].join("\n"),
		});
		expect(found.map((each) => each.target).sort()).toEqual(
			[
				"nine",
				"node/c.ts",
				"node/c.ts",
				"node/imap/b.ts",
				"node/imap/eleven.ts",
				"node:net",
				"sync/d.ts",
				"ten",
			].sort(),
		);
		expect(found.filter((each) => each.typesOnly).length).toBe(2);
		expect(
			found.find((each) => each.target === "node/imap/b.ts")?.names,
		).toEqual(["one", "two"]);
		expect(found.find((each) => each.target === "node:net")?.names).toEqual([
			"seven",
		]);
	});
});
