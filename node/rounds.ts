/**
 * Lets deliveries go together. What a group of them costs on all members (syncs, frames, batches) is that of several
 * messages, however many are in it; and senders that send one message after the other come again together when they are
 * answered. Left to themselves the first would go alone each time, with all others behind it. So what comes while a round
 * is on its way goes when that is answered, with those who were: they are waited for, some milliseconds at most, and less
 * where they do not come. Whoever is alone waits for nobody.
 *
 * Where the members are far the line takes most of the time, and is there for many rounds at once. They are small then and
 * follow each other, so that one is worked on while others are on their way.
 */
import type { Milliseconds } from "../sync/ids.ts";
import {
	ROUND_ENOUGH,
	ROUND_FAR_COUNT_MAX,
	ROUND_FAR_GATHER_MILLISECONDS,
	ROUND_FAR_MILLISECONDS,
	ROUND_MILLISECONDS_MAX,
	ROUND_RETURN_MILLISECONDS_MAX,
} from "../sync/limits.ts";
import type { Cancel, Clock } from "../sync/ports/clock.ts";

/** Deliveries that went together. */
interface Round {
	readonly size: number;
	readonly began: Milliseconds;
	/** Of how many the body is here, or will never be. */
	stored: number;
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

export class Rounds {
	readonly #clock: Clock;
	readonly #wayMilliseconds: () => Milliseconds;
	/** Deliveries that wait to go. */
	#waiting: ((round: Round) => void)[] = [];
	/** The first of them came then. */
	#waitingSince: Milliseconds = 0;
	#wake: Cancel = () => {};
	/** The last one that went, until it is over. */
	#round: Round | undefined;
	#return: Return | undefined;
	#patience: Milliseconds = ROUND_RETURN_MILLISECONDS_MAX;

	/** `wayMilliseconds`: how long the line takes to those who have to confirm, there and back. */
	constructor(clock: Clock, wayMilliseconds: () => Milliseconds) {
		this.#clock = clock;
		this.#wayMilliseconds = wayMilliseconds;
	}

	/** Runs `store` with others, or at once where nobody is to be waited for; and `deliver` with what it gave. */
	async go<Stored, T>(
		store: () => Promise<Stored>,
		deliver: (stored: Stored) => Promise<T>,
	): Promise<T> {
		const round = await new Promise<Round>((go) => {
			if (this.#waiting.push(go) === 1)
				this.#waitingSince = this.#clock.monotonic();
			this.#evaluate();
		});
		try {
			const stored = await store().finally(() => this.#stored(round));
			return await deliver(stored);
		} finally {
			this.#answered(round);
		}
	}

	#evaluate(): void {
		this.#wake();
		const count = this.#waiting.length;
		if (count === 0) return;
		const { isFar } = this;
		const left = isFar ? this.#leftFar(count) : this.#left(count);
		if (left > 0) this.#wake = this.#clock.after(left, () => this.#evaluate());
		else this.#begin(isFar ? Math.min(count, ROUND_FAR_COUNT_MAX) : count);
	}

	get isFar(): boolean {
		return this.#wayMilliseconds() >= ROUND_FAR_MILLISECONDS;
	}

	/** How long `count` deliveries are still to wait. */
	#left(count: number): Milliseconds {
		if (count >= ROUND_ENOUGH) return 0;
		const now = this.#clock.monotonic();
		if (this.#round !== undefined)
			return this.#round.began + ROUND_MILLISECONDS_MAX - now;
		if (this.#return === undefined || count >= this.#return.all) return 0;
		return this.#return.until - now;
	}

	#leftFar(count: number): Milliseconds {
		const round = this.#round;
		if (round === undefined) return 0;
		const now = this.#clock.monotonic();
		if (round.stored < round.size)
			return round.began + ROUND_MILLISECONDS_MAX - now;
		if (count >= ROUND_FAR_COUNT_MAX) return 0;
		const since = Math.max(this.#waitingSince, round.began);
		return since + ROUND_FAR_GATHER_MILLISECONDS - now;
	}

	#begin(size: number): void {
		if (this.#return !== undefined && size < this.#return.most)
			this.#patience /= 2;
		this.#return = undefined;
		const began = this.#clock.monotonic();
		const round = { size, began, stored: 0, answered: 0 };
		this.#round = round;
		for (const go of this.#waiting.splice(0, size)) go(round);
	}

	#stored(round: Round): void {
		round.stored++;
		if (round === this.#round && round.stored === round.size && this.isFar)
			this.#evaluate();
	}

	#answered(round: Round): void {
		round.answered++;
		if (round !== this.#round || round.answered < round.size * OVER) return;
		this.#round = undefined;
		if (this.isFar) {
			this.#evaluate();
			return;
		}
		this.#patience = Math.min(
			ROUND_RETURN_MILLISECONDS_MAX,
			this.#patience + ROUND_RETURN_MILLISECONDS_MAX * PATIENCE_BACK,
		);
		const waiting = this.#waiting.length;
		this.#return = {
			until: this.#clock.monotonic() + this.#patience,
			all: waiting + round.size,
			most: waiting + round.size / 2,
		};
		this.#evaluate();
	}
}
