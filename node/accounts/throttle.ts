/** Counts what went wrong in the last minute, by source or by account, in bounded memory. */
import type { Milliseconds } from "../../sync/ids.ts";
import type { Clock } from "../../sync/ports/clock.ts";

const MINUTE_MILLISECONDS = 60_000;

export class Failures {
	readonly #clock: Clock;
	readonly #perMinuteMax: number;
	readonly #keysMax: number;
	/** Times (monotonic) of failures, ascending, at most #perMinuteMax; the key that failed last is last. */
	readonly #times = new Map<string, Milliseconds[]>();

	constructor(clock: Clock, perMinuteMax: number, keysMax: number) {
		this.#clock = clock;
		this.#perMinuteMax = perMinuteMax;
		this.#keysMax = keysMax;
	}

	/** The key has used up its minute. */
	isUsedUp(key: string): boolean {
		const oldest = this.#times.get(key)?.at(-this.#perMinuteMax);
		return (
			oldest !== undefined &&
			oldest > this.#clock.monotonic() - MINUTE_MILLISECONDS
		);
	}

	add(key: string): void {
		const times = this.#times.get(key) ?? [];
		times.push(this.#clock.monotonic());
		if (times.length > this.#perMinuteMax) times.shift();
		this.#times.delete(key);
		this.#times.set(key, times);
		for (const oldest of this.#times.keys()) {
			if (this.#times.size <= this.#keysMax) break;
			this.#times.delete(oldest);
		}
	}
}

/** The keys that were added last, up to a number of them. */
export class Recent {
	readonly #keysMax: number;
	readonly #keys = new Set<string>();

	constructor(keysMax: number) {
		this.#keysMax = keysMax;
	}

	has(key: string): boolean {
		return this.#keys.has(key);
	}

	add(key: string): void {
		this.#keys.delete(key);
		this.#keys.add(key);
		for (const oldest of this.#keys) {
			if (this.#keys.size <= this.#keysMax) break;
			this.#keys.delete(oldest);
		}
	}
}
