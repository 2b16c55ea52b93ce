/** Rule 8: what a client names, some node told it. A UID that a client names raises E, as far as it can be believed. */
import { type MailboxId, UID_GIVEN_MAX } from "../ids.ts";
import { NAMED_LATER_MAX, UID_BELIEVED_AHEAD_MAX } from "../limits.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Rules } from "../rules.ts";
import type { Numbering } from "./numbering.ts";
import type { Pending } from "./pending.ts";
import { boxKey, getBox } from "./rows.ts";
import type { Showing } from "./showing.ts";

interface Named {
	readonly uid: number;
	readonly complete: boolean;
}

export class NamedUids {
	readonly #rules: Rules;
	readonly #pending: Pending;
	readonly #numbering: Numbering;
	readonly #showing: Showing;
	/** Named while the disk refused; and those of them that this batch notes. */
	readonly #later = new Map<MailboxId, Named>();
	readonly #noted = new Set<MailboxId>();

	constructor(options: {
		rules: Rules;
		pending: Pending;
		numbering: Numbering;
		showing: Showing;
	}) {
		this.#rules = options.rules;
		this.#pending = options.pending;
		this.#numbering = options.numbering;
		this.#showing = options.showing;
	}

	/** In a complete view nothing above all heard is believed. */
	named(
		tx: Transaction,
		mailbox: MailboxId,
		uid: number,
		complete: boolean,
	): void {
		const box = getBox(tx.batch, mailbox);
		const believed = complete
			? Math.max(box.heardUid, box.heardE)
			: box.heardUid + UID_BELIEVED_AHEAD_MAX;
		if (!this.#rules.nameUids || uid <= box.E) return;
		if (uid > Math.min(believed, UID_GIVEN_MAX)) return;
		box.E = uid;
		tx.batch.change(boxKey(mailbox), box);
		this.#showing.stage(mailbox, box);
		for (const entry of this.#pending.of(mailbox))
			this.#numbering.askAgain(tx, mailbox, entry);
	}

	/** The disk refuses: it is noted before anything more is shown. */
	nameLater(mailbox: MailboxId, uid: number, complete: boolean): void {
		const before = this.#later.get(mailbox);
		if (before === undefined && this.#later.size >= NAMED_LATER_MAX) return;
		if (before === undefined || uid > before.uid)
			this.#later.set(mailbox, { uid, complete });
	}
	waits(mailbox: MailboxId): boolean {
		return this.#later.has(mailbox);
	}
	/** In the first batch that the disk takes, for what it brings may have to stand above. */
	noteAll(tx: Transaction): void {
		for (const mailbox of this.#later.keys()) this.note(tx, mailbox);
	}
	note(tx: Transaction, mailbox: MailboxId): void {
		const later = this.#later.get(mailbox);
		if (later === undefined) return;
		this.named(tx, mailbox, later.uid, later.complete);
		this.#noted.add(mailbox);
	}

	committed(): void {
		for (const mailbox of this.#noted) this.#later.delete(mailbox);
		this.#noted.clear();
	}
	rolledBack(): void {
		this.#noted.clear();
	}
}
