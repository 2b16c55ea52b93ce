/** The control socket's long operations: each kind one at a time, with a bounded stream of how far it is and what is wrong. */
import { isAbsolute } from "node:path";
import type { CheckResult, OperationEvent } from "../../sync/api.ts";
import { OperatorFault } from "../../sync/faults.ts";
import type { BackupResult } from "../backup/backup.ts";
import type { RestoreResult } from "../backup/restore.ts";
import { WrongUsage } from "../config.ts";
import type { RunningNode, Watched } from "../running.ts";
import type { Context } from "./methods.ts";

/** Progress that comes faster is left out: nobody reads it. */
const PROGRESS_MILLISECONDS = 100;

const running = new WeakMap<RunningNode, Set<string>>();

async function alone<T>(
	{ node }: Context,
	what: string,
	run: () => Promise<T>,
): Promise<T> {
	const busy = running.get(node) ?? new Set();
	running.set(node, busy);
	if (busy.has(what))
		throw new OperatorFault(
			`a ${what} runs on this node already; wait for its end`,
		);
	busy.add(what);
	try {
		return await run();
	} finally {
		busy.delete(what);
	}
}

type Params = Readonly<Record<string, unknown>>;

export const check = (context: Context, params: Params): Promise<CheckResult> =>
	alone(context, "check", () =>
		context.node.replica.check({
			repair: params.repair === true,
			...watched(context),
		}),
	);

export const backup = (
	context: Context,
	params: Params,
): Promise<BackupResult> =>
	alone(context, "backup", () =>
		context.node.backUp(folder(params), watched(context)),
	);

export const restore = (
	context: Context,
	params: Params,
): Promise<RestoreResult> =>
	alone(context, "restore", () =>
		context.node.restore(
			{
				directory: folder(params),
				account: optional(params, "account"),
				into: optional(params, "into"),
			},
			watched(context),
		),
	);

const watched = ({ clock, signal, item }: Context): Watched => ({
	signal,
	tell: thinned(clock, item),
});

function folder({ directory }: Params): string {
	if (typeof directory !== "string" || !isAbsolute(directory))
		throw new WrongUsage("the folder is missing");
	return directory;
}

function optional(params: Params, name: string): string | undefined {
	const value = params[name];
	if (value === undefined || value === null) return undefined;
	if (typeof value !== "string" || value === "")
		throw new WrongUsage(`${name} is empty`);
	return value;
}

/** Passes on all but progress that follows too soon upon other progress of the same stage. */
export function thinned(
	clock: Context["clock"],
	tell: (event: OperationEvent) => void,
): (event: OperationEvent) => void {
	let told = Number.NEGATIVE_INFINITY;
	let stage = "";
	return (event) => {
		if (event.kind === "progress") {
			const now = clock.monotonic();
			if (event.stage === stage && now < told + PROGRESS_MILLISECONDS) return;
			told = now;
			stage = event.stage;
		}
		tell(event);
	};
}
