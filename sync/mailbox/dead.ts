/**
 * UIDs whose entries are forgotten, per mailbox, as ranges: known dead for ever (rules 3 and 15). They need no more room
 * than what lives between them, since most follow one another.
 */
import type { MailboxId, UidRange } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Store } from "../ports/store.ts";
import { normalised } from "../ranges.ts";

const deadKey = (mailbox: MailboxId): string => `dead/${mailbox}`;

/** Ascending and disjoint. */
export function deadRanges(
	store: Pick<Store, "get">,
	mailbox: MailboxId,
): readonly UidRange[] {
	const text = store.get(deadKey(mailbox));
	return text === undefined ? [] : (JSON.parse(text as string) as UidRange[]);
}

/** Whether this was a UID of something that is forgotten. */
export const isDead = (
	store: Pick<Store, "get">,
	mailbox: MailboxId,
	uid: number,
): boolean =>
	deadRanges(store, mailbox).some(([low, high]) => low <= uid && uid <= high);

export function addDead(
	batch: Batch,
	mailbox: MailboxId,
	uids: readonly number[],
): void {
	addDeadRanges(
		batch,
		mailbox,
		uids.map((uid) => [uid, uid]),
	);
}

export function addDeadRanges(
	batch: Batch,
	mailbox: MailboxId,
	ranges: readonly UidRange[],
): void {
	if (ranges.length === 0) return;
	const before = deadRanges(batch, mailbox);
	batch.put(
		deadKey(mailbox),
		JSON.stringify(normalised([...before, ...ranges])),
	);
}
