/**
 * The format of the rows in the store (its file has one of its own, real/store/base.ts), and how an older one becomes the
 * present one. Each step is given the store as the format before had it, and gives slices of writes; a crash between two of
 * them repeats the step, so each must come to the same whether it is done once or twice. Rows are read as that format had
 * them, never by today's types.
 *
 * | format | what is new                                                                                          |
 * |--------|------------------------------------------------------------------------------------------------------|
 * | 1      | the first one                                                                                        |
 * | 2      | which entries name a body (`use/`), dead entries in order (`dying/`), entries of a segment (`seg/`);  |
 * |        | bodies that are missing by where they lie, not by their hash (`need/`); operations and bytes of a     |
 * |        | mailbox, and how large the log is                                                                     |
 */
import {
	prefixEnd,
	type Store,
	StoreFailed,
	type StoreWrite,
} from "../ports/store.ts";

const FORMAT = 2;
const KEY = "meta/format";

type Step = (store: Store) => Iterable<readonly StoreWrite[]>;
/** What makes a format of the one before it. */
const steps: Readonly<Record<number, Step>> = { 2: nameBodies };

/** Brings the store to the present format. Throws StoreFailed where it has a newer one; then nothing was changed. */
export function toPresentFormat(store: Store, name: string): void {
	const found = formatOf(store);
	if (found > FORMAT)
		throw new StoreFailed(
			`${name} has format ${found}, newer than this version knows (${FORMAT}); run a newer pmnode`,
		);
	for (let format = found + 1; format <= FORMAT; format++) {
		for (const writes of (steps[format] as Step)(store)) store.commit(writes);
		store.commit([[KEY, String(format)]]);
	}
	if (store.get(KEY) === undefined) store.commit([[KEY, String(FORMAT)]]);
}

/** The first format said nothing of itself. */
function formatOf(store: Store): number {
	const text = store.get(KEY);
	if (text !== undefined) return Number(text);
	for (const _ of store.range("", "\u{7f}", { limit: 1 })) return 1;
	return FORMAT;
}

const SLICE_ROWS = 5_000;

interface EntryRow1 {
	readonly s: number;
	readonly f?: string;
	readonly x?: true;
	readonly v?: { readonly g: readonly string[]; readonly f: string };
	readonly o: Readonly<Record<string, number>>;
}
/** What the row of a mailbox has got since. */
interface BoxMore {
	/** Operations on any of its entries. */
	readonly o: Record<string, number>;
	/** Of what lives, and of what is shown as deleted. */
	liveBytes: number;
	deletedBytes: number;
}
const emptyBox = (): BoxMore => ({ o: {}, liveBytes: 0, deletedBytes: 0 });

interface NeedRow1 {
	readonly ref: {
		readonly drive: string;
		readonly blob: readonly number[];
	};
	readonly waits: unknown;
}

function* nameBodies(store: Store): Generator<readonly StoreWrite[]> {
	const segments = new Map<string, number>();
	const boxes = new Map<string, BoxMore>();
	let graves = 0;
	for (const rows of slices(store, "ent/")) {
		const writes: StoreWrite[] = [];
		for (const [key, value] of rows) {
			const [, mailbox, entry] = key.split("/");
			const row = JSON.parse(value as string) as EntryRow1;
			const box = boxes.get(mailbox as string) ?? emptyBox();
			boxes.set(mailbox as string, box);
			for (const [origin, sequence] of Object.entries(row.o))
				box.o[origin] = Math.max(box.o[origin] ?? 0, sequence);
			if (row.v?.g.includes("\\Deleted"))
				box.deletedBytes += JSON.parse(row.v.f)[1];
			if (row.f === undefined) continue;
			const [, sizeBytes, drive, blob] = JSON.parse(row.f);
			if (!row.x) box.liveBytes += sizeBytes;
			const [, block, blocks] = blob as number[];
			if (blocks)
				writes.push([
					`use/${drive.slice(0, 16)}/${hex(block as number, 10)}/${mailbox}/${entry}`,
					`${blocks} ${sizeBytes}  0`,
				]);
			const segment = `seg/${mailbox}/${hex(row.s, 8)}`;
			segments.set(segment, (segments.get(segment) ?? 0) + 1);
			if (row.x)
				writes.push([
					`dying/${hex(++graves, 12)}`,
					JSON.stringify({ m: mailbox, e: entry, o: row.o, at: 0 }),
				]);
		}
		yield writes;
	}
	for (const rows of slices(store, "box/"))
		yield rows.map(([key, value]) => {
			const more = boxes.get(key.slice("box/".length)) ?? emptyBox();
			return [key, JSON.stringify({ ...JSON.parse(value as string), ...more })];
		});
	let logBytes = 0;
	for (const rows of slices(store, "log/"))
		for (const [, row] of rows) logBytes += row.length;
	yield [["meta/logBytes", String(logBytes)]];
	yield [...segments].map(([key, count]) => [key, String(count)]);
	for (const rows of slices(store, "need/")) {
		const writes: StoreWrite[] = [];
		for (const [key, value] of rows) {
			const { ref, waits } = JSON.parse(value as string) as NeedRow1;
			const place = `need/${ref.drive.slice(0, 16)}/${ref.blob[1]}`;
			if (place === key) continue;
			writes.push([key, undefined]);
			writes.push([place, JSON.stringify({ ref, waits })]);
		}
		yield writes;
	}
}

const hex = (number: number, length: number): string =>
	number.toString(16).padStart(length, "0");

function* slices(
	store: Store,
	prefix: string,
): Generator<[string, string | Uint8Array][]> {
	const end = prefixEnd(prefix);
	for (let from = prefix; ; ) {
		const rows = [...store.range(from, end, { limit: SLICE_ROWS })] as [
			string,
			string | Uint8Array,
		][];
		const last = rows.at(-1);
		if (last === undefined) return;
		from = `${last[0]}!`;
		yield rows;
	}
}
