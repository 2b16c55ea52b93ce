import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commandNames } from "../../node/imap/commands.ts";
import { matchesPattern, octetsOf, runTranscript } from "./run.ts";
import { startWorld, type World } from "./world.ts";

const folder = new URL(".", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));
const read = (name: string) => readFileSync(new URL(name, folder), "utf8");

describe("transcript", () => {
	let world: World;
	beforeEach(async () => {
		world = await startWorld();
	});
	afterEach(() => world.stop());

	test.each(files)("%s", async (name) => {
		await runTranscript(world, read(name));
		expect(world.log.errors).toEqual([]);
	});

	test("a wrong expectation fails", async () => {
		const wrong = "S: * OK *\nC: a NOOP\nS: a NO *";
		await expect(runTranscript(world, wrong)).rejects.toThrow("line 3");
	});
});

test("every command is in a transcript", () => {
	const all = files.map(read).join("\n").toUpperCase();
	const missing = commandNames.filter(
		(name) => !new RegExp(`^C\\d*: \\S+ ${name}\\b`, "m").test(all),
	);
	expect(missing).toEqual([]);
});

test("patterns", () => {
	expect(matchesPattern("* 1 EXISTS", "* 1 EXISTS")).toBe(true);
	expect(matchesPattern("a1 OK done", "* 1 EXISTS")).toBe(false);
	expect(matchesPattern("a1 OK [X] done", "a1 OK *done")).toBe(true);
	expect(matchesPattern("a1 OK", "a1 OK*K")).toBe(false);
	expect(matchesPattern("* 1 FETCH (A B C)", "* 1 FETCH (*B*)")).toBe(true);
	expect(octetsOf("a\\r\\n\\x41é")).toBe("a\r\nA\xc3\xa9");
});
