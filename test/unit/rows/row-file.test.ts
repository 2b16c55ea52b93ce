/** Files of rows: what is read is what was written, or nothing, whatever happened to the files. */
import { createHash } from "node:crypto";
import {
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RowFile, removeRowFile } from "../../../node/rows/row-file.ts";

let folder: string;
let warnings: string[];
let file: RowFile;
const base = () => join(folder, "some");
const open = (format = 1) => {
	file = new RowFile({
		base: base(),
		format,
		warn: (text) => warnings.push(text),
	});
};
const reopen = (format = 1) => {
	file.close();
	open(format);
};
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "pmnode-rows-"));
	warnings = [];
	open();
});
afterEach(() => {
	file.close();
	rmSync(folder, { recursive: true, force: true });
});

const hashOf = (index: number) =>
	createHash("sha256").update(`${index}`).digest("hex");
const noteOf = (index: number) => Buffer.from(`note ${index} ${hashOf(index)}`);
const rowOf = (index: number) =>
	Buffer.from(`row ${index} `.repeat(1 + (index % 50)));
const hashes = (count: number) =>
	Array.from({ length: count }, (_, index) => hashOf(index));
const fill = (count: number) => {
	for (let index = 0; index < count; index++) {
		file.add(hashOf(index), noteOf(index), rowOf(index));
		if (index % 7 === 0) file.flush();
	}
	file.flush();
};
const heads = () => `${base()}.heads`;
const rows = () => {
	const found = readdirSync(folder).filter((name) => name.endsWith(".rows"));
	expect(found).toHaveLength(1);
	return join(folder, found[0] as string);
};

