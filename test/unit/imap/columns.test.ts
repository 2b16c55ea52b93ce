/** Order by ranks that are held between commands, beside plain sorting. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
	type Column,
	extended,
	orderBy,
	rankNumbers,
	SortColumns,
	type Value,
} from "../../../node/imap/search/columns.ts";
import type { Candidate } from "../../../node/imap/search/match.ts";
import type { Selected } from "../../../node/imap/selected.ts";
import { compareMapped } from "../../../node/mime/index.ts";

const EMPTY: Column = {
	uids: new Uint32Array(),
	ranks: new Uint32Array(),
	values: [],
	valueBytes: 0,
};
const compare = (a: Value, b: Value): number =>
	typeof a === "string"
		? compareMapped(a, b as string)
		: (a as number) - (b as number);

/** Few values, so that many are equal, and characters that UTF-16 and UTF-8 order differently. */
const texts = fc.string({
	unit: fc.constantFrom("a", "b", "é", "\ufb01", "\u{1f600}"),
	maxLength: 3,
});
const rows = (value: fc.Arbitrary<Value>) =>
	fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 500 }), value), {
		selector: ([uid]) => uid,
		maxLength: 60,
	});
const byUid = (all: readonly (readonly [number, Value])[]) =>
	all.toSorted(([a], [b]) => a - b);

for (const [name, value] of [
	["texts", texts],
	["numbers", fc.integer({ min: -3, max: 3 })],
] as const)
	it(`a column of ${name} ranks as if it had been made at once, in whatever steps it grew`, () => {
		fc.assert(
			fc.property(
				rows(value),
				fc.array(fc.nat(2), { minLength: 60, maxLength: 60 }),
				(all, steps) => {
					let column = EMPTY;
					for (let step = 0; step <= 2; step++) {
						const some = byUid(all.filter((_, at) => steps[at] === step));
						column = extended(
							column,
							some.map(([uid]) => uid),
							some.map(([, one]) => one),
						);
					}
					const sorted = byUid(all);
					expect([...column.uids]).toEqual(sorted.map(([uid]) => uid));
					const values = [...new Set(all.map(([, one]) => one))].sort(compare);
					expect(column.values).toEqual(values);
					expect([...column.ranks]).toEqual(
						sorted.map(([, one]) => values.indexOf(one)),
					);
				},
			),
		);
	});

it("orders by several criteria as comparing one after the other does", () => {
	const criterion = fc.record({
		span: fc.constantFrom(1, 3, 2 ** 31),
		reverse: fc.boolean(),
	});
	fc.assert(
		fc.property(
			fc.array(criterion, { maxLength: 4 }),
			fc.array(fc.array(fc.nat(6), { minLength: 4, maxLength: 4 }), {
				maxLength: 40,
			}),
			(criteria, table) => {
				const ranked = criteria.map(({ span, reverse }, at) => ({
					ranks: Uint32Array.from(table, (row) => (row[at] as number) % span),
					// Far above the ranks there are: the keys no longer fit into one number.
					count: Math.max(span, 7),
					reverse,
				}));
				const expected = table
					.map((_, at) => at)
					.sort((a, b) => {
						for (const { ranks, reverse } of ranked) {
							const by = (ranks[a] as number) - (ranks[b] as number);
							if (by !== 0) return reverse ? -by : by;
						}
						return a - b;
					});
				expect([...orderBy(table.length, ranked)]).toEqual(expected);
			},
		),
	);
});

it("ranks numbers", () => {
	const { ranks, count } = rankNumbers(Float64Array.of(5, -1, 5, 2.5));
	expect([...ranks]).toEqual([2, 0, 2, 1]);
	expect(count).toBe(3);
});

it("asks for a message once for all criteria that lack it, and never again", async () => {
	const candidates = (...uids: number[]) =>
		uids.map((uid) => ({ number: uid, uid })) as Candidate[];
	const selected = {
		mailbox: { id: "m", uidValidity: 1 },
		known: { uids: [1, 2, 3] },
	} as unknown as Selected;
	const columns = new SortColumns();
	const asked: string[] = [];
	const ranksOf = async (names: readonly string[], uids: number[]) => {
		const ranks = await columns.ranks(
			selected,
			names,
			candidates(...uids),
			async (missing, criteria) => {
				asked.push(`${missing.map(({ uid }) => uid)} by ${criteria}`);
				return criteria.map((name) =>
					missing.map(({ uid }) => (name === "DOWN" ? -uid : uid % 2)),
				);
			},
		);
		return names.map((name) => [...ranks.get(name).ranks]);
	};
	expect(await ranksOf(["DOWN"], [1, 2])).toEqual([[1, 0]]);
	// Of the first two only one column lacks the values, of the third both do.
	expect(await ranksOf(["DOWN", "ODD"], [1, 2, 3])).toEqual([
		[2, 1, 0],
		[1, 0, 1],
	]);
	expect(await ranksOf(["ODD", "DOWN"], [2, 3])).toEqual([
		[0, 1],
		[1, 0],
	]);
	expect(asked).toEqual(["1,2 by DOWN", "3 by DOWN", "1,2,3 by ODD"]);
	asked.length = 0;
	expect(await ranksOf(["OTHER", "MORE"], [1, 3])).toEqual([
		[0, 0],
		[0, 0],
	]);
	expect(asked).toEqual(["1,3 by OTHER,MORE"]);
	// As many, and others.
	await ranksOf(["A"], [1]);
	await ranksOf(["B"], [2]);
	asked.length = 0;
	await ranksOf(["A", "B"], [1, 2]);
	expect(asked).toEqual(["2 by A", "1 by B"]);
});
