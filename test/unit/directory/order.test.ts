import { expect, test } from "vitest";
import { inPlaceOrder } from "../../../sync/directory/edits.ts";
import { mapOf } from "../../../sync/documents/places.ts";
import { keys } from "../../../sync/documents/shapes.ts";
import { deriveId, type EntryId } from "../../../sync/ids.ts";
import {
	SEGMENT_BUCKETS,
	SEGMENT_ENTRIES_MAX,
	STORE_PLACES_ASKED_MAX,
} from "../../../sync/limits.ts";

interface One {
	readonly entry: EntryId;
	readonly n: number;
}
const messages = (count: number): One[] =>
	Array.from({ length: count }, (_, n) => ({
		entry: deriveId<EntryId>("entry", String(n)),
		n,
	}));

/** Orders them, with the segment of each message by its number; also how many were asked for theirs. */
function ordered(all: readonly One[], segmentOf: (n: number) => number) {
	const numbers = new Map(all.map(({ entry, n }) => [entry, n]));
	let asked = 0;
	const found = inPlaceOrder(all, (entry) => {
		asked++;
		return segmentOf(numbers.get(entry) as number);
	});
	return { found, asked };
}

const placeOf = ({ entry }: One) =>
	mapOf(keys.flag(entry, "\\Seen"), SEGMENT_BUCKETS);

test("steps on many messages change neighbours: segment by segment, each in the order of its document, and nothing is lost", () => {
	const all = messages(2 * SEGMENT_ENTRIES_MAX + 907);
	// As they are while a mailbox grows.
	const segmentOf = (n: number) =>
		n < 128 ? 0 : n < 256 ? 1 : 2 + Math.floor((n - 256) / SEGMENT_ENTRIES_MAX);
	const { found, asked } = ordered(all, segmentOf);
	expect([...found].sort((a, b) => a.n - b.n)).toEqual(all);
	expect(asked).toBeLessThan(100);
	const segments = found.map(({ n }) => segmentOf(n));
	expect(segments).toEqual([...segments].sort((a, b) => a - b));
	for (const segment of new Set(segments)) {
		const places = found
			.filter(({ n }) => segmentOf(n) === segment)
			.map(placeOf);
		expect(places).toEqual([...places].sort((a, b) => a - b));
	}
});

test("messages that lie in segments without any order are all taken, and few are asked where they lie", () => {
	const all = messages(5_000);
	const { found, asked } = ordered(all, (n) => (n * 7_919) % 5_003);
	expect([...found].sort((a, b) => a.n - b.n)).toEqual(all);
	expect(asked).toBeLessThan(STORE_PLACES_ASKED_MAX + 50);
});
