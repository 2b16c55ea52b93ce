/** One way of a connection on the simulated network: a queue in order of arrival, held back while the way is cut. */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Wire } from "./connection.ts";

/** What a line needs of its world. */
export interface Way {
	readonly clock: Clock;
	/** A drawn delay, in milliseconds. */
	delay(): number;
	cut(): boolean;
	/** A message sets out. */
	sent(): void;
	/** Something waits here (again), or nothing any more. */
	busy(line: Line, busy: boolean): void;
}

interface Item {
	readonly arrivalMilliseconds: number;
	readonly arrive: () => void;
}

export class Line implements Wire {
	readonly #way: Way;
	#queue: Item[] = [];
	#lastArrivalMilliseconds = 0;
	#resumesMilliseconds = 0;
	#cancelTimer: Cancel | undefined;

	constructor(way: Way) {
		this.#way = way;
	}

	send(arrive: () => void): void {
		const { clock } = this.#way;
		const arrivalMilliseconds = Math.max(
			clock.monotonic() + this.#way.delay(),
			this.#lastArrivalMilliseconds,
		);
		this.#lastArrivalMilliseconds = arrivalMilliseconds;
		this.#queue.push({ arrivalMilliseconds, arrive });
		this.#way.sent();
		this.#way.busy(this, true);
		this.#schedule();
	}

	clear(): void {
		this.#queue = [];
	}

	endOfTurn(run: () => void): void {
		this.#way.clock.after(0, run);
	}

	/** The cut is over; what waited is sent again after a while. */
	resume(afterMilliseconds: number): void {
		this.#resumesMilliseconds = this.#way.clock.monotonic() + afterMilliseconds;
		this.#schedule();
	}

	#schedule(): void {
		const [first] = this.#queue;
		if (this.#cancelTimer !== undefined || first === undefined) return;
		const { clock } = this.#way;
		const due = Math.max(first.arrivalMilliseconds, this.#resumesMilliseconds);
		this.#cancelTimer = clock.after(due - clock.monotonic(), () => {
			this.#cancelTimer = undefined;
			this.#deliver();
		});
	}

	/** One at a time, so that what an arrival sets off has run before the next. */
	#deliver(): void {
		const now = this.#way.clock.monotonic();
		if (this.#way.cut()) return;
		const [first] = this.#queue;
		if (
			first !== undefined &&
			first.arrivalMilliseconds <= now &&
			this.#resumesMilliseconds <= now
		) {
			this.#queue.shift();
			first.arrive();
		}
		if (this.#queue.length === 0) this.#way.busy(this, false);
		this.#schedule();
	}
}
