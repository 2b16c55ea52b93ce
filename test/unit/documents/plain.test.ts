/** Changes that put and remove texts and truth values: the same bytes as Automerge's, and the same documents though they wait. */
import { decodeChange, encodeChange } from "@automerge/automerge";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	type Edit,
	FlatDocument,
	type ForeignChange,
} from "../../../sync/documents/flat.ts";
import {
	decodePlain,
	encodePlain,
	GENESIS_ACTOR,
	type Operation,
	type PlainChange,
} from "../../../sync/documents/plain.ts";
import type { Origin } from "../../../sync/ids.ts";
import { UNSETTLED_CHANGES_MAX } from "../../../sync/limits.ts";

const BUCKETS = 4;
const hex = (bytes: number) =>
	fc
		.uint8Array({ minLength: bytes, maxLength: bytes })
		.map((each) => Buffer.from(each).toString("hex"));
const text = fc.oneof(
	fc.constantFrom("x", "same", "Ünïcode", "€😀"),
	fc.string({ minLength: 1, maxLength: 300, unit: "grapheme" }),
);
const number = fc.integer({ min: 1, max: 2 ** 31 });
const actors = ["00".repeat(16), "77".repeat(16), "ff".repeat(16)];
const pred = fc
	.uniqueArray(fc.record({ number, actor: fc.constantFrom(...actors) }), {
		maxLength: 3,
		selector: (id) => id.number,
	})
	.map((ids) =>
		ids
			.sort((a, b) => a.number - b.number)
			.map((id) => `${id.number}@${id.actor}`),
	);
const map = fc.integer({ min: 1, max: 70 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
	fc.record({ map, key: text, value: text, pred: fc.constant([]) }),
	fc.record({
		map,
		key: text,
		value: fc.oneof(text, fc.boolean(), fc.constantFrom("", undefined)),
		pred,
	}),
);
const anyChange: fc.Arbitrary<PlainChange> = fc.record({
	actor: fc.oneof(hex(16), fc.constantFrom(...actors)),
	seq: number,
	startOp: number,
	deps: fc.uniqueArray(hex(32), { maxLength: 3 }).map((each) => each.sort()),
	operations: fc.array(operation, { minLength: 1, maxLength: 20 }),
});
const byAutomerge = ({ operations, deps, ...rest }: PlainChange): Uint8Array =>
	encodeChange({
		...rest,
		author: null,
		deps: [...deps],
		time: 0,
		message: null,
		ops: operations.map(({ map, key, value, pred }) => ({
			action: value === undefined ? "del" : "set",
			obj: `${map}@${GENESIS_ACTOR}` as const,
			key,
			...(value === undefined ? {} : { value }),
			pred: [...pred],
		})),
	});

describe("the encoding of plain changes", () => {
	it("is that of Automerge to the byte, and is read back", () => {
		fc.assert(
			fc.property(anyChange, (plain) => {
				const { change, hash } = encodePlain(plain);
				expect(Buffer.from(change)).toEqual(Buffer.from(byAutomerge(plain)));
				expect(hash).toBe(decodeChange(change).hash);
				expect(decodePlain(change)).toEqual({ ...plain, hash });
			}),
			{ numRuns: 300 },
		);
	});

	it("is not taken for one when a byte differs or is missing, or when it is another change", () => {
		fc.assert(
			fc.property(anyChange, fc.nat(), fc.nat(), (plain, at, by) => {
				const { change } = encodePlain(plain);
				const bad = Uint8Array.from(change);
				const index = at % bad.length;
				bad[index] = (bad[index] as number) ^ (1 + (by % 255));
				expect(decodePlain(bad)).toBeUndefined();
				expect(decodePlain(change.subarray(0, index))).toBeUndefined();
			}),
			{ numRuns: 300 },
		);
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				expect(decodePlain(bytes)).toBeUndefined();
			}),
		);
		const document = FlatDocument.create(BUCKETS, origin("a"));
		const others: Edit[] = [
			{ key: "f:1:x", set: 7, isNew: true },
			{ key: "f:1:x", set: 8 },
		];
		for (const edit of others)
			expect(
				decodePlain(document.change([edit]) as Uint8Array),
			).toBeUndefined();
	});
});

const origin = (digit: string) => digit.repeat(32) as Origin;
const foreign = (change: Uint8Array | undefined): ForeignChange => {
	if (change === undefined) throw new Error("nothing was changed");
	return { change, plain: decodePlain(change) };
};
const put = (key: string, set = "text"): Edit => ({ key, set, isNew: true });
const contents = (document: FlatDocument) =>
	[...document.keys()].sort().map((key) => [key, document.values(key).sort()]);

