/** Order by ranks that are held between commands, beside plain sorting. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
	type Column,
	extended,
	orderBy,
	rankNumbers,
	type Value,
} from "../../../node/imap/search/columns.ts";
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
