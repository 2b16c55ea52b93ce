/** A long command that a node carries out: shows how far it is, prints what is wrong, and ends it at ^C. */
import type { Command } from "commander";
import { ask } from "../node/control/client.ts";
import type { OperationEvent } from "../sync/api.ts";
import { dataDirectory } from "./data.ts";
import { untilInterrupted } from "./interrupt.ts";
import { Progress } from "./progress.ts";

export interface LongOperation {
	readonly method: string;
	readonly params: Readonly<Record<string, unknown>>;
	/** Said when ^C ends it. */
	readonly interrupted: string;
	readonly quiet: boolean;
	/** Words for stages, where the stage's own name does not say enough. */
	readonly stages?: Readonly<Record<string, string>>;
	/** Stages counted in bytes. */
	readonly bytes?: readonly string[];
}

export async function longOperation(
	command: Command,
	{ method, params, ...how }: LongOperation,
): Promise<unknown> {
	return shown(how, (show, signal) =>
		ask({
			dataDirectory: dataDirectory(command),
			method,
			params,
			signal,
			onItem: (item) => show(item as OperationEvent),
		}),
	);
}

/** The same for work of this process. */
export async function shown<T>(
	how: Omit<LongOperation, "method" | "params">,
	run: (
		show: (event: OperationEvent) => void,
		signal: AbortSignal,
	) => Promise<T>,
): Promise<T> {
	const progress = new Progress(process.stderr, how.quiet);
	const interrupt = untilInterrupted(how.interrupted);
	try {
		return await run((event) => show(event, progress, how), interrupt.signal);
	} finally {
		progress.end();
		interrupt.release();
	}
}

function show(
	event: OperationEvent,
	progress: Progress,
	{ stages = {}, bytes = [] }: Pick<LongOperation, "stages" | "bytes">,
): void {
	if (event.kind === "progress") {
		const { stage, done, total } = event;
		progress.show(stages[stage] ?? stage, done, total, {
			bytes: bytes.includes(stage),
		});
	} else if (event.kind === "note") progress.line(`note: ${event.text}`);
	else
		progress.line(
			`${event.mended ? "mended" : "wrong"}: ${event.what}; ${event.todo}`,
			process.stdout,
		);
}
