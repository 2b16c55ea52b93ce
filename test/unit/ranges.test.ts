import fc from "fast-check";
import { expect, test } from "vitest";
import type { UidRange } from "../../sync/ids.ts";
import { normalised, without } from "../../sync/ranges.ts";

const ranges = fc.array(
	fc
		.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }))
		.map((pair): UidRange => pair),
	{ maxLength: 8 },
);
const members = (of: readonly UidRange[]): Set<number> => {
	const all = new Set<number>();
	for (const [low, high] of of)
		for (let uid = low; uid <= high; uid++) all.add(uid);
	return all;
};

test("normalised ranges name the same numbers, ascend and do not touch", () => {
	fc.assert(
		fc.property(ranges, (given) => {
			const result = normalised(given);
			expect(members(result)).toEqual(members(given));
			for (let i = 1; i < result.length; i++)
				expect(result[i]?.[0]).toBeGreaterThan((result[i - 1]?.[1] ?? 0) + 1);
		}),
	);
});

test("without takes out just what is taken", () => {
	fc.assert(
		fc.property(
			ranges,
			fc.uniqueArray(fc.integer({ min: 1, max: 70 })),
			(given, some) => {
				const taken = some.sort((a, b) => a - b);
				const left = members(without(given, taken));
				const wanted = [...members(given)].filter(
					(uid) => !taken.includes(uid),
				);
				expect([...left]).toEqual(wanted.sort((a, b) => a - b));
			},
		),
	);
});
