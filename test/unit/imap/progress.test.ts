/** The timer of a session's long commands. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Output } from "../../../node/imap/output.ts";
import { ProgressTeller } from "../../../node/imap/progress.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

test("a session that is over leaves no timer that would keep it in memory", () => {
	const clock = new SimClock();
	let timers = 0;
	const counting: Clock = {
		now: () => clock.now(),
		monotonic: () => clock.monotonic(),
		after: (milliseconds, run) => {
			timers++;
			const cancel = clock.after(milliseconds, run);
			return () => {
				timers--;
				cancel();
			};
		},
	};
	const teller = new ProgressTeller(
		new Output(new PassThrough(), counting),
		counting,
	);
	teller.begin("a");
	teller.end();
	expect(timers).toBe(1);
	teller.close();
	expect(timers).toBe(0);
});
