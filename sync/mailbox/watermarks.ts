/**
 * How members hear of each other's E (rule 3). An E up to the highest claim needs no word: the claim tells it. So only
 * those travel that are above: where a client named a UID that nobody here knew, or a restored node leaped.
 */
import { type MailboxId, UID_GIVEN_MAX } from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { type BoxRow, boxKey, getBox } from "./rows.ts";

export interface Watermark {
	readonly mailbox: MailboxId;
	/** The highest E told by any node, as far as the sender heard. */
	readonly E: number;
}

export const highestE = (box: BoxRow): number => Math.max(box.E, box.heardE);

export class Watermarks {
	readonly #store: Store;
	/** Mailboxes with an E above all claims, as committed; some may have got a claim since. */
	readonly #ahead = new Set<MailboxId>();

	constructor(store: Store) {
		this.#store = store;
	}

	/** As committed. True where it is ahead, and so for others to hear. */
	note(mailbox: MailboxId, box: BoxRow): boolean {
		const isAhead = highestE(box) > box.heardUid;
		if (isAhead) this.#ahead.add(mailbox);
		else this.#ahead.delete(mailbox);
		return isAhead;
	}

	/** All that are ahead: for a member that was not linked. */
	all(): Watermark[] {
		const all: Watermark[] = [];
		for (const mailbox of [...this.#ahead]) {
			const box = JSON.parse(
				(this.#store.get(boxKey(mailbox)) ?? "null") as string,
			) as BoxRow | null;
			if (box !== null && this.note(mailbox, box))
				all.push({ mailbox, E: highestE(box) });
		}
		return all;
	}

	/** Another node told these. Returns the mailboxes where that is news. */
	heard(tx: Transaction, told: readonly Watermark[]): [MailboxId, BoxRow][] {
		const news: [MailboxId, BoxRow][] = [];
		for (const { mailbox, E } of told) {
			const box = getBox(tx.batch, mailbox);
			if (E <= highestE(box) || E > UID_GIVEN_MAX) continue;
			box.heardE = E;
			tx.batch.change(boxKey(mailbox), box);
			news.push([mailbox, box]);
		}
		return news;
	}

	/** Rule 9: every E, own or heard, moves so far above all that is known; `own`: told here, else as if by another. */
	raiseAll(tx: Transaction, by: number, own: boolean): [MailboxId, BoxRow][] {
		const raised: [MailboxId, BoxRow][] = [];
		const rows = this.#store.range("box/", prefixEnd("box/"));
		for (const [key] of rows) {
			const mailbox = key.slice("box/".length) as MailboxId;
			const box = getBox(tx.batch, mailbox);
			const above = Math.min(
				UID_GIVEN_MAX,
				Math.max(highestE(box), box.heardUid) + by,
			);
			if (own) box.E = above;
			else box.heardE = above;
			tx.batch.change(boxKey(mailbox), box);
			raised.push([mailbox, box]);
		}
		return raised;
	}
}
