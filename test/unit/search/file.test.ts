/** The file of an account's index, and signatures: never a wrong answer, whatever the texts and whatever is sought. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { casemap, holds, type SearchText } from "../../../node/mime/index.ts";
import { removeRowFile } from "../../../node/rows/row-file.ts";
import { TextFile } from "../../../node/search/file.ts";
import {
	mayHold,
	signatureOf,
	trigramsOf,
} from "../../../node/search/signature.ts";
import {
	NO,
	type SoughtBytes,
	UNKNOWN,
	YES,
} from "../../../node/search/types.ts";
import { SEARCH_TEXT_BYTES_MAX } from "../../../sync/limits.ts";

let folder: string;
let file: TextFile;
let warnings: string[];
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "pmnode-search-"));
	warnings = [];
	file = open();
});
afterEach(() => {
	file.close();
	rmSync(folder, { recursive: true, force: true });
});
const base = () => join(folder, "account");
const open = () => new TextFile(base(), (text) => warnings.push(text));
const contents = () => readFileSync(`${base()}.1.rows`, "latin1");
const reopen = () => {
	file.close();
	file = open();
};

const hashOf = (text: string) =>
	createHash("sha256").update(text).digest("hex");
const textOf = (header: string, body: string): SearchText => {
	const start = Buffer.from(`${casemap(header)}\0`);
	return {
		bytes: Buffer.concat([start, Buffer.from(casemap(body))]),
		bodyAt: start.length,
	};
};
const seek = (kind: "body" | "text", text: string): SoughtBytes => ({
	kind,
	bytes: Buffer.from(casemap(text)),
});

test("signatures never deny what is there", () => {
	fc.assert(
		fc.property(
			fc.uint8Array({ minLength: 0, maxLength: 3000 }),
			fc.nat(),
			fc.nat({ max: 40 }),
			(text, at, length) => {
				const start = text.length === 0 ? 0 : at % text.length;
				const sought = text.subarray(start, start + length);
				expect(mayHold(signatureOf(text), trigramsOf(sought))).toBe(true);
			},
		),
	);
});

test("signatures deny most of what is not there", () => {
	const words = (from: number) =>
		Array.from({ length: 500 }, (_, i) => hashOf(`${from + i}`).slice(0, 7));
	const signature = signatureOf(Buffer.from(words(0).join(" ")));
	const maybe = words(10_000).filter((word) =>
		mayHold(signature, trigramsOf(Buffer.from(word))),
	);
	// Of hexadecimal digits, a text has a good part of all trigrams that there are: few texts are harder to tell.
	expect(maybe.length).toBeLessThan(100);
});

// Few letters, so that things are found; and such as the collation changes.
const text = fc.string({
	unit: fc.constantFrom("a", "B", "é", "ß", " ", "\n", "€", "😀", "x"),
	maxLength: 30,
});

test("what is known is what looking into each text says", () => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(text, text), { maxLength: 12 }),
			fc.array(
				fc.tuple(fc.constantFrom("body" as const, "text" as const), text),
				{ minLength: 1, maxLength: 4 },
			),
			fc.boolean(),
			(pairs, keys, again) => {
				file.close();
				removeRowFile(base());
				file = open();
				const texts = pairs.map(([header, body]) => textOf(header, body));
				const hashes = pairs.map((pair) => hashOf(pair.join("|")));
				for (const [index, one] of texts.entries())
					file.add(hashes[index] as string, one);
				if (again) reopen();
				const sought = keys
					.filter(([, key]) => key !== "")
					.map(([kind, key]) => seek(kind, key));
				// One that is not there, and one that comes twice.
				const asked = [hashOf("unknown"), ...hashes, ...hashes.slice(0, 1)];
				const known = file.known(asked.join(""), sought);
				for (const [index, { kind, bytes }] of sought.entries())
					expect([...(known[index] as Uint8Array)]).toEqual([
						UNKNOWN,
						...texts.map((one) => (holds(one, kind, bytes) ? YES : NO)),
						...texts
							.slice(0, 1)
							.map((one) => (holds(one, kind, bytes) ? YES : NO)),
					]);
			},
		),
		{ numRuns: 60 },
	);
});

const fill = (count: number) => {
	const hashes = Array.from({ length: count }, (_, i) => hashOf(`${i}`));
	for (const [i, hash] of hashes.entries())
		file.add(hash, textOf(`Subject: ${i}`, `needle${i} in the hay`));
	return hashes;
};

test("few of many are looked up one by one", () => {
	const hashes = fill(500);
	const some = [hashes[77], hashOf("none"), hashes[7]].join("");
	expect(file.known(some, [seek("body", "Needle77")])).toEqual([
		Uint8Array.of(YES, UNKNOWN, NO),
	]);
});

test("short words are found too", () => {
	const hashes = fill(30);
	const [known] = file.known(hashes.join(""), [seek("body", "e7")]);
	expect([...(known as Uint8Array)].indexOf(YES)).toBe(7);
});

test("what is gone leaves, and what is missing is told", () => {
	const hashes = fill(10);
	const kept = [...hashes.slice(5), hashOf("new")];
	expect([...file.reconcile(kept.join(""))]).toEqual([5]);
	const [known] = file.known(hashes.join(""), [seek("body", "needle")]);
	expect([...(known as Uint8Array)]).toEqual([
		...Array(5).fill(UNKNOWN),
		...Array(5).fill(YES),
	]);
	reopen();
	expect(contents()).toContain("NEEDLE9");
	expect([...file.reconcile("")]).toEqual([]);
	expect(file.known(hashes[9] as string, [seek("body", "needle")])).toEqual([
		Uint8Array.of(UNKNOWN),
	]);
});

test("the same question again sees what came and what went since", () => {
	const hashes = fill(10);
	const asked = [...hashes, hashOf("new")].join("");
	const ask = (): number[] => [
		...(file.known(asked, [seek("body", "needle")])[0] as Uint8Array),
	];
	// Twice: the first question brings the rows into memory.
	for (let i = 0; i < 2; i++)
		expect(ask()).toEqual([...Array(10).fill(YES), UNKNOWN]);
	file.add(hashOf("new"), textOf("", "no such word"));
	expect(ask()).toEqual([...Array(10).fill(YES), NO]);
	file.reconcile(hashes.slice(1).join(""));
	expect(ask()).toEqual([UNKNOWN, ...Array(9).fill(YES), UNKNOWN]);
});

test("a question about more messages than before sees them, and what a former one lacked", () => {
	const hashes = fill(300);
	const lacking = hashOf("late");
	const first = [...hashes.slice(0, 3), lacking, hashes[1]];
	const ask = (asked: readonly (string | undefined)[]): number[] => [
		...(file.known(asked.join(""), [seek("text", "needle1 ")])[0] ?? []),
	];
	expect(ask(first)).toEqual([NO, YES, NO, UNKNOWN, YES]);
	file.add(lacking, textOf("", "needle1 came late"));
	const more = [...first, hashes[299], hashes[1], hashOf("none")];
	expect(ask(more)).toEqual([NO, YES, NO, YES, YES, NO, YES, UNKNOWN]);
	expect(ask(hashes.slice(1, 3))).toEqual([YES, NO]);
});

test("a text that is too large is remembered, and never decided", () => {
	const hash = hashOf("large");
	file.add(hash, textOf("", "x".repeat(SEARCH_TEXT_BYTES_MAX + 1)));
	expect(file.known(hash, [seek("body", "y")])).toEqual([
		Uint8Array.of(UNKNOWN),
	]);
	expect([...file.reconcile(hash)]).toEqual([]);
});

test("flipped bits make it unknown, not wrong", () => {
	const hashes = fill(200);
	file.close();
	const bytes = contents();
	const damaged = bytes.replaceAll("NEEDLE7 ", "NEEDLF7 ");
	expect(damaged).not.toBe(bytes);
	writeFileSync(`${base()}.1.rows`, damaged, "latin1");
	file = open();
	const [known] = file.known(hashes.join(""), [seek("body", "needle7 in")]);
	expect(known?.[7]).toBe(UNKNOWN);
	expect(known?.filter((one) => one === NO).length).toBe(199);
	expect(warnings).toHaveLength(1);
	// And it is kept again once it has been read.
	file.add(hashes[7] as string, textOf("Subject: 7", "needle7 in the hay"));
	reopen();
	const [again] = file.known(hashes.join(""), [seek("body", "needle7 in")]);
	expect(again?.[7]).toBe(YES);
});
