/** Round trips to one member as its heartbeats measure them. */
import type { Milliseconds } from "../ids.ts";
import { ROUND_TRIPS_REMEMBERED } from "../limits.ts";

/** Weight of the newest round trip in the smoothed one. */
const WEIGHT = 0.3;

export class RoundTrips {
	#smoothed: Milliseconds | undefined;
	/** The newest last. */
	#last: Milliseconds[] = [];

	add(rtt: Milliseconds): void {
		const before = this.#smoothed ?? rtt;
		this.#smoothed = before * (1 - WEIGHT) + rtt * WEIGHT;
		this.#last = [...this.#last, rtt].slice(-ROUND_TRIPS_REMEMBERED);
	}

	/** With what both ends took to come to it. */
	get smoothed(): Milliseconds | undefined {
		return this.#smoothed;
	}

	/** What of it is the line: any heartbeat may have waited for a busy end, but hardly all. */
	get shortest(): Milliseconds | undefined {
		return this.#last.length > 0 ? Math.min(...this.#last) : undefined;
	}
}
