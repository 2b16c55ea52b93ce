/**
 * Lets deliveries go together. What a group of them costs on all members (syncs, frames, batches) is that of several
 * messages, however many are in it; and senders that send one message after the other come again together when they are
 * answered. Left to themselves the first would go alone each time, with all others behind it. So what comes while a round
 * is on its way goes when that is answered, with those who were: they are waited for, some milliseconds at most, and less
 * where they do not come. Whoever is alone waits for nobody.
 */
import type { Milliseconds } from "../sync/ids.ts";
import {
	ROUND_ENOUGH,
	ROUND_FAR_MILLISECONDS,
	ROUND_MILLISECONDS_MAX,
	ROUND_RETURN_MILLISECONDS_MAX,
} from "../sync/limits.ts";
import type { Cancel, Clock } from "../sync/ports/clock.ts";

/** Deliveries that went together. */
interface Round {
	readonly size: number;
	readonly began: Milliseconds;
	answered: number;
}

/** Those of a round who are waited for once it is answered. */
interface Return {
	readonly until: Milliseconds;
	/** So many wait when all have come again. */
	readonly all: number;
	/** With fewer it was not worth it. */
	readonly most: number;
}

/** A round is over when so much of it is answered: one that takes long holds up nobody. */
const OVER = 3 / 4;
/** How much of its patience is back after each round. */
const PATIENCE_BACK = 1 / 16;
/** The shortest of so many rounds says how far the members are; any may have taken long. */
const ROUNDS_REMEMBERED = 16;

export class Rounds {
	readonly #clock: Clock;
	/** Deliveries that wait to go. */
	#waiting: ((round: Round) => void)[] = [];
	#wake: Cancel = () => {};
	/** The last one that went, until it is over. */
	#round: Round | undefined;
	#return: Return | undefined;
	#patience: Milliseconds = ROUND_RETURN_MILLISECONDS_MAX;
	/** What the last rounds took. */
	#taken: Milliseconds[] = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Runs `deliver` with others, or at once where nobody is to be waited for. */
	async go<T>(deliver: () => Promise<T>): Promise<T> {
		const round = await new Promise<Round>((go) => {
			this.#waiting.push(go);
			this.#evaluate();
		});
		try {
			return await deliver();
		} finally {
			this.#answered(round);
		}
	}

	#evaluate(): void {
		this.#wake();
		const count = this.#waiting.length;
		if (count === 0) return;
		const left = this.#left(count);
		if (left > 0) this.#wake = this.#clock.after(left, () => this.#evaluate());
		else this.#begin(count);
	}

	/** How long `count` deliveries are still to wait. */
	#left(count: number): Milliseconds {
		if (count >= ROUND_ENOUGH) return 0;
		const now = this.#clock.monotonic();
		if (this.#round !== undefined)
			return this.#isFar ? 0 : this.#round.began + ROUND_MILLISECONDS_MAX - now;
		if (this.#return === undefined || count >= this.#return.all) return 0;
		return this.#return.until - now;
	}

	get #isFar(): boolean {
		return (
			this.#taken.length > 0 &&
			Math.min(...this.#taken) >= ROUND_FAR_MILLISECONDS
		);
	}

	#begin(size: number): void {
		if (this.#return !== undefined && size < this.#return.most)
			this.#patience /= 2;
		this.#return = undefined;
		const round = { size, began: this.#clock.monotonic(), answered: 0 };
		this.#round = round;
		for (const go of this.#waiting.splice(0)) go(round);
	}

	#answered(round: Round): void {
		round.answered++;
		if (round !== this.#round || round.answered < round.size * OVER) return;
		this.#round = undefined;
		const now = this.#clock.monotonic();
		this.#taken = [now - round.began, ...this.#taken].slice(
			0,
			ROUNDS_REMEMBERED,
		);
		this.#patience = Math.min(
			ROUND_RETURN_MILLISECONDS_MAX,
			this.#patience + ROUND_RETURN_MILLISECONDS_MAX * PATIENCE_BACK,
		);
		const waiting = this.#waiting.length;
		this.#return = {
			until: now + this.#patience,
			all: waiting + round.size,
			most: waiting + round.size / 2,
		};
		this.#evaluate();
	}
}
