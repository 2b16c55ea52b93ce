/** The one place where time is read and timers are set. Everything else takes a `Clock`. */
import type { Cancel, Clock } from "../ports/clock.ts";

/** Longest delay of a Node timer; a longer one would fire at once. */
const TIMER_MILLISECONDS_MAX = 2 ** 31 - 1;

/** System time. Timers do not keep the process alive. */
export const realClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	after(delayMilliseconds, run): Cancel {
		if (delayMilliseconds <= 0) {
			// Once what has come in from sockets and disks is handled: gathers a batch, and costs no millisecond.
			const soon = setImmediate(run);
			return () => clearImmediate(soon);
		}
		const timer = setTimeout(
			run,
			Math.min(Math.max(0, delayMilliseconds), TIMER_MILLISECONDS_MAX),
		);
		timer.unref();
		return () => clearTimeout(timer);
	},
};