describe("changes that wait", () => {
	const AUTHORS = ["a", "b", "c"] as const;
	const author = fc.integer({ min: 0, max: 2 });
	const step = fc.oneof(
		// Few keys, so that two authors come to the same one.
		fc.record({ by: author, put: fc.integer({ min: 0, max: 30 }) }),
		fc.record({ by: author, change: fc.integer({ min: 0, max: 30 }) }),
		fc.record({
			by: author,
			all: fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 2 }),
			remove: fc.boolean(),
		}),
		fc.record({ by: author, remove: fc.integer({ min: 0, max: 30 }) }),
		fc.record({ by: author, read: fc.integer({ min: 0, max: 30 }) }),
		fc.record({ by: author, hears: author, most: fc.integer({ max: 9 }) }),
		fc.record({ by: author, settle: fc.constant(true) }),
	);

	/** Three authors; each hears of each other's changes in order, and of what these follow first. */
	function play(
		steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
		mayWait: boolean,
	): { read: unknown[]; documents: FlatDocument[] } {
		const documents = AUTHORS.map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		);
		const logs: { change: ForeignChange; had: number[] }[][] = [[], [], []];
		const had = AUTHORS.map(() => [0, 0, 0]);
		const read: unknown[] = [];
		const change = (by: number, ...edits: Edit[]) => {
			const made = foreign(documents[by]?.change(edits, mayWait));
			logs[by]?.push({
				change: mayWait ? made : { change: made.change },
				had: [...(had[by] as number[])],
			});
			(had[by] as number[])[by] = logs[by]?.length as number;
		};
		const hear = (by: number, from: number, most: number) => {
			const own = had[by] as number[];
			for (let left = most; left > 0; left--) {
				const next = logs[from]?.[own[from] as number];
				if (by === from || next === undefined) return;
				next.had.forEach((count, of) => {
					if (of !== by && of !== from && (own[of] as number) < count)
						hear(by, of, count - (own[of] as number));
				});
				documents[by]?.take([next.change]);
				own[from] = (own[from] as number) + 1;
			}
		};
		for (const each of steps) {
			const { by } = each;
			const document = documents[by] as FlatDocument;
			const key = (n: number) => `f:${n % 7}:${n}`;
			if ("put" in each && !document.has(key(each.put)))
				change(by, put(key(each.put), `${by}`));
			else if ("all" in each)
				change(
					by,
					...each.all
						.map(key)
						.map(
							(at): Edit =>
								each.remove
									? { key: at, remove: true }
									: { key: at, add: "all" },
						),
				);
			else if ("change" in each)
				change(by, { key: key(each.change), add: `over ${by}` });
			else if ("remove" in each)
				change(by, { key: key(each.remove), remove: true });
			else if ("read" in each)
				read.push(document.values(key(each.read)).sort());
			else if ("hears" in each) hear(by, each.hears, each.most);
			else if ("settle" in each) document.settleSome();
		}
		for (const round of [1, 2, 3])
			for (const by of [0, 1, 2])
				for (const from of [0, 1, 2]) hear(by, from, 1_000 * round);
		return { read, documents };
	}

	it("make the documents that they make when each is applied at once, whoever reads when", () => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
				const waiting = play(steps, true);
				const atOnce = play(steps, false);
				expect(waiting.read).toEqual(atOnce.read);
				const [first] = waiting.documents as [FlatDocument];
				const [other] = atOnce.documents as [FlatDocument];
				for (const document of waiting.documents) {
					expect(document.heads()).toEqual(first.heads());
					expect(contents(document)).toEqual(contents(other));
					const saved = document.save();
					const loaded = FlatDocument.load(BUCKETS, origin("d"), saved);
					expect(loaded.heads()).toEqual(first.heads());
				}
			}),
			{ numRuns: 100 },
		);
	});

	it("wait on both sides, bounded, and are read without the others being applied", () => {
		const [a, b] = ["a", "b"].map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		) as [FlatDocument, FlatDocument];
		b.take([foreign(a.change([put("f:0:x")]))]);
		for (let n = 1; n < 2 * UNSETTLED_CHANGES_MAX; n++) {
			b.take([foreign(a.change([put(`f:${n}:x`, `${n}`)]))]);
			expect(a.values(`f:${n}:x`)).toEqual([`${n}`]);
			expect(b.values(`f:${n}:x`)).toEqual([`${n}`]);
			expect(b.has("f:-1:x")).toBe(false);
			expect(a.isUnsettled).toBe(true);
			expect(b.heads()).toEqual(a.heads());
		}
		expect(b.isUnsettled).toBe(true);
		b.settle();
		expect(b.isUnsettled).toBe(false);
		expect(contents(b)).toEqual(contents(a));
	});

	it("are refused as Automerge refuses them: a number used twice, before anybody relies on it", () => {
		const [a, b] = ["a", "b"].map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		) as [FlatDocument, FlatDocument];
		b.take([foreign(a.change([put("f:0:x")]))]);
		const second = foreign(a.change([put("f:1:x")]));
		b.take([second]);
		const { plain } = second;
		if (plain === undefined) throw new Error("not a plain change");
		const forged = foreign(
			encodePlain({ ...plain, startOp: 1_000, deps: b.heads() }).change,
		);
		expect(() => b.take([forged])).toThrow(/duplicate seq/);
	});

	it("under a key that others came to as well leave all values, whichever of them waits", () => {
		const documents = ["a", "b", "c"].map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		) as [FlatDocument, FlatDocument, FlatDocument];
		const [a, b, c] = documents;
		for (const from of documents) {
			const known = foreign(from.change([put(`f:${from.heads()[0]}:x`)]));
			for (const to of documents) if (to !== from) to.take([known]);
		}
		const ofA = foreign(a.change([put("f:0:x", "of a")]));
		const ofB = foreign(b.change([put("f:0:x", "of b")]));
		c.take([ofA]);
		expect(c.isUnsettled).toBe(true);
		expect(c.values("f:0:x")).toEqual(["of a"]);
		c.take([ofB]);
		expect(c.values("f:0:x").sort()).toEqual(["of a", "of b"]);
		// What is applied, and what waits.
		a.settle();
		a.take([ofB]);
		expect(a.isUnsettled).toBe(true);
		expect(a.values("f:0:x").sort()).toEqual(["of a", "of b"]);
	});

	/** Three that know each other's first changes, so that all later ones may wait. */
	const acquainted = () => {
		const documents = ["a", "b", "c"].map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		) as [FlatDocument, FlatDocument, FlatDocument];
		for (const [i, from] of documents.entries()) {
			const known = foreign(from.change([put(`f:first:${i}`)]));
			for (const to of documents) if (to !== from) to.take([known]);
		}
		for (const each of documents) each.settle();
		return documents;
	};

	it("that overwrite or remove what another overwrote at the same time leave what that one put", () => {
		for (const last of [
			{ key: "f:0:x", set: "over it by b" },
			{ key: "f:0:x", remove: true },
		] as const) {
			const [a, b, c] = acquainted();
			const first = foreign(a.change([put("f:0:x", "of a")]));
			for (const each of [b, c]) each.take([first]);
			const ofA = foreign(a.change([{ key: "f:0:x", set: "over it by a" }]));
			const ofB = foreign(b.change([last]));
			c.take([ofA]);
			expect(c.isUnsettled).toBe(true);
			expect(c.values("f:0:x")).toEqual(["over it by a"]);
			c.take([ofB]);
			const expected =
				"set" in last ? ["over it by a", last.set] : ["over it by a"];
			expect(c.values("f:0:x").sort()).toEqual(expected);
			c.settle();
			expect(c.values("f:0:x").sort()).toEqual(expected);
		}
	});

	it("that take back what was put for new leave what was there before", () => {
		const [a, b, c] = acquainted();
		const ofB = foreign(b.change([put("f:0:x", "of b")]));
		c.take([ofB]);
		c.settle();
		for (const edit of [
			put("f:0:x", "of a"),
			{ key: "f:0:x", remove: true } as const,
		])
			c.take([foreign(a.change([edit]))]);
		expect(c.values("f:0:x")).toEqual(["of b"]);
	});

	it("do not wait for what is not here: the change is not in the document, and what it lacks is named", () => {
		const [a, b, c] = ["a", "b", "c"].map((each) =>
			FlatDocument.create(BUCKETS, origin(each)),
		) as [FlatDocument, FlatDocument, FlatDocument];
		const first = foreign(a.change([put("f:0:x")]));
		b.take([first]);
		c.take([first]);
		const missing = foreign(b.change([put("f:1:x")]));
		a.take([missing]);
		c.take([foreign(a.change([put("f:2:x")]))]);
		expect(c.has("f:2:x")).toBe(false);
		expect(c.lacks([])).toEqual([missing.plain?.hash]);
	});
});
