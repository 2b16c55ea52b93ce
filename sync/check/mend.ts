/**
 * Mends what checks found: rows and sums from documents, documents and log from what is sound here or at another member,
 * bodies from other members. Mail is never thrown away for the sake of order: what only a row tells of goes back into its
 * document. Nothing here looks for flaws.
 */
import type { Member } from "../directory/cluster.ts";
import type { AccountId, DocumentId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { Space } from "../space/space.ts";
import type { Flaw } from "./flaws.ts";
import { DocumentMender } from "./mend-documents.ts";
import { RowMender } from "./mend-rows.ts";
import type { PeerDocuments } from "./peers.ts";

export interface MenderOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	/** Makes a durable copy here, as Bodies.fetch(). */
	readonly fetchBody: (body: BodyRef) => Promise<void>;
	readonly diary: Log;
	readonly peers: PeerDocuments;
	/** The other members that can be asked now. */
	readonly reachable: () => readonly Member[];
	/** An entry is here in another way than by a change: what keeps its body is told. */
	readonly adopted: Space["adopted"];
	/** A document of the directory was put together anew: what was read from it is read again. */
	readonly directoryChanged: (account: AccountId | "cluster") => void;
	/** Lets others have a turn. */
	readonly breathe: () => Promise<void>;
}

export class Mender {
	readonly #options: MenderOptions;
	readonly #rows: RowMender;
	readonly #documents: DocumentMender;

	constructor(options: MenderOptions) {
		this.#options = options;
		this.#documents = new DocumentMender(options, () => this.#rows);
		this.#rows = new RowMender(options, (member, ids) =>
			this.#documents.mergeFrom(member, ids),
		);
	}

	/** Takes what this node lost of the documents from a member. */
	mergeFrom(member: Member, ids: readonly DocumentId[]): Promise<void> {
		return this.#documents.mergeFrom(member, ids);
	}

	/** Resolves to whether it is mended now. */
	async mend(flaw: Flaw): Promise<boolean> {
		try {
			return await this.#mend(flaw);
		} catch (error) {
			this.#options.diary.warn("could not mend what a check found", {
				kind: flaw.kind,
				error: String(error),
			});
			return false;
		}
	}

	async #mend(flaw: Flaw): Promise<boolean> {
		const { mailboxes } = this.#options;
		const rows = this.#rows;
		switch (flaw.kind) {
			case "log":
				return this.#documents.mendLog(flaw.origin, flaw.sequence);
			case "document":
				return this.#documents.mend(flaw.document);
			case "row":
				return rows.mend(flaw.mailbox, flaw.entry);
			case "shown":
				return rows.write(
					(tx) => mailboxes.unshow(tx, flaw.mailbox, flaw.entry),
					flaw.mailbox,
				);
			case "claim":
				return rows.write((tx) =>
					mailboxes.numbering.takeWants(tx, [
						{ mailbox: flaw.mailbox, entry: flaw.entry, claim: flaw.uid },
					]),
				);
			case "use":
				return rows.write((tx) => rows.noteUse(tx, flaw.mailbox, flaw.entry));
			case "box":
				return rows.write((tx) => rows.recount(tx, flaw.mailbox));
			case "body":
				await this.#options.fetchBody(flaw.body);
				return true;
			case "differs":
				return this.#documents.mergeWith(flaw.peer, flaw.document, flaw.lacks);
			case "store":
			case "slots":
			case "copies":
				return false;
		}
	}
}
