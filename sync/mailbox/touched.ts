/** What a batch has touched, in order of arrival; rows are looked up once for all steps that end the batch. */
import type { EntryId, MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import { type EntryRow, getRow } from "./rows.ts";

type Rows = Map<EntryId, EntryRow | undefined>;

const NOWHERE = { mailbox: "", entry: "" } as const;

export class Touched {
	/** With their rows once each() came by: before that, a row may still be another one. */
	readonly #all = new Map<MailboxId, Rows>();

	/** What each() is at. */
	#at: { readonly mailbox: MailboxId | ""; readonly entry: EntryId | "" } =
		NOWHERE;

	add(mailbox: MailboxId, entry: EntryId): void {
		let rows = this.#all.get(mailbox);
		if (rows === undefined) {
			rows = new Map();
			this.#all.set(mailbox, rows);
		}
		if (!rows.has(entry)) rows.set(entry, undefined);
	}

	has(mailbox: MailboxId, entry: EntryId): boolean {
		return this.#all.get(mailbox)?.has(entry) === true;
	}

	/** Nothing of the entry is left. */
	drop(mailbox: MailboxId, entry: EntryId): void {
		this.#all.get(mailbox)?.delete(entry);
	}

	clear(): void {
		this.#at = NOWHERE;
		this.#all.clear();
	}

	mailboxes(): Iterable<MailboxId> {
		return this.#all.keys();
	}

	/** Runs for each that is touched by now. All is folded that was written. */
	each(
		batch: Batch,
		run: (
			mailbox: MailboxId,
			entry: EntryId,
			row: EntryRow | undefined,
		) => void,
	): void {
		for (const [mailbox, rows] of [...this.#all])
			for (const entry of [...rows.keys()]) {
				const row = getRow(batch, mailbox, entry);
				rows.set(entry, row);
				this.#at = { mailbox, entry };
				run(mailbox, entry, row);
			}
		this.#at = NOWHERE;
	}

	isAt(mailbox: MailboxId, entry: EntryId): boolean {
		return this.#at.entry === entry && this.#at.mailbox === mailbox;
	}

	/** The rows of these entries, which are not touched, and of those that are. */
	rowsWith(
		batch: Batch,
		mailbox: MailboxId,
		entries: Iterable<EntryId>,
	): [EntryId, EntryRow | undefined][] {
		const touched = this.#all.get(mailbox);
		const rows: [EntryId, EntryRow | undefined][] = [];
		for (const entry of entries)
			rows.push([entry, getRow(batch, mailbox, entry)]);
		for (const [entry, row] of touched ?? [])
			rows.push([entry, row ?? getRow(batch, mailbox, entry)]);
		return rows;
	}
}
