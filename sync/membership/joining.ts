/** A newcomer takes the documents of its cluster as a whole from a member, until it has all that this one had. */
import type { Origin } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Head } from "../log/log.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import { lives } from "../mailbox/rows.ts";
import type { Frame } from "../replication/frames.ts";
import { needBody } from "../replication/lost-bodies.ts";
import type { BodyNeeds } from "../replication/needs.ts";
import { adoptDocument } from "../replication/snapshot.ts";
import type { Space } from "../space/space.ts";

export interface JoiningOptions {
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly space: Space;
	readonly needs: BodyNeeds;
	readonly isJoining: () => boolean;
	/** All documents are here and durable. */
	readonly done: () => Promise<void>;
}

export class Joining {
	readonly #options: JoiningOptions;
	/** What the documents contain that are on their way. */
	#heads: ReadonlyMap<Origin, Head> | undefined;

	constructor(options: JoiningOptions) {
		this.#options = options;
	}

	/** Rejects with Temporary where the disk is full; the member sends it all again on the next link. */
	async take(frame: Frame): Promise<void> {
		const { ledger, isJoining, done } = this.#options;
		if (!isJoining()) return;
		if (frame.type === "snapshot") this.#heads = frame.heads;
		else if (frame.type === "document")
			await ledger.write((tx) => this.#takeDocument(tx, frame));
		else if (frame.type === "snapshotEnd" && this.#heads) {
			await ledger.adopt(this.#heads, () => {});
			await done();
			this.#heads = undefined;
		}
	}

	#takeDocument(
		tx: Transaction,
		frame: Extract<Frame, { type: "document" }>,
	): void {
		const { ledger, mailboxes, space, needs } = this.#options;
		for (const { mailbox, entry, row } of adoptDocument(ledger, tx, frame)) {
			space.adopted(tx.batch, mailbox, entry, row);
			if (!lives(row)) continue;
			mailboxes.noteAdopted(mailbox, entry);
			needBody(needs, tx.batch, row);
		}
	}
}
