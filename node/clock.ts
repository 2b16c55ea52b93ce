/** The machine's clock and randomness: the only place in node/ that touches them. Composition passes them on as ports. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../sync/ports/clock.ts";
import type { Random } from "../sync/ports/random.ts";

export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	after(delayMilliseconds, run) {
		const timer = setTimeout(run, delayMilliseconds);
		timer.unref();
		return () => clearTimeout(timer);
	},
};

export const systemRandom: Random = {
	bytes: (length) => randomBytes(length),
};
