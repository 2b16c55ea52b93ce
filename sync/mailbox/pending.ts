/**
 * Entries with something that clients of this node were not told yet, by mailbox. Held in memory; in the store they lie in
 * the order in which they came, so that a batch touches one page for all of them, whatever mailboxes they are of.
 */
import type { EntryId, MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

const keyOf = (number: number): string =>
	`pend/${number.toString(16).padStart(12, "0")}`;

export class Pending {
	readonly #store: Store;
	/** Mailbox → entry → number of its row. */
	readonly #entries = new Map<MailboxId, Map<EntryId, number>>();
	#next = 1;
	/** Rows from this number on are of the batch in the making, and not in the store. */
	#nextCommitted = 1;

	constructor(store: Store) {
		this.#store = store;
	}

	/** Reads anew what is committed. */
	load(): void {
		this.#entries.clear();
		this.#next = 1;
		for (const [key, value] of this.#store.range("pend/", prefixEnd("pend/"))) {
			const number = Number.parseInt(key.slice("pend/".length), 16);
			const [mailbox, entry] = (value as string).split("/");
			this.#of(mailbox as MailboxId).set(entry as EntryId, number);
			this.#next = number + 1;
		}
		this.#nextCommitted = this.#next;
	}

	/** The batch is in the store. */
	committed(): void {
		this.#nextCommitted = this.#next;
	}

	#of(mailbox: MailboxId): Map<EntryId, number> {
		let entries = this.#entries.get(mailbox);
		if (entries === undefined) {
			entries = new Map();
			this.#entries.set(mailbox, entries);
		}
		return entries;
	}

	add(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		const entries = this.#of(mailbox);
		if (entries.has(entry)) return;
		entries.set(entry, this.#next);
		batch.put(keyOf(this.#next++), `${mailbox}/${entry}`);
	}

	remove(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		const entries = this.#entries.get(mailbox);
		const number = entries?.get(entry);
		if (entries === undefined || number === undefined) return;
		entries.delete(entry);
		if (entries.size === 0) this.#entries.delete(mailbox);
		// What is shown in the batch that it comes with needs no row: so it is with all changes where somebody looks.
		if (number >= this.#nextCommitted) batch.unput(keyOf(number));
		else batch.put(keyOf(number), undefined);
	}

	has(mailbox: MailboxId): boolean {
		return this.#entries.has(mailbox);
	}

	of(mailbox: MailboxId): EntryId[] {
		return [...(this.#entries.get(mailbox)?.keys() ?? [])];
	}

	*all(): Iterable<[MailboxId, EntryId]> {
		for (const [mailbox, entries] of this.#entries)
			for (const entry of entries.keys()) yield [mailbox, entry];
	}
}
