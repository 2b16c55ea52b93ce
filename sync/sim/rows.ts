/** Rows of mailboxes as they lie on a simulated disk, for checkers: the one place that knows how to read them. */
import type { BodyHash, EntryId, MailboxId } from "../ids.ts";
import { decodeFacts, type EntryRow } from "../mailbox/rows.ts";
import type { StoreValue, StoreWrite } from "../ports/store.ts";
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

const HASH = /[0-9a-f]{64}/g;

/** Where the rows of a disk lie that name a body: asked with each acknowledgement, when it would be long to look for. */
export class RowsByBody {
	readonly #disk: MemoryStore;
	readonly #keys = new Map<string, Set<string>>();
	/** Key → the body that it was last seen to name. */
	readonly #placed = new Map<string, string>();

	constructor(disk: MemoryStore) {
		this.#disk = disk;
	}

	/** This is being written, or was tried to. */
	written(writes: readonly StoreWrite[]): void {
		for (const [key, value] of writes) {
			if (!key.startsWith(PREFIX) || value === undefined) continue;
			const text = value as string;
			const placed = this.#placed.get(key);
			// What an entry is never changes, unless what wrote it was lost before it was durable.
			if (placed !== undefined && text.includes(placed)) continue;
			for (const [hash] of text.matchAll(HASH)) {
				const keys = this.#keys.get(hash) ?? new Set();
				this.#keys.set(hash, keys.add(key));
				this.#placed.set(key, hash);
			}
		}
	}

	/** Whether some row on the disk names the body now. */
	name(hash: string): boolean {
		for (const key of this.#keys.get(hash) ?? [])
			if ((this.#disk.get(key) as string | undefined)?.includes(hash))
				return true;
		return false;
	}
}

/** Hash of the body, once the facts are here. */
export const hashOf = (row: EntryRow): BodyHash | undefined =>
	row.f === undefined ? undefined : decodeFacts(row.f).body.hash;

/** What the entry was moved from. */
export const sourceOf = (row: EntryRow): EntryId | undefined =>
	row.f === undefined ? undefined : decodeFacts(row.f).from?.[1];
