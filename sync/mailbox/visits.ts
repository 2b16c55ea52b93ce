/**
 * A client comes to a mailbox: it selects, or asks for the status. What may be shown is shown, and the HIGHESTMODSEQ that
 * it is told with is seen to (rules 8, 11, 12).
 */
import type { MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Rules } from "../rules.ts";
import type { Looking } from "./looking.ts";
import type { NamedUids } from "./named-uids.ts";
import type { Numbering } from "./numbering.ts";
import type { Telling } from "./options.ts";
import type { PairNotes } from "./pair-notes.ts";
import type { Pair, Pairs } from "./pairs.ts";
import type { Pending } from "./pending.ts";
import { type BoxRow, boxKey, getBox } from "./rows.ts";
import type { Showing } from "./showing.ts";
import type { Stamps } from "./stamps.ts";
import type { Tokens } from "./tokens.ts";
import type { Unkept } from "./unkept.ts";
import { highestE } from "./watermarks.ts";

export interface VisitsParts {
	readonly rules: Rules;
	readonly stamps: Stamps;
	readonly pairs: Pairs;
	readonly pairNotes: PairNotes;
	readonly tokens: Tokens;
	readonly unkept: Unkept;
	readonly pending: Pending;
	readonly numbering: Numbering;
	readonly namedUids: NamedUids;
	readonly showing: Showing;
	readonly looking: Looking;
	readonly show: (tx: Transaction, mailbox: MailboxId) => void;
	/** As committed. */
	readonly box: (mailbox: MailboxId) => BoxRow;
}

export class Visits {
	readonly #parts: VisitsParts;
	/** Told to a client with this batch. */
	readonly #told = new Set<MailboxId>();

	constructor(parts: VisitsParts) {
		this.#parts = parts;
	}

	isTold(mailbox: MailboxId): boolean {
		return this.#told.has(mailbox);
	}
	/** The batch is done, or was given up. */
	ended(): void {
		this.#told.clear();
	}

	/** Rule 12: all that was applied here is shown, or gets a claim before it is: then that claim is what a token lacks. */
	isExact(mailbox: MailboxId): boolean {
		const { pending, numbering } = this.#parts;
		for (const entry of pending.of(mailbox))
			if (!numbering.isUnnumbered(mailbox, entry)) return false;
		return true;
	}

	/** Rule 8: a client named a token that some node must have told: HIGHESTMODSEQ goes above it. */
	tokenNamed(
		tx: Transaction,
		mailbox: MailboxId,
		token: number,
		complete: boolean,
	): void {
		const box = getBox(tx.batch, mailbox);
		if (!this.#parts.rules.nameTokens || token <= box.H) return;
		if (!this.#parts.stamps.believes(token, complete)) return;
		this.#parts.stamps.named(token);
		this.#parts.stamps.give(tx.batch, box);
		this.#tellWith(tx.batch, mailbox, box);
	}

	/** Rule 11: the mailbox is told with its HIGHESTMODSEQ. */
	#tellWith(batch: Batch, mailbox: MailboxId, box: BoxRow): void {
		batch.change(boxKey(mailbox), box);
		this.#parts.showing.stage(mailbox, box);
		this.#told.add(mailbox);
	}

	/** A client selects, or asks for the status: shows what may be shown, and sees to what is told of it. */
	begin(tx: Transaction, mailbox: MailboxId, telling: Telling): void {
		// First: what is shown with this is above no UID that the client knows, and would have to be numbered anew.
		this.#parts.show(tx, mailbox);
		const { told, complete, fresh } = telling;
		if (told !== undefined) {
			this.#parts.namedUids.named(tx, mailbox, told.uid, complete);
			this.tokenNamed(tx, mailbox, told.modSeq, complete);
		}
		const box = getBox(tx.batch, mailbox);
		const exact = this.isExact(mailbox);
		this.#parts.tokens.tell(tx.batch, mailbox, box, { exact, fresh });
		if (box.H <= this.#parts.unkept.of(mailbox))
			this.#parts.stamps.give(tx.batch, box);
		this.#tellWith(tx.batch, mailbox, box);
	}

	/** Whether a status has to be seen to first: something is to be shown, or another node told a higher stamp. */
	isBehind(mailbox: MailboxId, box: BoxRow): boolean {
		if (this.#parts.pending.has(mailbox) || box.H === 0) return true;
		return this.#toldAnywhere(mailbox) > box.H;
	}

	/** The highest stamp that is known to have been told of the mailbox, by whatever node. */
	#toldAnywhere(mailbox: MailboxId): number {
		const top = this.#parts.pairs.top(mailbox)?.token ?? 0;
		return Math.max(top, this.#parts.unkept.of(mailbox));
	}

	/** begin() was to be, and the disk refuses: what was shown before is told, under a token that is worth nothing. */
	beginUnkept(mailbox: MailboxId, { told, complete }: Telling): void {
		const { E, H } = this.#parts.box(mailbox);
		const { uid = 0, modSeq: named = 0 } = told ?? {};
		if (uid > E) this.#parts.namedUids.nameLater(mailbox, uid, complete);
		const above = Math.max(
			H,
			this.#parts.pairs.top(mailbox)?.token ?? 0,
			this.#parts.stamps.believes(named, complete) ? named : 0,
		);
		this.#parts.unkept.tell(mailbox, above);
		this.#parts.looking.tellHigher(mailbox, this.#parts.unkept.of(mailbox));
	}

	/** Whether begin() would change anything, or what this batch brings must come first. */
	isToBegin(mailbox: MailboxId, { fresh, told }: Telling): boolean {
		const box = this.#parts.box(mailbox);
		if (fresh || this.isBehind(mailbox, box)) return true;
		return told !== undefined && (told.uid > box.E || told.modSeq > box.H);
	}

	/** What is committed of the mailbox is told to a client. */
	told(mailbox: MailboxId): void {
		this.#parts.pairNotes.told(mailbox);
	}

	/** A member catches up for a client that selects: what it lacks of pairs, and the mailbox's E. */
	forMember(
		mailbox: MailboxId,
		tokens: readonly number[],
	): { readonly pairs: Pair[]; readonly E: number } {
		if (this.#parts.looking.has(mailbox) || this.#parts.box(mailbox).H > 0)
			this.#parts.pairNotes.make(mailbox);
		return {
			pairs: [
				...this.#parts.pairs.beyond(mailbox, tokens),
				...this.#parts.unkept.pairs(mailbox),
			],
			E: highestE(this.#parts.box(mailbox)),
		};
	}
}
