/** Begins to work on some items ahead of the one that is asked for, so that their waits overlap. */
import {
	IMAP_READ_AHEAD_BYTES,
	IMAP_READ_AHEAD_COUNT,
} from "../../../sync/limits.ts";

/**
 * The results for the items, in order. At most IMAP_READ_AHEAD_COUNT are on their way, and no more once they cost
 * IMAP_READ_AHEAD_BYTES. A result that rejects does so only for whoever awaits it.
 */
export function* readAhead<Item, Result>(
	items: readonly Item[],
	begin: (item: Item) => Promise<Result>,
	costBytes: (item: Item) => number,
): Generator<Promise<Result>, void> {
	const ahead: { result: Promise<Result>; cost: number }[] = [];
	let aheadBytes = 0;
	let next = 0;
	for (;;) {
		while (
			next < items.length &&
			ahead.length < IMAP_READ_AHEAD_COUNT &&
			(ahead.length === 0 || aheadBytes < IMAP_READ_AHEAD_BYTES)
		) {
			const item = items[next++] as Item;
			const result = begin(item);
			result.catch(() => {});
			const cost = costBytes(item);
			aheadBytes += cost;
			ahead.push({ result, cost });
		}
		const first = ahead.shift();
		if (first === undefined) return;
		yield first.result;
		aheadBytes -= first.cost;
	}
}
