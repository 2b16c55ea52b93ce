/**
 * What is kept per entry and per mailbox in the store: the fold of all changes (replicated truth, the same everywhere),
 * and beside it what this node has shown (local truth). Shapes and keys only.
 */
import type {
	AccountId,
	EntryId,
	MailboxId,
	ModSeq,
	Origin,
	Uid,
} from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Vector } from "../log/record.ts";
import { bytesOf, decodeFacts } from "./facts.ts";

export {
	bodyTag,
	bytesOf,
	decodeFacts,
	encodeFacts,
	type Facts,
} from "./facts.ts";

/** What clients of this node were told of an entry. Names are short since there is a row a message. */
export interface Shown {
	/** UID. */
	readonly u: Uid;
	/** Stamp of its latest change, and of its appearance (rule 11). */
	m: ModSeq;
	readonly a: ModSeq;
	/** Flags as told. */
	g: readonly string[];
	/** Operations counted when it was told. */
	n: number;
	/** Facts as told, where those of the entry are others by now: a body is never swapped under a UID. */
	f?: string;
}

/** Highest operation of each origin. */
export type Operations = Record<Origin, number>;

/** What one segment says of an entry that lies in several. */
export interface Part {
	/** Flags that are set there: lower-case name → as spelt. */
	g: Record<string, string>;
	/** It is expunged there. */
	x?: true;
}

export interface EntryRow {
	/** Segment. */
	readonly s: number;
	/**
	 * Facts, once they are here. A delivery that was tried on two nodes has them twice: those of the lowest segment count, and
	 * within it the smallest text.
	 */
	f?: string;
	/** Segment of the facts, where it is another one. */
	fs?: number;
	/** Where it lies in several segments, since it was delivered there as well: what each of them says by itself. */
	p?: Record<number, Part>;
	/** UIDs claimed, the highest CLAIMS_PER_ENTRY_MAX of them. */
	u: number[];
	/** Of those the ones that were claimed for another body than that of `f`: UID → body. */
	t?: Record<number, string>;
	/** Expunged. */
	x?: true;
	/** Own flags: lower-case name → as spelt. */
	g: Record<string, string>;
	/** Flags that count because they are on what this was moved from. */
	l?: Record<string, string>;
	/** What this was moved to. */
	to?: [MailboxId, EntryId][];
	/** Operations on this entry (rule 13): on facts, claims and the tombstone; on its flags; on flags that `l` is of. */
	o: Operations;
	q?: Operations;
	r?: Operations;
	/** Count of operations. */
	n: number;
	/** Shown here. */
	v?: Shown | undefined;
}

export interface BoxRow {
	account: AccountId | "";
	/** It was deleted, as of some of its UIDVALIDITYs (directory/lives.ts). */
	wasDeleted?: true;
	/** Highest UID, or UIDNEXT-1, ever told here (rule 6: E). */
	E: number;
	/** HIGHESTMODSEQ here. */
	H: number;
	/** Highest UID claimed, and highest E of another node heard of. */
	heardUid: number;
	heardE: number;
	/** Operations on any entry of the mailbox (rule 11: whether two nodes show the same). */
	o: Operations;
	/** Entries that live, shown or not. */
	live: number;
	/** And their bytes. */
	liveBytes: number;
	/** Of what is shown: messages, unseen, deleted, bytes. */
	shown: number;
	unseen: number;
	deleted: number;
	sizeBytes: number;
	deletedBytes: number;
	/** Segment that new entries go to, and how many are in it. */
	segment: number;
	segmentEntries: number;
}

/**
 * The same string object each time, as long as an entry is worked on: a batch looks for the row of an entry a dozen times,
 * and most of that would be to put the key together and to hash it.
 */
const rowKeys = new Map<EntryId, RowKey>();
interface RowKey {
	readonly mailbox: MailboxId | "";
	readonly entry: EntryId | "";
	readonly key: string;
}
let last: RowKey = { mailbox: "", entry: "", key: "ent//" };
/** What a batch touches of a command on 1,000 messages, and few enough to be found quickly. */
const ROW_KEYS_MAX = 2_500;

export function rowKey(mailbox: MailboxId, entry: EntryId): string {
	if (entry === last.entry && mailbox === last.mailbox) return last.key;
	const known = rowKeys.get(entry);
	if (known?.mailbox === mailbox) last = known;
	else {
		if (rowKeys.size >= ROW_KEYS_MAX) rowKeys.clear();
		last = { mailbox, entry, key: `ent/${mailbox}/${entry}` };
		rowKeys.set(entry, last);
	}
	return last.key;
}
/** The same string object each time, for the same reason. */
let lastBox: { readonly mailbox: MailboxId | ""; readonly key: string } = {
	mailbox: "",
	key: "box/",
};
export function boxKey(mailbox: MailboxId): string {
	if (mailbox !== lastBox.mailbox) lastBox = { mailbox, key: `box/${mailbox}` };
	return lastBox.key;
}

export const getRow = (
	batch: Batch,
	mailbox: MailboxId,
	entry: EntryId,
): EntryRow | undefined => batch.object<EntryRow>(rowKey(mailbox, entry));

/** These rows will be asked for. */
export const expectRows = (
	batch: Batch,
	mailbox: MailboxId,
	entries: readonly EntryId[],
): void => batch.expect(entries.map((entry) => rowKey(mailbox, entry)));

