/** Rows of mailboxes as they lie on a simulated disk, for checkers: the one place that knows how to read them. */
import type { BodyHash, EntryId, MailboxId } from "../ids.ts";
import { decodeFacts, type EntryRow } from "../mailbox/rows.ts";
import type { StoreValue } from "../ports/store.ts";
import type { MemoryStore } from "./store.ts";

export interface RowOnDisk {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly row: EntryRow;
}

const PREFIX = "ent/";

/** A written value taken apart, if it is a row. */
export function rowOf(
	key: string,
	value: StoreValue | undefined,
): RowOnDisk | undefined {
	if (!key.startsWith(PREFIX) || value === undefined) return undefined;
	const slash = key.lastIndexOf("/");
	return {
		mailbox: key.slice(PREFIX.length, slash) as MailboxId,
		entry: key.slice(slash + 1) as EntryId,
		row: JSON.parse(value as string) as EntryRow,
	};
}

/** All rows of a disk, or of one mailbox. */
export function* rowsOn(
	disk: MemoryStore,
	mailbox?: MailboxId,
): Generator<RowOnDisk> {
	const prefix = mailbox === undefined ? "ent" : `${PREFIX}${mailbox}`;
	for (const [key, value] of disk.range(`${prefix}/`, `${prefix}0`)) {
		const found = rowOf(key, value);
		if (found !== undefined) yield found;
	}
}

/** Whether some row names one of the bodies; without taking rows apart, as it is asked with each acknowledgement. */
export function someRowNames(
	disk: MemoryStore,
	hashes: ReadonlySet<string>,
): boolean {
	for (const [, value] of disk.range(PREFIX, "ent0"))
		for (const hash of hashes)
			if ((value as string).includes(hash)) return true;
	return false;
}

/** Hash of the body, once the facts are here. */
export const hashOf = (row: EntryRow): BodyHash | undefined =>
	row.f === undefined ? undefined : decodeFacts(row.f).body.hash;

/** What the entry was moved from. */
export const sourceOf = (row: EntryRow): EntryId | undefined =>
	row.f === undefined ? undefined : decodeFacts(row.f).from?.[1];
