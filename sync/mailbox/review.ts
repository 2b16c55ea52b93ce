/**
 * Which of the entries that wait to be shown have no UID yet, or one that is too low here (rule 6), is kept in memory only.
 * After a start it is read anew, a row for each entry: some with each batch, so that the start does not wait for it; a
 * mailbox to which a client comes is done first. It is read once more where claims were passed over, as so many were too low
 * at once: when there is room to ask for them.
 */
import type { EntryId, MailboxId } from "../ids.ts";
import {
	REVIEW_ENTRIES,
	REVIEW_FIRST_MILLISECONDS,
	REVIEW_MILLISECONDS,
} from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import type { Numbering } from "./numbering.ts";
import type { Pending } from "./pending.ts";
import { getRow } from "./rows.ts";

export interface ReviewOptions {
	readonly store: Store;
	readonly clock: Clock;
	readonly rules: Rules;
	readonly numbering: Numbering;
	readonly pending: Pending;
	/** Has a batch made. */
	readonly flush: () => void;
	/** Other than usual, in simulations. */
	readonly reviewEntries?: number | undefined;
}

export class Review {
	readonly #options: ReviewOptions;
	/** So many are looked at with a batch. */
	readonly #entries: number;
	readonly #left = new Map<MailboxId, EntryId[]>();
	/** Looked at with the batch in the making. */
	#taken: [MailboxId, EntryId][] = [];
	/** Nothing is looked at before (monotonic), but for a client. */
	readonly #notBefore: number;
	#cancel: Cancel = () => {};
	#stopped = false;

	constructor(options: ReviewOptions) {
		this.#options = options;
		this.#notBefore = options.clock.monotonic() + REVIEW_FIRST_MILLISECONDS;
		this.#entries = options.reviewEntries ?? REVIEW_ENTRIES;
	}

	/** Few are looked at at once, many with the batches that follow. */
	start(): void {
		const { pending } = this.#options;
		if (pending.count <= this.#entries) this.atOnce();
		else this.#add(pending.all());
	}

	/** All once more, as at the start. */
	again(): void {
		if (this.#stopped) return;
		this.#left.clear();
		this.#add(this.#options.pending.all());
	}

	/** All, as committed. */
	atOnce(): void {
		const { store, rules, numbering, pending } = this.#options;
		const batch = new Batch(store);
		for (const [mailbox, entry] of pending.all()) {
			const row = getRow(batch, mailbox, entry);
			if (row !== undefined) numbering.note(mailbox, entry, row);
			if (rules.askAtOnce) numbering.noteLow(batch, mailbox, entry);
		}
		numbering.committed();
	}

	#add(entries: Iterable<readonly [MailboxId, EntryId]>): void {
		for (const [mailbox, entry] of entries) {
			const list = this.#left.get(mailbox);
			if (list === undefined) this.#left.set(mailbox, [entry]);
			else list.push(entry);
		}
		this.#schedule();
	}

	/** It may have been passed over when all that waited was numbered: it is numbered, or asked for. */
	#look(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const { numbering, rules } = this.#options;
		this.#taken.push([mailbox, entry]);
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		numbering.note(mailbox, entry, row);
		if (numbering.isUnnumbered(mailbox, entry))
			numbering.number(tx, mailbox, entry);
		else if (rules.askAtOnce) numbering.askAgain(tx, mailbox, entry);
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
		if (this.#left.size === 0 || this.#waitMilliseconds() > 0) return;
		let room = this.#entries;
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
		this.#add(this.#taken.splice(0));
	}

	#schedule(): void {
		this.#cancel();
		if (this.#left.size === 0) return;
		const { clock, flush } = this.#options;
		const milliseconds = Math.max(
			REVIEW_MILLISECONDS,
			this.#waitMilliseconds(),
		);
		this.#cancel = clock.after(milliseconds, flush);
	}

	#waitMilliseconds(): number {
		return this.#notBefore - this.#options.clock.monotonic();
	}

	/** All is read anew otherwise. */
	clear(): void {
		this.#cancel();
		this.#left.clear();
		this.#taken = [];
	}

	/** Nothing more is to be done. */
	stop(): void {
		this.#stopped = true;
		this.clear();
	}
}
