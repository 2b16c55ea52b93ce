/**
 * Simulated time: stands still until a test or a simulation moves it on, and runs timers in the order in which they are
 * due (equal ones in the order in which they were set), so that a run depends on nothing but its seed.
 */
import type { Milliseconds } from "../ids.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

/** What one node's clock shows, compared with the simulated true time. */
export interface ClockSkew {
	/** Added to the wall clock. */
	readonly skewMilliseconds?: number;
	/** How much faster the clock runs, in millionths; timers come earlier accordingly. */
	readonly driftPerMillion?: number;
}

/** A node's view of the simulated clock. */
export interface SimClockView extends Clock {
	/** Makes the wall clock jump, as an administrator or NTP would. `monotonic()` and timers stay as they are. */
	jump(milliseconds: number): void;
}

interface Timer {
	readonly due: Milliseconds;
	readonly order: number;
	/** Undefined once cancelled; the timer is then passed over. */
	run: (() => void) | undefined;
}

/** Wall clock at the start of a simulation: 2026-01-01T00:00:00Z. */
const EPOCH_MILLISECONDS = Date.UTC(2026, 0, 1);
/** More timers than this at one instant means that one sets itself again with no delay. */
const TIMERS_PER_INSTANT_MAX = 100_000;

/**
 * Lets all promise callbacks run that are ready and what they make ready, and what they put off to the end of the turn.
 */
export async function turn(): Promise<void> {
	for (let i = 0; i < 2; i++)
		await new Promise((resolve) => setImmediate(resolve));
}

/** The same where nothing real is waited for: without a turn of the event loop, of which there are many in a run. */
const drained = (): Promise<void> =>
	new Promise((resolve) => process.nextTick(resolve));
/** So often the event loop gets a turn nevertheless: the process must hear its signals and show how far it is. */
const REAL_TURN_EVERY = 500;

/** A clock whose timers never run again after `kill()`: that of a process which can be killed. */
export function mortal(clock: Clock): { clock: Clock; kill(): void } {
	let alive = true;
	return {
		clock: {
			now: () => clock.now(),
			monotonic: () => clock.monotonic(),
			after: (delayMilliseconds, run) =>
				clock.after(delayMilliseconds, () => {
					if (alive) run();
				}),
		},
		kill: () => {
			alive = false;
		},
	};
}

export class SimClock implements Clock {
	#time: Milliseconds = 0;
	#order = 0;
	readonly #closed: boolean;
	#turns = 0;
	/** Binary heap by (due, order). */
	readonly #heap: Timer[] = [];

	/** `closed`: whatever happens is set off by timers of this clock, and nothing by real input and output. */
	constructor({ closed = false } = {}) {
		this.#closed = closed;
	}

	now(): Milliseconds {
		return EPOCH_MILLISECONDS + this.#time;
	}

	monotonic(): Milliseconds {
		return this.#time;
	}

	after(delayMilliseconds: Milliseconds, run: () => void): Cancel {
		const due = this.#time + Math.max(0, delayMilliseconds);
		const timer: Timer = { due, order: this.#order++, run };
		this.#push(timer);
		return () => {
			timer.run = undefined;
		};
	}

	/** When the next timer is due (monotonic), or undefined when none is set. */
	nextDue(): Milliseconds | undefined {
		for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
			if (top.run !== undefined) return top.due;
			this.#pop();
		}
		return undefined;
	}

	/**
	 * Moves time on by `milliseconds` and runs what falls due, one timer at a time. Between timers the promises that they
	 * settled run their course (also real input and output that is ready), which is why it is asynchronous.
	 */
	async advance(milliseconds: Milliseconds): Promise<void> {
		await this.#run(this.#time + milliseconds, () => false);
	}

	/**
	 * Moves time on until `predicate` holds (true), or by at most `maxMilliseconds` (false). The predicate is asked first
	 * at once, and then after each timer.
	 */
	async runUntil(
		predicate: () => boolean,
		maxMilliseconds: Milliseconds,
	): Promise<boolean> {
		return this.#run(this.#time + maxMilliseconds, predicate);
	}

	/** The clock of one node, with its own error. */
	view(skew: ClockSkew = {}): SimClockView {
		let skewMilliseconds = skew.skewMilliseconds ?? 0;
		const rate = 1 + (skew.driftPerMillion ?? 0) / 1e6;
		return {
			now: () => EPOCH_MILLISECONDS + this.#time * rate + skewMilliseconds,
			monotonic: () => this.#time * rate,
			after: (delayMilliseconds, run) =>
				this.after(delayMilliseconds / rate, run),
			jump: (milliseconds) => {
				skewMilliseconds += milliseconds;
			},
		};
	}

	async #run(end: Milliseconds, done: () => boolean): Promise<boolean> {
		let atInstant = 0;
		for (;;) {
			await this.#turn();
			if (done()) return true;
			const due = this.nextDue();
			if (due === undefined || due > end) break;
			atInstant = due > this.#time ? 0 : atInstant + 1;
			if (atInstant > TIMERS_PER_INSTANT_MAX)
				throw new Error(`time stands still at ${this.#time} ms`);
			this.#time = Math.max(this.#time, due);
			this.#pop()?.run?.();
		}
		this.#time = Math.max(this.#time, end);
		await this.#turn();
		return done();
	}

	#turn(): Promise<void> {
		return this.#closed && ++this.#turns % REAL_TURN_EVERY !== 0
			? drained()
			: turn();
	}

	#push(timer: Timer): void {
		const heap = this.#heap;
		let i = heap.push(timer) - 1;
		while (i > 0) {
			const parent = (i - 1) >> 1;
			if (!before(heap[i], heap[parent])) break;
			swap(heap, i, parent);
			i = parent;
		}
	}

	#pop(): Timer | undefined {
		const heap = this.#heap;
		swap(heap, 0, heap.length - 1);
		const top = heap.pop();
		let i = 0;
		for (;;) {
			let least = i;
			for (const child of [2 * i + 1, 2 * i + 2])
				if (before(heap[child], heap[least])) least = child;
			if (least === i) return top;
			swap(heap, i, least);
			i = least;
		}
	}
}

function before(one: Timer | undefined, other: Timer | undefined): boolean {
	if (one === undefined || other === undefined) return false;
	return (
		one.due < other.due || (one.due === other.due && one.order < other.order)
	);
}

function swap(heap: Timer[], i: number, j: number): void {
	const one = heap[i];
	const other = heap[j];
	if (one === undefined || other === undefined) return;
	heap[i] = other;
	heap[j] = one;
}
