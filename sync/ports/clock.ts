import type { Milliseconds } from "../ids.ts";

export type Cancel = () => void;

/** Time, real or simulated. Nothing in sync/ or node/ reads a clock or sets a timer in any other way. */
export interface Clock {
	/** Wall clock: milliseconds since 1970. May jump either way. */
	now(): Milliseconds;
	/** Never goes back; its zero means nothing. */
	monotonic(): Milliseconds;
	/** Runs `run` once, after at least `delayMilliseconds`. A real timer does not keep the process alive. */
	after(delayMilliseconds: Milliseconds, run: () => void): Cancel;
}
