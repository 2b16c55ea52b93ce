import { prefixEnd, type Store, type StoreValue } from "../ports/store.ts";

/** Rows with this prefix, read in slices: what is written meanwhile may or may not be seen, and little is held. */
export function* walk(
	store: Store,
	prefix: string,
	slice = SLICE,
	after = prefix,
): Generator<readonly (readonly [key: string, value: StoreValue])[]> {
	const end = prefixEnd(prefix);
	for (let from = after; ; ) {
		const rows = [...store.range(from, end, { limit: slice })];
		const last = rows.at(-1);
		if (last === undefined) return;
		yield rows;
		if (rows.length < slice) return;
		from = `${last[0]}\u{0}`;
	}
}

/** Some milliseconds of work. */
const SLICE = 256;
