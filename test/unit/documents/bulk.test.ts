/** Many edits encoded as one change do what the same edits do one by one, for all later changes of anybody too. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Edit, FlatDocument } from "../../../sync/documents/flat.ts";
import { decodePlain } from "../../../sync/documents/plain.ts";
import type { Origin } from "../../../sync/ids.ts";
import { UNSETTLED_CHANGES_MAX } from "../../../sync/limits.ts";

const buckets = 4;
const origin = (digit: string) => digit.repeat(32) as Origin;
/** By our own encoder, to be applied later; or by Automerge, at once. */
const ENCODED = true;
const ONE_BY_ONE = false;

const key = fc.integer({ min: 0, max: 11 }).map((n) => `f:${n % 5}:${n >> 2}`);
const value = fc.oneof(
	fc.constantFrom("\\Seen", "Ünïcode", "", true, false, 0, 7, -3, 2 ** 40),
	fc.string({ maxLength: 40 }),
);
const edit: fc.Arbitrary<Edit> = fc.oneof(
	fc.record({ key, set: value }),
	fc.record({ key, add: value }),
	fc.record({ key, remove: fc.constant(true as const) }),
);
/** Steps of two authors, who hear of each other's changes now and then. */
const step = fc.record({
	author: fc.integer({ min: 0, max: 1 }),
	edits: fc.array(edit, { minLength: 1, maxLength: 12 }),
	meet: fc.boolean(),
});

const contents = (document: FlatDocument) =>
	Object.fromEntries(
		[...document.keys()]
			.sort()
			.map((each) => [each, document.values(each).map(String).sort()]),
	);

/** As from a member: it may wait. */
const hear = (document: FlatDocument, changes: readonly Uint8Array[]) =>
	document.take(
		changes.map((change) => ({ change, plain: decodePlain(change) })),
	);

class Pair {
	readonly documents = ["a", "b"].map((each) =>
		FlatDocument.create(buckets, origin(each)),
	) as [FlatDocument, FlatDocument];
	readonly #unheard: [Uint8Array[], Uint8Array[]] = [[], []];
	readonly #mayEncode: boolean;

