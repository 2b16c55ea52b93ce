import { expect, test } from "vitest";
import { judge } from "../../../sync/documents/fault.ts";
import { FlatDocument } from "../../../sync/documents/flat.ts";
import { type Origin, origin } from "../../../sync/ids.ts";

const author = origin("00112233445566aa");
const keys = ["e:aaaaaaaaaaaaaaaaaaaaaa", "f:aaaaaaaaaaaaaaaaaaaaaa:\\seen"];
const BUCKETS = 64;

const faultOf = (
	change: Uint8Array,
	by: Origin,
	named: readonly string[],
	buckets: number,
) => judge(change, { origin: by, keys: named, buckets }).fault;

/** One that plain.ts makes and knows, or one of Automerge. */
function changeOf(text: string, isPlain = false): Uint8Array {
	const document = FlatDocument.create(BUCKETS, author);
	const edits = [
		{ key: keys[0] as string, set: text },
		{ key: keys[1] as string, add: "\\Seen" },
	];
	const change = document.change(edits, isPlain);
	document.free();
	if (change === undefined) throw new Error("no change");
	return change;
}

test("a change that does what it says has no fault", () => {
	expect(faultOf(changeOf("facts"), author, keys, BUCKETS)).toBeUndefined();
	// Compressed by Automerge.
	const long = changeOf("facts ".repeat(200));
	expect(faultOf(long, author, keys, BUCKETS)).toBeUndefined();
	expect(faultOf(changeOf("x", true), author, keys, BUCKETS)).toBeUndefined();
});

test("a flipped bit anywhere in a change is a fault, also where Automerge would take it", () => {
	for (const change of [
		changeOf("facts"),
		changeOf("facts ".repeat(200)),
		changeOf("facts", true),
	])
		for (let at = 0; at < change.length; at++) {
			const bad = Uint8Array.from(change);
			bad[at] = (bad[at] as number) ^ 0x10;
			expect(faultOf(bad, author, keys, BUCKETS), `byte ${at}`).toBeDefined();
		}
});

test("a change of another origin, or of keys that it does not name, is a fault", () => {
	for (const change of [changeOf("facts"), changeOf("facts", true)]) {
		const other = origin("00112233445566bb");
		expect(faultOf(change, other, keys, BUCKETS)).toMatch(/another origin/);
		expect(faultOf(change, author, keys.slice(0, 1), BUCKETS)).toMatch(
			/does not name/,
		);
		expect(faultOf(change, author, keys, 16)).toMatch(/wrong place/);
	}
});
