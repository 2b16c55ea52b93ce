/**
 * Which of the entries that wait to be shown have no UID yet, or one that is too low here, is kept in memory only. After a
 * start it is read anew, a row for each entry: some with each batch, so that the start does not wait for it; a mailbox to
 * which a client comes is done first.
 */
import type { EntryId, MailboxId } from "../ids.ts";
import { REVIEW_MILLISECONDS } from "../limits.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

export interface ReviewOptions {
	readonly clock: Clock;
	/** So many are looked at with a batch. */
	readonly entries: number;
	/** Looks at one entry as of the batch. */
	readonly look: (tx: Transaction, mailbox: MailboxId, entry: EntryId) => void;
	/** Has a batch made. */
	readonly flush: () => void;
}

export class Review {
	readonly #options: ReviewOptions;
	readonly #left = new Map<MailboxId, EntryId[]>();
	/** Looked at with the batch in the making. */
	#taken: [MailboxId, EntryId][] = [];
	#cancel: Cancel = () => {};

	constructor(options: ReviewOptions) {
		this.#options = options;
	}

	/** These are to be looked at. */
	begin(entries: Iterable<readonly [MailboxId, EntryId]>): void {
		for (const [mailbox, entry] of entries) {
			const list = this.#left.get(mailbox);
			if (list === undefined) this.#left.set(mailbox, [entry]);
			else list.push(entry);
		}
		this.#schedule();
	}

	#look(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		this.#taken.push([mailbox, entry]);
		this.#options.look(tx, mailbox, entry);
	}

	/** All that is left of the mailbox, now. */
	all(tx: Transaction, mailbox: MailboxId): void {
		const entries = this.#left.get(mailbox);
		if (entries === undefined) return;
		this.#left.delete(mailbox);
		for (const entry of entries) this.#look(tx, mailbox, entry);
	}

	/** Some more, with a batch. */
	some(tx: Transaction): void {
		let room = this.#options.entries;
		for (const [mailbox, entries] of this.#left) {
			if (room <= 0) return;
			const some = entries.splice(-room);
			room -= some.length;
			if (entries.length === 0) this.#left.delete(mailbox);
			for (const entry of some) this.#look(tx, mailbox, entry);
		}
	}

	committed(): void {
		this.#taken = [];
		this.#schedule();
	}
	rolledBack(): void {
		this.begin(this.#taken.splice(0));
	}

	#schedule(): void {
		this.#cancel();
		if (this.#left.size === 0) return;
		const { clock, flush } = this.#options;
		this.#cancel = clock.after(REVIEW_MILLISECONDS, flush);
	}

	/** All is read anew otherwise, or nothing more is to be done. */
	stop(): void {
		this.#cancel();
		this.#left.clear();
		this.#taken = [];
	}
}
