/**
 * How many entries lie in each segment of a mailbox: one that was delivered on two nodes may lie in two of them. A segment that no entry is in any more, and that takes no
 * new ones, is dropped as a whole with its history: all members know that all of its entries are dead, so nobody will
 * change it again. Each node drops it by itself; nothing needs to be agreed.
 */
import { segmentDocument } from "../documents/shapes.ts";
import type { DocumentId, MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import {
	type BoxRow,
	type EntryRow,
	getBox,
	segmentsOf,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

const segmentPrefix = (mailbox: MailboxId): string => `seg/${mailbox}/`;
const segmentKey = (mailbox: MailboxId, segment: number): string =>
	`${segmentPrefix(mailbox)}${segment.toString(16).padStart(8, "0")}`;

export function changeSegment(
	batch: Batch,
	mailbox: MailboxId,
	segment: number,
	by: number,
): void {
	if (last.segment !== segment || last.mailbox !== mailbox)
		last = { mailbox, segment, key: segmentKey(mailbox, segment) };
	const { key } = last;
	batch.put(key, String(Number(batch.get(key) ?? 0) + by));
}

/** The row of an entry becomes another one: it counts in each segment that says something of it. */
export function recountSegments(
	batch: Batch,
	mailbox: MailboxId,
	before: EntryRow | undefined,
	after: EntryRow | undefined,
): void {
	for (const segment of countedIn(before))
		changeSegment(batch, mailbox, segment, -1);
	for (const segment of countedIn(after))
		changeSegment(batch, mailbox, segment, 1);
}
const countedIn = (row: EntryRow | undefined): readonly number[] =>
	row?.f === undefined ? [] : segmentsOf(row);

/** Entries come many of one segment after the other. */
let last: {
	readonly mailbox: MailboxId | "";
	readonly segment: number;
	readonly key: string;
} = { mailbox: "", segment: 0, key: "" };

/** Segments without an entry that take no new ones: where the mailbox's user is gone, all of them. */
export function emptySegments(
	store: Store,
	batch: Batch,
	mailbox: MailboxId,
	isGone: (account: BoxRow["account"]) => boolean,
): DocumentId[] {
	const prefix = segmentPrefix(mailbox);
	const box = getBox(batch, mailbox);
	const current = isGone(box.account) ? Number.POSITIVE_INFINITY : box.segment;
	const empty: DocumentId[] = [];
	for (const [key] of store.range(prefix, prefixEnd(prefix))) {
		const segment = Number.parseInt(key.slice(prefix.length), 16);
		if (segment >= current || Number(batch.get(key)) > 0) continue;
		batch.put(key, undefined);
		empty.push(segmentDocument(mailbox, segment));
	}
	return empty;
}
