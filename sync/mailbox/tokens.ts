/**
 * Mod-sequences as tokens that any node may have given (rules 8, 11 and 13): which HIGHESTMODSEQ is told, and what a
 * client with a token knows.
 */
import type { MailboxId } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import { covers, type Vector } from "../log/record.ts";
import type { Rules } from "../rules.ts";
import type { Pair, Pairs } from "./pairs.ts";
import { type BoxRow, type EntryRow, isWithin, operationsOf } from "./rows.ts";
import { slotOf } from "./slots.ts";
import type { Stamps } from "./stamps.ts";
import type { Known } from "./view.ts";

/** A client knows nothing that counts. */
export const NOTHING_KNOWN: Known = { upTo: 0 };

export interface TokensOptions {
	readonly stamps: Stamps;
	readonly pairs: Pairs;
	readonly rules: Rules;
	/** What is held durably. */
	readonly vector: () => Vector;
	/** Rule 9: whether tokens of this stamp slot are worth nothing: of a former life, or of a removed member. */
	readonly isRetired: (stampSlot: number) => boolean;
}

export class Tokens {
	readonly #options: TokensOptions;

	constructor(options: TokensOptions) {
		this.#options = options;
	}

	/**
	 * Rule 11: the mailbox is about to be told with its HIGHESTMODSEQ, which must not be below one told elsewhere. `exact`:
	 * nothing waits to be shown here. `fresh`: a new stamp in any case, since some member may have told a higher one.
	 */
	tell(
		batch: Batch,
		mailbox: MailboxId,
		box: BoxRow,
		{ exact, fresh }: { exact: boolean; fresh: boolean },
	): void {
		const { stamps, pairs, rules } = this.#options;
		if (box.H === 0 || (fresh && rules.freshApart)) stamps.give(batch, box);
		const top = rules.meet ? pairs.top(mailbox) : undefined;
		if (top === undefined || top.token <= box.H) return;
		stamps.named(top.token);
		if (rules.adopt && exact && this.#showsTheSame(top, box)) box.H = top.token;
		else stamps.give(batch, box);
	}

	#showsTheSame(top: Pair, box: BoxRow): boolean {
		return (
			top.exact &&
			this.#isWorthSomething(top.token) &&
			covers(this.#options.vector(), top.vector) &&
			isWithin(box.o, top.vector)
		);
	}

	#isWorthSomething(token: number): boolean {
		const { rules, isRetired } = this.#options;
		return !rules.retire || !isRetired(slotOf(token));
	}

	/** Rule 13: what a client need not be told that holds this token. */
	known(mailbox: MailboxId, token: number, complete: boolean): Known {
		const { stamps, pairs, rules } = this.#options;
		if (!rules.translate) return { upTo: token };
		if (!this.#isWorthSomething(token) || !stamps.believes(token, complete))
			return NOTHING_KNOWN;
		if (stamps.isOwn(token)) return { upTo: token };
		const pair = pairs.upTo(mailbox, token);
		return pair === undefined ? NOTHING_KNOWN : { within: pair.vector };
	}
}

/** Rule 14: whether all that is known here about the message is known to the client, also what is not shown yet. */
export function isKnown(row: EntryRow, known: Known): boolean {
	if ("within" in known) return isWithin(operationsOf(row), known.within);
	return row.v !== undefined && row.v.m <= known.upTo && row.v.n === row.n;
}
