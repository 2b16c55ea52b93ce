import fc from "fast-check";
import { expect, it } from "vitest";
import { portions } from "../../../sync/documents/unapplied.ts";
import { LARGE_CHANGE_BYTES } from "../../../sync/limits.ts";

it("changes are applied in their order, small ones together, and large ones alone", () => {
	const sizes = fc.array(
		fc.oneof(
			fc.integer({ min: 1, max: 2_000 }),
			fc.integer({ min: LARGE_CHANGE_BYTES, max: 3 * LARGE_CHANGE_BYTES }),
		),
		{ maxLength: 40 },
	);
	fc.assert(
		fc.property(sizes, (lengths) => {
			const changes = lengths.map((length) => new Uint8Array(length));
			const all = [...portions(changes)];
			expect(all.flat().every((change, i) => change === changes[i])).toBe(true);
			expect(all.flat()).toHaveLength(changes.length);
			const bytes = all.map((portion) =>
				portion.reduce((sum, { length }) => sum + length, 0),
			);
			for (const [i, portion] of all.entries()) {
				if (portion.length > 1)
					expect(bytes[i]).toBeLessThanOrEqual(LARGE_CHANGE_BYTES);
				// None is closed while the next change fits.
				const next = all[i + 1]?.[0];
				if (next !== undefined)
					expect((bytes[i] as number) + next.length).toBeGreaterThan(
						LARGE_CHANGE_BYTES,
					);
			}
		}),
	);
});
