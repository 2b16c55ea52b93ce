/**
 * Rule 9 in the mailboxes: a new life stands above all that the former one may have told, and takes over what that is known
 * to have shown; after a member was lost apart, claims leap.
 */
import type { EntryId, MailboxId } from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Numbering } from "./numbering.ts";
import {
	type EntryRow,
	getRow,
	isWithin,
	lives,
	operationsOf,
	uidOf,
} from "./rows.ts";
import type { Showing } from "./showing.ts";
import type { Stamps } from "./stamps.ts";
import type { Watermarks } from "./watermarks.ts";

export class Losses {
	readonly #stamps: Stamps;
	readonly #watermarks: Watermarks;
	readonly #numbering: Numbering;
	readonly #showing: Showing;
	readonly #store: Store;

	constructor(options: {
		stamps: Stamps;
		watermarks: Watermarks;
		numbering: Numbering;
		showing: Showing;
		store: Store;
	}) {
		this.#stamps = options.stamps;
		this.#watermarks = options.watermarks;
		this.#numbering = options.numbering;
		this.#showing = options.showing;
		this.#store = options.store;
	}

	/** Stamps and every E move far up, above all that a former life may have told; HIGHESTMODSEQs start anew. */
	leap(tx: Transaction, by: number): void {
		this.#stamps.leap(tx.batch, by);
		for (const [mailbox, box] of this.#watermarks.raiseAll(tx, by, true)) {
			box.H = 0;
			this.#showing.stage(mailbox, box);
		}
	}

	/** Claims leap, above all that a lost member may have told. */
	leapClaims(tx: Transaction, by: number): void {
		for (const [mailbox, box] of this.#watermarks.raiseAll(tx, by, false))
			this.#showing.stage(mailbox, box);
	}

	/** Of what lives and has a UID: whether somebody with this vector had it, with all that is known of it here. */
	*entriesHad(vector: Vector): Iterable<{
		mailbox: MailboxId;
		entry: EntryId;
		claim: number;
		had: boolean;
	}> {
		for (const [key, text] of this.#store.range("ent/", prefixEnd("ent/"))) {
			const row = JSON.parse(text as string) as EntryRow;
			const claim = uidOf(row);
			if (!lives(row) || claim === 0) continue;
			const [, mailbox, entry] = key.split("/") as [string, MailboxId, EntryId];
			const had = isWithin(operationsOf(row), vector);
			yield { mailbox, entry, claim, had };
		}
	}

	/** A former life showed the entry under its highest claim: so it counts as shown here. */
	takeAsShown(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined || !lives(row) || uidOf(row) === 0) return;
		this.#showing.takeAsShown(tx.batch, mailbox, entry, row);
	}

	/** A lost member may have shown something else under the entry's UID, or above it: it is claimed again. */
	claimAgain(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		const claim = uidOf(row);
		this.#numbering.takeWants(tx, [{ mailbox, entry, claim }]);
	}
}