/** Numbers of the messages whose note and row are here; fails when anything is wrong. */
function here(count: number): number[] {
	const notes = new Map<string, string>();
	const read = new Map<string, string>();
	const all = [hashOf(-1), ...hashes(count)].reverse();
	file.notes(all, (hash, note) => notes.set(hash, `${note}`));
	file.rows(all, (hash, row) => read.set(hash, `${row}`));
	expect(notes.has(hashOf(-1))).toBe(false);
	const found: number[] = [];
	const wrong: string[] = [];
	for (let index = 0; index < count; index++) {
		const note = notes.get(hashOf(index));
		const row = read.get(hashOf(index));
		if (note !== undefined && note !== `${noteOf(index)}`) wrong.push(note);
		if (row !== undefined && row !== `${rowOf(index)}`) wrong.push(row);
		if (note !== undefined && row !== undefined) found.push(index);
	}
	expect(wrong).toEqual([]);
	return found;
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

test("what was written is read, before and after a restart", () => {
	fill(500);
	file.add(hashOf(500), noteOf(500), rowOf(500));
	expect(here(501)).toEqual(upTo(501));
	reopen();
	expect(here(501)).toEqual(upTo(501));
	expect([...file.hashes()]).toEqual(hashes(501));
	expect(warnings).toEqual([]);
});

test("what is closed without flush() was written, and empty notes and rows are rows", () => {
	file.add(hashOf(1), Buffer.alloc(0), Buffer.alloc(0));
	reopen();
	const read: number[] = [];
	file.rows([hashOf(1)], (_, row) => read.push(row.length));
	expect(read).toEqual([0]);
});

test("the last row of a hash counts", () => {
	fill(3);
	file.add(hashOf(1), Buffer.from("new note"), Buffer.from("new row"));
	for (let i = 0; i < 2; i++) {
		const read: string[] = [];
		file.rows(hashes(3), (_, row) => read.push(`${row}`));
		expect(read.toSorted()).toEqual(
			[`${rowOf(0)}`, `${rowOf(2)}`, "new row"].toSorted(),
		);
		expect(file.size).toBe(3);
		reopen();
	}
});

test("what is removed stays away, and its room comes back", () => {
	fill(1000);
	const before = file.bytes;
	file.remove(hashes(100));
	expect(file.bytes).toBeGreaterThanOrEqual(before);
	reopen();
	expect(here(1000)).toEqual(upTo(1000).slice(100));
	file.remove(hashes(700));
	expect(file.bytes).toBeLessThan(before * 0.4);
	expect(here(1000)).toEqual(upTo(1000).slice(700));
	file.add(hashOf(3), noteOf(3), rowOf(3));
	reopen();
	expect(here(1000)).toEqual([3, ...upTo(1000).slice(700)]);
	file.remove(hashes(1000));
	expect(statSync(rows()).size).toBe(0);
	expect(warnings).toEqual([]);
});

test("turnover keeps a file within some times of what is in it", () => {
	fill(100);
	const once = file.bytes;
	for (let index = 100; index < 3000; index++) {
		file.add(hashOf(index), noteOf(index), rowOf(index));
		if (index % 50 === 0) file.remove(hashes(index - 100).slice(-50));
	}
	file.flush();
	expect(file.size).toBeLessThan(300);
	expect(file.bytes).toBeLessThan(once * 6);
});

test("whatever is flipped, zeroed or cut: no wrong row, no failure, and it is told", () => {
	fill(60);
	file.close();
	const sound = { heads: readFileSync(heads()), rows: readFileSync(rows()) };
	const harm = fc.record({
		which: fc.constantFrom("heads" as const, "rows" as const),
		at: fc.nat(),
		length: fc.constantFrom(1, 1, 30, 4096),
		what: fc.constantFrom("flip", "zero", "cut"),
	});
	fc.assert(
		fc.property(harm, ({ which, at, length, what }) => {
			removeRowFile(base());
			writeFileSync(heads(), sound.heads);
			writeFileSync(`${base()}.1.rows`, sound.rows);
			warnings = [];
			const path = which === "heads" ? heads() : rows();
			const bytes = Buffer.from(sound[which]);
			const start = at % bytes.length;
			if (what === "cut") truncateSync(path, start);
			else {
				for (let i = start; i < Math.min(bytes.length, start + length); i++)
					bytes[i] = what === "zero" ? 0 : (bytes[i] as number) ^ 0x10;
				writeFileSync(path, bytes);
			}
			open();
			const left = here(60);
			const isCutBetween = what === "cut" && which === "heads";
			if (left.length < 60 && !isCutBetween) expect(warnings).toHaveLength(1);
			// All that is missing can be kept again.
			for (let index = 0; index < 60; index++)
				if (!left.includes(index))
					file.add(hashOf(index), noteOf(index), rowOf(index));
			expect(here(60)).toEqual(upTo(60));
			reopen();
			expect(here(60)).toEqual(upTo(60));
			file.close();
		}),
		{ numRuns: 150 },
	);
	open();
});

test("a file of another format, or no such file, is made anew with a line in the log", () => {
	fill(10);
	reopen(2);
	expect(here(10)).toEqual([]);
	expect(warnings.splice(0)).toEqual([
		`${base()} is of another version and is made anew`,
	]);
	fill(10);
	file.close();
	writeFileSync(
		heads(),
		"no rows at all, but long enough to be some ".repeat(9),
	);
	open(2);
	expect(warnings).toEqual([
		`${base()} is damaged and is made anew; it holds nothing but copies`,
	]);
	expect(here(10)).toEqual([]);
	expect(statSync(rows()).size).toBe(0);
});

test("a disk that is full is told to whoever writes; what could not be written is not here, and may come again", () => {
	fill(5);
	file.close();
	const kept = readFileSync(rows());
	rmSync(rows());
	symlinkSync("/dev/full", `${base()}.1.rows`);
	open();
	file.add(hashOf(7), noteOf(7), rowOf(7));
	expect(file.has(hashOf(7))).toBe(true);
	expect(() => file.flush()).toThrow(/ENOSPC/);
	expect(file.has(hashOf(7))).toBe(false);
	expect(file.waitingBytes).toBe(0);
	file.close();
	rmSync(`${base()}.1.rows`);
	writeFileSync(`${base()}.1.rows`, kept);
	open();
	file.add(hashOf(5), noteOf(5), rowOf(5));
	reopen();
	expect(here(8)).toEqual(upTo(6));
});

test("a rewriting that was cut short leaves the former file", () => {
	fill(10);
	writeFileSync(`${base()}.2.rows`, "half of what was to be");
	writeFileSync(`${base()}.heads.new`, "half");
	reopen();
	expect(here(10)).toEqual(upTo(10));
	expect(existsSync(`${base()}.2.rows`)).toBe(false);
	file.remove(hashes(9));
	expect(here(10)).toEqual([9]);
	expect(readdirSync(folder).toSorted()).toEqual(["some.2.rows", "some.heads"]);
});

test("writes go once to each page that they fill", () => {
	const row = Buffer.alloc(1000, 1);
	for (let index = 0; index < 1000; index++) file.add(hashOf(index), row, row);
	file.flush();
	expect(file.bytes).toBeLessThan(1000 * 2064 + 100);
});
