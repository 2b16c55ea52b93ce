import type { Command } from "commander";
import { ask, NoNodeRunning } from "../../node/control/client.ts";
import { folderUser } from "../../node/folder.ts";
import { OperatorFault } from "../../sync/faults.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { realClock } from "../../sync/real/clock.ts";
import { dataDirectory } from "../data.ts";
import { duration, durationText } from "../duration.ts";
import type { Register } from "../program.ts";

/** A node that is started in the same moment may need this long to be seen. */
const APPEARS_WITHIN_MILLISECONDS = 3_000;

export const wait: Register = (program) =>
	void program
		.command("wait")
		.description("Return when the node is ready")
		.option(
			"--converged",
			"and every reachable member has the same documents and bodies",
		)
		.option(
			"--timeout <duration>",
			"exit 1 after this long (default 60s)",
			duration,
		)
		.action(run);

async function run(
	options: { converged?: boolean; timeout?: number },
	command: Command,
): Promise<void> {
	const timeout = options.timeout ?? 60_000;
	const controller = new AbortController();
	const what = options.converged === true ? "converged" : "ready";
	// Keeps the process alive while it sleeps between tries, which the clock's own timers do not.
	const alive = setInterval(() => {}, 60_000);
	realClock.after(timeout, () =>
		controller.abort(
			new OperatorFault(
				`not ${what} within ${durationText(timeout)}; "pmnode status" shows what is missing`,
			),
		),
	);
	try {
		const result = await whenRunning(
			dataDirectory(command),
			controller.signal,
			(directory) =>
				ask({
					dataDirectory: directory,
					method: "wait",
					params: { converged: options.converged === true },
					signal: controller.signal,
				}),
		);
		const lost = lostText(result);
		if (options.converged && lost) process.stderr.write(`pmnode: ${lost}\n`);
	} finally {
		clearInterval(alive);
	}
}

/** All members have the same, and that is not all there was: nobody can wait for what no member has. */
export function lostText(result: unknown): string | undefined {
	// A node of an earlier release does not tell.
	const { lostBodies = 0 } = (result ?? {}) as { lostBodies?: number };
	if (lostBodies === 0) return undefined;
	return `converged, but for the bodies of ${lostBodies} ${lostBodies === 1 ? "message" : "messages"}, which no member has: "pmnode check" names them; bring a member back that may have them, or restore a backup`;
}

/** Asks again while a process holds the folder and its socket is not there yet: a node that starts. */
async function whenRunning(
	directory: string,
	signal: AbortSignal,
	attempt: (directory: string) => Promise<unknown>,
): Promise<unknown> {
	const giveUp = realClock.monotonic() + APPEARS_WITHIN_MILLISECONDS;
	for (;;) {
		try {
			return await attempt(directory);
		} catch (error) {
			const mayCome =
				realClock.monotonic() < giveUp || folderUser(directory) !== undefined;
			if (!(error instanceof NoNodeRunning) || !mayCome) throw error;
		}
		await pause(realClock, 100);
		signal.throwIfAborted();
	}
}

const pause = (clock: Clock, milliseconds: number): Promise<void> =>
	new Promise((resolve) => {
		clock.after(milliseconds, resolve);
	});
