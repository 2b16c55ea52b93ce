import { expect, test } from "vitest";
import { inPlaceOrder } from "../../../sync/directory/edits.ts";
import { mapOf } from "../../../sync/documents/flat.ts";
import { keys } from "../../../sync/documents/shapes.ts";
import { deriveId, type EntryId } from "../../../sync/ids.ts";
import { SEGMENT_BUCKETS, STORE_ORDERED_COUNT } from "../../../sync/limits.ts";

test("steps on many messages change neighbours: each part in the order of its document, and nothing is lost", () => {
	const all = Array.from({ length: 2 * STORE_ORDERED_COUNT + 7 }, (_, n) => ({
		entry: deriveId<EntryId>("entry", String(n)),
		n,
	}));
	const ordered = inPlaceOrder(all);
	expect([...ordered].sort((a, b) => a.n - b.n)).toEqual(all);
	for (let from = 0; from < all.length; from += STORE_ORDERED_COUNT) {
		const part = ordered.slice(from, from + STORE_ORDERED_COUNT);
		// Of the same messages as before, and so mostly of one document.
		for (const { n } of part)
			expect(Math.floor(n / STORE_ORDERED_COUNT)).toBe(
				from / STORE_ORDERED_COUNT,
			);
		const places = part.map(({ entry }) =>
			mapOf(keys.flag(entry, "\\Seen"), SEGMENT_BUCKETS),
		);
		expect(places).toEqual([...places].sort((a, b) => a - b));
	}
});
