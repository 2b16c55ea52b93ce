/** The life of a simulated process's body store: its timers die with it, and what waits ends with it. */
import type { Milliseconds } from "../ids.ts";
import { BodyUnavailable } from "../ports/bodies.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

export class BodyLife {
	readonly #clock: Clock;
	readonly #timers = new Set<Cancel>();
	/** Ends what waits, at close(). */
	readonly #endings = new Set<(error: Error) => void>();
	#state: "open" | "closed" | "dead" = "open";

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	get isOpen(): boolean {
		return this.#state === "open";
	}
	get isDead(): boolean {
		return this.#state === "dead";
	}

	/** Rejects when closed; for the dead it never settles. */
	ended(): Promise<never> {
		if (this.isDead) return new Promise(() => {});
		return Promise.reject(closed());
	}

	/** No more is begun; end() is to follow. */
	close(): void {
		this.#state = "closed";
	}
	end(): void {
		for (const ending of [...this.#endings]) ending(closed());
		this.#stopTimers();
	}
	/** The process dies at once. */
	die(): void {
		this.#state = "dead";
		this.#stopTimers();
	}

	/** Runs when the store is closed, unless the result is called before. */
	onEnd(run: (error: Error) => void): Cancel {
		this.#endings.add(run);
		return () => this.#endings.delete(run);
	}

	/** Rejects when the store is closed meanwhile. */
	wait(milliseconds: Milliseconds): Promise<void> {
		return new Promise((resolve, reject) => {
			const live = this.onEnd(reject);
			this.after(milliseconds, () => {
				live();
				resolve();
			});
		});
	}

	/** A timer that dies with the process. */
	after(milliseconds: Milliseconds, run: () => void): Cancel {
		const cancel = this.#clock.after(milliseconds, () => {
			this.#timers.delete(cancel);
			run();
		});
		this.#timers.add(cancel);
		return () => {
			cancel();
			this.#timers.delete(cancel);
		};
	}

	#stopTimers(): void {
		for (const cancel of this.#timers) cancel();
		this.#timers.clear();
	}
}

const closed = () => new BodyUnavailable("the body store is closed");