/** The id of the entry was just made by chance: the store has no row of it. */
export const noteNewRow = (
	batch: Batch,
	mailbox: MailboxId,
	entry: EntryId,
): void => batch.isNew(rowKey(mailbox, entry));

export const newBox = (): BoxRow => ({
	account: "",
	E: 0,
	H: 0,
	heardUid: 0,
	heardE: 0,
	o: {},
	live: 0,
	liveBytes: 0,
	shown: 0,
	unseen: 0,
	deleted: 0,
	sizeBytes: 0,
	deletedBytes: 0,
	segment: 0,
	segmentEntries: 0,
});

/** The row of a mailbox, made if there is none yet (changes of its entries may come before the account's). */
export function getBox(batch: Batch, mailbox: MailboxId): BoxRow {
	let box = batch.object<BoxRow>(boxKey(mailbox));
	if (box === undefined) {
		box = newBox();
		batch.change(boxKey(mailbox), box);
	}
	return box;
}

/** Rule 5: the highest claim is the UID; 0 while there is none. A UID names one body: claims for another do not count. */
export const uidOf = (row: EntryRow): number => {
	let highest = 0;
	for (const claim of row.u)
		if (claim > highest && row.t?.[claim] === undefined) highest = claim;
	return highest;
};

/** What was shown is of these facts. */
export const shownFacts = (row: EntryRow): string =>
	row.v?.f ?? (row.f as string);

/** Where the facts that count are written. */
export const factsSegment = (row: EntryRow): number => row.fs ?? row.s;

/** All segments that say something of the entry. */
export const segmentsOf = (
	row: Pick<EntryRow, "s" | "p">,
): readonly number[] =>
	row.p === undefined ? [row.s] : Object.keys(row.p).map(Number);
export const liesIn = (
	row: Pick<EntryRow, "s" | "p">,
	segment: number,
): boolean =>
	row.p === undefined ? row.s === segment : row.p[segment] !== undefined;
/** What the segment says of it; undefined where it says nothing. */
export const partOf = (row: EntryRow, segment: number): Part | undefined =>
	row.p?.[segment] ?? (liesIn(row, segment) ? row : undefined);

/** Shown under this UID, and with the body that it has now. */
export const isShownAs = (row: EntryRow, uid: number): boolean =>
	row.v?.u === uid && (row.v.f === undefined || isSameBody(row.v.f, row.f));
export const isSameBody = (a: string, b: string | undefined): boolean =>
	b !== undefined &&
	(a === b || decodeFacts(a).body.hash === decodeFacts(b).body.hash);

export function noteOperation(
	operations: Operations,
	origin: Origin,
	sequence: number,
): void {
	if (sequence > (operations[origin] ?? 0)) operations[origin] = sequence;
}
export function mergeOperations(
	into: Operations,
	from: Operations | undefined,
): void {
	if (from === undefined) return;
	for (const origin of Object.keys(from) as Origin[])
		noteOperation(into, origin, from[origin] as number);
}
/** All operations that count for the entry, as one. */
export function operationsOf(row: EntryRow): Operations {
	if (row.q === undefined && row.r === undefined) return row.o;
	const all = { ...row.o };
	mergeOperations(all, row.q);
	mergeOperations(all, row.r);
	return all;
}
/** The highest operation of the origin that counts for the entry; 0: none. */
export const ownOperation = (row: EntryRow, origin: Origin): number =>
	Math.max(row.o[origin] ?? 0, ownFlagOperation(row, origin));
/** Of these the highest on flags that count for it. */
export const ownFlagOperation = (row: EntryRow, origin: Origin): number =>
	Math.max(row.q?.[origin] ?? 0, row.r?.[origin] ?? 0);
/** Whether who has this vector has all these operations. */
export function isWithin(
	operations: Operations | undefined,
	vector: Vector,
): boolean {
	if (operations === undefined) return true;
	for (const origin of Object.keys(operations) as Origin[])
		if ((operations[origin] as number) > (vector.get(origin) ?? 0))
			return false;
	return true;
}

/** Claims that name no message any more, as far as is known here: of what is expunged, and replaced ones (rule 15). */
export function deadClaims(row: EntryRow): number[] {
	const uid = lives(row) ? uidOf(row) : 0;
	return row.u.filter((claim) => claim !== uid && claim !== row.v?.u);
}

export const lives = (row: EntryRow): boolean => row.f !== undefined && !row.x;

/** What it counts for the quota of its account. */
export const liveBytesOf = (row: EntryRow): number =>
	row.f === undefined || row.x ? 0 : bytesOf(row.f);

const interned = new Map<string, readonly string[]>();
const INTERNED_MAX = 10_000;

/** All flags that count, sorted, as one shared array per combination. */
export function flagsOf(row: EntryRow): readonly string[] {
	const all = row.l === undefined ? row.g : { ...row.l, ...row.g };
	return flagsShared(Object.values(all).sort());
}

/** The one array that stands for this combination: there are few, and a mailbox has many messages. */
export function flagsShared(flags: readonly string[]): readonly string[] {
	const key = flags.join(" ");
	let shared = interned.get(key);
	if (shared === undefined) {
		if (interned.size >= INTERNED_MAX) interned.clear();
		shared = Object.freeze(flags);
		interned.set(key, shared);
	}
	return shared;
}
