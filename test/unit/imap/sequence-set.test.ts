import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	contains,
	format,
	indexOf,
	largestNamed,
	lowerBound,
	normalise,
	STAR,
} from "../../../node/imap/sequence-set.ts";

const end = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(STAR));
const sets = fc.array(fc.record({ from: end, to: end }), {
	minLength: 1,
	maxLength: 6,
});

describe("sequence sets", () => {
	test("normalise keeps what is named, ascending and apart", () => {
		fc.assert(
			fc.property(sets, fc.integer({ min: 1, max: 30 }), (set, star) => {
				const ranges = normalise(set, star);
				const value = (one: number) => (one === STAR ? star : one);
				for (let number = 1; number <= 31; number++) {
					const named = set.some(({ from, to }) => {
						const [a, b] = [value(from), value(to)];
						return number >= Math.min(a, b) && number <= Math.max(a, b);
					});
					expect(contains(ranges, number)).toBe(named);
				}
				for (const [index, [low, high]] of ranges.entries()) {
					expect(low).toBeLessThanOrEqual(high);
					const before = ranges[index - 1];
					if (before) expect(low).toBeGreaterThan(before[1] + 1);
				}
			}),
		);
	});

	test("the largest that is named", () => {
		expect(largestNamed([{ from: 3, to: 7 }])).toBe(7);
		expect(largestNamed([{ from: 7, to: 3 }])).toBe(7);
		// Rule 8: of `a:*` it is a-1.
		expect(largestNamed([{ from: 5, to: STAR }])).toBe(4);
		expect(largestNamed([{ from: STAR, to: 5 }])).toBe(4);
		expect(largestNamed([{ from: 1, to: STAR }])).toBe(0);
		expect(largestNamed([{ from: STAR, to: STAR }])).toBe(0);
	});

	test("format and binary search", () => {
		expect(format([1, 2, 3, 7, 9, 10])).toBe("1:3,7,9:10");
		expect(format([])).toBe("");
		expect(format([4, 3])).toBe("4,3");
		expect(lowerBound([2, 4, 6], 4)).toBe(1);
		expect(lowerBound([2, 4, 6], 7)).toBe(3);
		expect(indexOf([2, 4, 6], 5)).toBe(-1);
		expect(indexOf([2, 4, 6], 6)).toBe(2);
	});
});
