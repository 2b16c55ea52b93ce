/** A set that is mostly empty, beside one of the language. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SparseSet } from "../../../node/imap/sparse-set.ts";

test("holds what a Set holds, whatever is done to it", () => {
	const step = fc.tuple(
		fc.constantFrom("add", "delete", "clear"),
		fc.integer({ min: 1, max: 4 }),
	);
	fc.assert(
		fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
			const sparse = new SparseSet<number>();
			const plain = new Set<number>();
			for (const [name, value] of steps) {
				for (const set of [sparse, plain])
					if (name === "clear") set.clear();
					else set[name as "add" | "delete"](value);
				expect([...sparse]).toEqual([...plain]);
				expect(sparse.size).toBe(plain.size);
				expect(sparse.has(value)).toBe(plain.has(value));
			}
		}),
	);
});
