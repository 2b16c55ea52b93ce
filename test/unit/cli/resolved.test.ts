/** What imports mean is kept from start to start: in a process each, with a package that changes behind its back. */
import { execFileSync } from "node:child_process";
import {
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

let folder: string;
let packages: string;
const kept = () => join(folder, "cache/resolved.json");

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "pmnode-resolved-"));
	packages = join(folder, "node_modules");
	mkdirSync(join(packages, "thing"), { recursive: true });
	for (const name of ["one", "two"])
		writeFileSync(
			join(packages, "thing", `${name}.js`),
			`import "node:fs"; export const value = "${name}";`,
		);
	means("one");
	installed("first");
	const resolved = pathToFileURL(
		join(import.meta.dirname, "../../../cli/resolved.ts"),
	);
	writeFileSync(
		join(folder, "main.mjs"),
		`import { keepResolved } from ${JSON.stringify(resolved)};
		const done = keepResolved(${JSON.stringify({ file: kept(), packages })});
		const { value } = await import("thing");
		done();
		process.stdout.write(value);`,
	);
});
afterEach(() => rmSync(folder, { recursive: true }));

const means = (name: string) =>
	writeFileSync(
		join(packages, "thing/package.json"),
		JSON.stringify({ type: "module", exports: `./${name}.js` }),
	);
const installed = (what: string) =>
	writeFileSync(join(packages, ".package-lock.json"), what);
const start = (): string =>
	execFileSync(process.execPath, [join(folder, "main.mjs")], {
		encoding: "utf8",
	});

it("is taken from the last start, until packages are installed anew", () => {
	expect(start()).toBe("one");
	// Without a trace of npm: the answer shows where it comes from.
	means("two");
	expect(start()).toBe("one");
	installed("something else");
	expect(start()).toBe("two");
	expect(start()).toBe("two");
});

it("is looked up where the file is gone, or what was kept is garbled", () => {
	expect(start()).toBe("one");
	means("two");
	rmSync(join(packages, "thing/one.js"));
	expect(start()).toBe("two");
	for (const text of ["", readFileSync(kept(), "utf8").slice(0, -40), "{}"]) {
		writeFileSync(kept(), text);
		expect(start()).toBe("two");
	}
});

it("is kept for no packages but npm's, and by nobody who may not write", () => {
	rmSync(join(packages, ".package-lock.json"));
	expect(start()).toBe("one");
	means("two");
	expect(start()).toBe("two");
	installed("now");
	// No folder can be made there.
	writeFileSync(join(folder, "cache"), "");
	expect(start()).toBe("two");
});