	constructor(mayEncode: boolean) {
		this.#mayEncode = mayEncode;
	}
	change(author: 0 | 1, edits: readonly Edit[]): Uint8Array {
		const change = this.documents[author].change(edits, this.#mayEncode);
		if (change === undefined) throw new Error("nothing was changed");
		this.#unheard[author === 0 ? 1 : 0].push(change);
		return change;
	}
	meet(): void {
		for (const [i, document] of this.documents.entries()) {
			const changes = this.#unheard[i as 0 | 1].splice(0);
			if (changes.length > 0) hear(document, changes);
		}
	}
}

describe("edits in bulk", () => {
	it("leave in each document of two authors what the edits one by one leave", () => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
				// Some can be encoded, some not.
				const bulk = new Pair(ENCODED);
				const single = new Pair(ONE_BY_ONE);
				for (const { author, edits, meet } of steps)
					for (const pair of [bulk, single]) {
						pair.change(author as 0 | 1, edits);
						if (meet) pair.meet();
					}
				for (const i of [0, 1] as const)
					expect(contents(bulk.documents[i])).toEqual(
						contents(single.documents[i]),
					);
				for (const pair of [bulk, single]) pair.meet();
				const [a, b] = bulk.documents;
				expect(a.heads()).toEqual(b.heads());
				expect(contents(a)).toEqual(contents(b));
				expect(contents(a)).toEqual(contents(single.documents[0]));
				const loaded = FlatDocument.load(buckets, origin("a"), a.save());
				expect(loaded.heads()).toEqual(a.heads());
				expect(contents(loaded)).toEqual(contents(a));
			}),
			{ numRuns: 25 },
		);
	});

	it("are the very change that puts one by one make, also with the change of another beside it and for keys known to be new", () => {
		const bulk = new Pair(ENCODED);
		const single = new Pair(ONE_BY_ONE);
		const values = ["\\Seen", true, "Ünïcode", false];
		const puts = (round: number): Edit[] =>
			values.map((set, i) => ({ key: `f:${round}:${i}`, set, isNew: true }));
		for (const round of [1, 2, 3, 4, 5]) {
			for (const author of [0, 1] as const)
				expect(bulk.change(author, puts(10 * round + author))).toEqual(
					single.change(author, puts(10 * round + author)),
				);
			// Two heads from here on.
			if (round % 2 === 0) for (const pair of [bulk, single]) pair.meet();
		}
		for (const pair of [bulk, single]) pair.meet();
		expect(bulk.documents[0].heads()).toEqual(single.documents[0].heads());
	});

	it("of what is there already win over a removal made meanwhile", () => {
		const both = new Pair(ENCODED);
		const flag: Edit = { key: "f:1:seen", add: "\\Seen" };
		both.change(0, [flag]);
		both.meet();
		both.change(0, [flag]);
		both.change(1, [{ key: "f:1:seen", remove: true }]);
		both.meet();
		for (const document of both.documents)
			expect(document.values("f:1:seen")).toEqual(["\\Seen"]);
	});

	it("that wrongly call a key new leave both values, and a removal takes both", () => {
		const document = FlatDocument.create(buckets, origin("a"));
		document.change([{ key: "f:1:x", set: "one" }], ENCODED);
		document.change([{ key: "f:1:x", set: "two", isNew: true }], ENCODED);
		expect(document.values("f:1:x").sort()).toEqual(["one", "two"]);
		document.change([{ key: "f:1:x", remove: true }], ENCODED);
		expect(document.has("f:1:x")).toBe(false);
	});

	it("are applied when somebody reads: until then each follows the one before, and what waits is bounded", () => {
		const [a, b] = new Pair(ENCODED).documents;
		const changes: Uint8Array[] = [];
		const put = (round: number): Edit[] => [
			{ key: `f:${round}:x`, set: true, isNew: true },
		];
		for (let round = 0; round < UNSETTLED_CHANGES_MAX; round++) {
			changes.push(a.change(put(round), ENCODED) as Uint8Array);
			expect(a.isUnsettled).toBe(true);
		}
		changes.push(a.change(put(200), ONE_BY_ONE) as Uint8Array);
		expect(a.isUnsettled).toBe(false);
		for (let round = 201; round < 203 + UNSETTLED_CHANGES_MAX; round++)
			changes.push(a.change(put(round), ENCODED) as Uint8Array);
		a.settleSome();
		expect(a.isUnsettled).toBe(false);
		hear(b, changes);
		expect(b.heads()).toEqual(a.heads());
		expect(contents(b)).toEqual(contents(a));
		a.change([{ key: "f:0:x", remove: true }], ENCODED);
		// What is read is known without their being applied.
		expect(a.has("f:0:x")).toBe(false);
		expect(a.values("f:0:x")).toEqual([]);
		a.change([{ key: "f:0:x", set: "back" }], ENCODED);
		expect(a.values("f:0:x")).toEqual(["back"]);
		expect(a.isUnsettled).toBe(true);
		const before = contents(a);
		expect(a.isUnsettled).toBe(false);
		expect(contents(a)).toEqual(before);
		expect(a.values("f:0:x")).toEqual(["back"]);
	});

	it("that wait are in what is saved, and in what is merged with", () => {
		const [a, b] = new Pair(ENCODED).documents;
		const change = a.change([{ key: "f:1:x", set: true }], ENCODED);
		const loaded = FlatDocument.load(buckets, origin("c"), a.save());
		expect(loaded.has("f:1:x")).toBe(true);
		b.change([{ key: "f:2:x", set: true }], ENCODED);
		hear(b, [change as Uint8Array]);
		a.mergeFrom(b);
		expect(contents(a)).toEqual(contents(b));
		// The next change follows both.
		a.change([{ key: "f:3:x", set: true }], ENCODED);
		expect(a.heads()).toHaveLength(1);
		loaded.mergeFrom(a);
		expect(loaded.heads()).toEqual(a.heads());
		expect([...loaded.keys()].sort()).toEqual(["f:1:x", "f:2:x", "f:3:x"]);
	});
});
