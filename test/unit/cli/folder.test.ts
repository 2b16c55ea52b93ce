import { spawnSync } from "node:child_process";
import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { folderUser, takeDataFolder } from "../../../node/folder.ts";

let top: string;
beforeEach(() => {
	top = mkdtempSync(join(tmpdir(), "pmnode-folder-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const module = fileURLToPath(
	new URL("../../../node/folder.ts", import.meta.url),
);
/** Another process takes the folder, and then does `after`. */
const elsewhere = (folder: string, after = "") =>
	spawnSync(
		process.execPath,
		[
			"--input-type=module",
			"-e",
			`import { takeDataFolder } from ${JSON.stringify(module)};
			try { takeDataFolder(process.argv[1]); console.log("taken"); ${after} } catch (error) { console.log(error.message); }`,
			folder,
		],
		{ encoding: "utf8" },
	);

test("a new folder is private, with its parents", () => {
	const folder = takeDataFolder(join(top, "x/y"));
	expect(statSync(join(top, "x/y")).mode & 0o777).toBe(0o700);
	folder.release();
});

test("an open folder is closed to others", () => {
	mkdirSync(join(top, "open"), { mode: 0o755 });
	chmodSync(join(top, "open"), 0o755);
	takeDataFolder(join(top, "open")).release();
	expect(statSync(join(top, "open")).mode & 0o777).toBe(0o700);
});

test("one process at a time, by name of its pid", () => {
	const folder = takeDataFolder(top);
	expect(folderUser(top)).toBe(process.pid);
	expect(elsewhere(top).stdout).toBe(
		`${top} is in use by another process (pid ${process.pid}); stop that one first, or choose another folder with --data\n`,
	);
	expect(folderUser(top)).toBe(process.pid);
	folder.release();
	expect(elsewhere(top).stdout).toBe("taken\n");
	expect(readdirSync(top)).not.toContain("lock-journal");
});

test("a process killed with -9 leaves nothing that locks", () => {
	const killed = elsewhere(top, "process.kill(process.pid, 'SIGKILL');");
	expect(killed.signal).toBe("SIGKILL");
	expect(readdirSync(top)).toContain("pid"); // what it left
	expect(folderUser(top)).toBeUndefined();
	takeDataFolder(top).release();
});

test("a folder that cannot be made is named, in one line", () => {
	writeFileSync(join(top, "file"), "");
	expect(() => takeDataFolder(join(top, "file/x"))).toThrow(
		`cannot use ${top}/file/x as data folder (ENOTDIR); choose a folder you may write to with --data`,
	);
});

test.runIf(process.getuid?.() === 0)("a folder of another user", async () => {
	const { chownSync } = await import("node:fs");
	chownSync(top, 12345, 12345);
	expect(() => takeDataFolder(top)).toThrow(
		`${top} belongs to another user (uid 12345); run as that user`,
	);
});

test("a folder says its format; one of before has the first, a newer one is refused and left alone", () => {
	const folder = join(top, "formats");
	takeDataFolder(folder).release();
	expect(readFileSync(join(folder, "format"), "utf8")).toBe("1\n");
	rmSync(join(folder, "format"));
	takeDataFolder(folder).release();
	writeFileSync(join(folder, "format"), "");
	takeDataFolder(folder).release();
	expect(readFileSync(join(folder, "format"), "utf8")).toBe("1\n");
	writeFileSync(join(folder, "format"), "2\n");
	expect(() => takeDataFolder(folder)).toThrow(
		`${folder} has format 2, newer than this version knows (1); run a newer pmnode`,
	);
	expect(readFileSync(join(folder, "format"), "utf8")).toBe("2\n");
	writeFileSync(join(folder, "format"), "1\n");
	takeDataFolder(folder).release();
});
