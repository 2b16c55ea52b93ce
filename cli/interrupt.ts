import { OperatorFault } from "../sync/faults.ts";

/** ^C ends what the signal is given to, with one line that says `what`; a second one ends the process at once. */
export function untilInterrupted(what: string): {
	readonly signal: AbortSignal;
	release(): void;
} {
	const controller = new AbortController();
	const end = () => {
		if (controller.signal.aborted) process.exit(1);
		controller.abort(new OperatorFault(what));
	};
	process.on("SIGINT", end).on("SIGTERM", end);
	return {
		signal: controller.signal,
		release: () => void process.off("SIGINT", end).off("SIGTERM", end),
	};
}
