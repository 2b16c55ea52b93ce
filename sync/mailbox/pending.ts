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
	/** Of the batch in the making, in order of their numbers: written when it ends, as most are shown in the batch that they come with. */
	#fresh: (readonly [MailboxId, EntryId] | undefined)[] = [];
	/** They are written. */
	#isSettled = false;
	/** Numbers from this one on are of the batch in the making. */
	#nextCommitted = 1;
	/** What this batch took away of what is committed. */
	#removed: [MailboxId, EntryId, number][] = [];

	constructor(store: Store) {
		this.#store = store;
	}

	/** Reads anew what is committed. */
	load(): void {
		this.#entries.clear();
		this.#fresh = [];
		this.#next = 1;
		let last: string | undefined;
		for (const [key, value] of this.#store.range("pend/", prefixEnd("pend/"))) {
			const number = Number.parseInt(key.slice("pend/".length), 16);
			const text = value as string;
			const slash = text.indexOf("/");
			this.#of(text.slice(0, slash) as MailboxId).set(
				text.slice(slash + 1) as EntryId,
				number,
			);
			last = key;
		}
		if (last !== undefined)
			this.#next = Number.parseInt(last.slice("pend/".length), 16) + 1;
		this.committed();
	}

	/** All is shown that this batch shows: what stays is written. */
	settle(batch: Batch): void {
		for (let i = 0; i < this.#fresh.length; i++) {
			const place = this.#fresh[i];
			if (place !== undefined)
				batch.put(keyOf(this.#nextCommitted + i), place.join("/"));
		}
		this.#isSettled = true;
	}

	/** The batch is in the store. */
	committed(): void {
		this.#fresh = [];
		this.#isSettled = false;
		this.#nextCommitted = this.#next;
		this.#removed = [];
	}

	/** The batch is not in the store: all is as before. */
	rolledBack(): void {
		for (const place of this.#fresh) {
			if (place === undefined) continue;
			const [mailbox, entry] = place;
			const entries = this.#entries.get(mailbox);
			entries?.delete(entry);
			if (entries?.size === 0) this.#entries.delete(mailbox);
		}
		const unordered = new Set<MailboxId>();
		for (const [mailbox, entry, number] of this.#removed) {
			this.#of(mailbox).set(entry, number);
			unordered.add(mailbox);
		}
		for (const mailbox of unordered)
			this.#entries.set(
				mailbox,
				new Map([...this.#of(mailbox)].sort(([, a], [, b]) => a - b)),
			);
		this.#next = this.#nextCommitted;
		this.committed();
	}

	get count(): number {
		let count = 0;
		for (const entries of this.#entries.values()) count += entries.size;
		return count;
	}

	#of(mailbox: MailboxId): Map<EntryId, number> {
		let entries = this.#entries.get(mailbox);
		if (entries === undefined) {
			entries = new Map();
			this.#entries.set(mailbox, entries);
		}
		return entries;
	}

	/** The row is written with settle(). */
	add(mailbox: MailboxId, entry: EntryId): void {
		const entries = this.#of(mailbox);
		if (entries.has(entry)) return;
		entries.set(entry, this.#next);
		this.#next++;
		this.#fresh.push([mailbox, entry]);
	}

	remove(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		const entries = this.#entries.get(mailbox);
		const number = entries?.get(entry);
		if (entries === undefined || number === undefined) return;
		entries.delete(entry);
		if (entries.size === 0) this.#entries.delete(mailbox);
		// What is shown in the batch that it comes with needs no row: so it is with all changes where somebody looks.
		const isFresh = number >= this.#nextCommitted;
		if (isFresh) this.#fresh[number - this.#nextCommitted] = undefined;
		if (isFresh && !this.#isSettled) return;
		batch.put(keyOf(number), undefined);
		if (!isFresh) this.#removed.push([mailbox, entry, number]);
	}

	includes(mailbox: MailboxId, entry: EntryId): boolean {
		return this.#entries.get(mailbox)?.has(entry) === true;
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
