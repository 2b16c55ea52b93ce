/** When this node makes pairs of its own (rule 12): one for each HIGHESTMODSEQ told, at most one in a short time a mailbox. */
import type { MailboxId } from "../ids.ts";
import { PAIR_MILLISECONDS } from "../limits.ts";
import type { Vector } from "../log/record.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Pair, Pairs } from "./pairs.ts";
import type { BoxRow } from "./rows.ts";
import { slotOf } from "./slots.ts";
import type { Stamps } from "./stamps.ts";

const MAILBOXES_REMEMBERED = 10_000;

export interface PairNotesOptions {
	readonly hasSlots: () => boolean;
	readonly pairs: Pairs;
	readonly stamps: Stamps;
	readonly clock: Clock;
	/** As committed. */
	readonly box: (mailbox: MailboxId) => BoxRow;
	readonly vector: () => Vector;
	/** Whether all that is in the vector is shown, or will get a claim before it is. */
	readonly isExact: (mailbox: MailboxId) => boolean;
	/** For the other members. */
	readonly made: (pair: Pair) => void;
}

export class PairNotes {
	readonly #options: PairNotesOptions;
	/** When the last pair of a mailbox was made (monotonic). */
	readonly #last = new Map<MailboxId, number>();
	readonly #due = new Map<MailboxId, Cancel>();

	constructor(options: PairNotesOptions) {
		this.#options = options;
	}

	/** What is committed of the mailbox is told to clients. */
	told(mailbox: MailboxId): void {
		const { clock } = this.#options;
		if (this.#due.has(mailbox)) return;
		const since =
			clock.monotonic() - (this.#last.get(mailbox) ?? Number.NEGATIVE_INFINITY);
		if (since >= PAIR_MILLISECONDS) {
			this.make(mailbox);
			return;
		}
		this.#due.set(
			mailbox,
			clock.after(PAIR_MILLISECONDS - since, () => this.make(mailbox)),
		);
	}

	stop(): void {
		for (const cancel of this.#due.values()) cancel();
		this.#due.clear();
	}

	/** Makes the pair of what is told now, unless there is one. */
	make(mailbox: MailboxId): void {
		const { pairs, stamps, clock, box, vector, isExact, made, hasSlots } =
			this.#options;
		this.#due.get(mailbox)?.();
		this.#due.delete(mailbox);
		if (this.#last.size >= MAILBOXES_REMEMBERED) this.#last.clear();
		this.#last.set(mailbox, clock.monotonic());
		const token = box(mailbox).H;
		if (token === 0 || !hasSlots() || !stamps.isOwn(token)) return;
		const exact = isExact(mailbox);
		// Something of the vector is not shown yet: then the vector of what was, which is older, and so safe.
		const before = exact
			? undefined
			: pairs.of(mailbox, slotOf(token)).findLast((pair) => pair.exact);
		const pair = {
			mailbox,
			token,
			exact,
			vector: exact ? new Map(vector()) : (before?.vector ?? new Map()),
		};
		if (pairs.add(pair)) made(pair);
	}
}
