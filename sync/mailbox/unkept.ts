/**
 * What clients are told while the disk refuses. Reading goes on then, with what was shown before; but a HIGHESTMODSEQ that
 * cannot be written down may be given again after a crash, and one that stays is below what the client may have from
 * another node, which it would keep, and so never ask for what it does not see here. So it is told a token that is above
 * all that is known here and that is worth nothing: of a stamp slot that no life has (rules 9 and 13). Whoever gets it
 * back tells all.
 */
import type { MailboxId } from "../ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Pair } from "./pairs.ts";
import type { Stamps } from "./stamps.ts";

/** The same token does for all that is told within this time: each moves stamps on by half a second. */
const SAME_MILLISECONDS = 1_000;

export class Unkept {
	readonly #clock: Clock;
	readonly #stamps: Stamps;
	readonly #made: (pair: Pair) => void;
	/** Told, and not yet below a HIGHESTMODSEQ that is written down; at most one a mailbox. */
	readonly #told = new Map<MailboxId, number>();
	#last: { readonly token: number; readonly until: number } | undefined;

	/** `made`: for the other members, which then tell none that is lower (rule 11). */
	constructor(clock: Clock, stamps: Stamps, made: (pair: Pair) => void) {
		this.#clock = clock;
		this.#stamps = stamps;
		this.#made = made;
	}

	/** The token that was told of the mailbox, if it is still above what is written down; else 0. */
	of(mailbox: MailboxId): number {
		return this.#told.get(mailbox) ?? 0;
	}

	/** As other members hear of it: who told it is not known to have had anything. */
	pairs(mailbox: MailboxId): Pair[] {
		const token = this.of(mailbox);
		return token === 0
			? []
			: [{ mailbox, token, vector: new Map(), exact: false }];
	}

	/** Nothing below this may be told of the mailbox, and nothing can be written. */
	tell(mailbox: MailboxId, above: number): void {
		const now = this.#clock.monotonic();
		const isFit =
			this.#last !== undefined &&
			now < this.#last.until &&
			above <= this.#last.token;
		if (!isFit)
			this.#last = {
				token: this.#stamps.unkept(above),
				until: now + SAME_MILLISECONDS,
			};
		const { token } = this.#last as { token: number };
		if (this.of(mailbox) === token) return;
		this.#told.set(mailbox, token);
		for (const pair of this.pairs(mailbox)) this.#made(pair);
	}

	/** The disk takes writes: the next token is another one, since other things may be shown by then. */
	committed(): void {
		this.#last = undefined;
	}
	/** This is written down as HIGHESTMODSEQ. */
	kept(mailbox: MailboxId, highestModSeq: number): void {
		if (highestModSeq > this.of(mailbox)) this.#told.delete(mailbox);
	}
}
