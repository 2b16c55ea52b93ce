/** So many a second on average, and so many at once. */
import type { Clock } from "../ports/clock.ts";

export class RateLimit {
	readonly #clock: Clock;
	readonly #perSecond: number;
	readonly #burst: number;
	#allowance: number;
	#at: number;

	constructor(clock: Clock, perSecond: number, burst: number) {
		this.#clock = clock;
		this.#perSecond = perSecond;
		this.#burst = burst;
		this.#allowance = burst;
		this.#at = clock.monotonic();
	}

	/** True when one more is allowed now; then it is counted. */
	take(): boolean {
		const now = this.#clock.monotonic();
		const earned = ((now - this.#at) / 1000) * this.#perSecond;
		this.#at = now;
		this.#allowance = Math.min(this.#burst, this.#allowance + earned);
		if (this.#allowance < 1) return false;
		this.#allowance--;
		return true;
	}
}
