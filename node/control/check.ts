/** The control socket's `check`: one at a time, with a bounded stream of what it finds. */
import type { CheckEvent, CheckResult } from "../../sync/api.ts";
import { OperatorFault } from "../../sync/faults.ts";
import type { RunningNode } from "../running.ts";
import type { Context } from "./methods.ts";

/** Progress that comes faster is left out: nobody reads it. */
const PROGRESS_MILLISECONDS = 100;

const running = new WeakSet<RunningNode>();

export async function check(
	{ node, clock, signal, item }: Context,
	params: Readonly<Record<string, unknown>>,
): Promise<CheckResult> {
	if (running.has(node))
		throw new OperatorFault("a check is running already; wait for its end");
	running.add(node);
	try {
		return await node.replica.check({
			repair: params.repair === true,
			signal,
			tell: thinned(clock, item),
		});
	} finally {
		running.delete(node);
	}
}

/** Passes on all but progress that follows too soon upon other progress of the same stage. */
export function thinned(
	clock: Context["clock"],
	tell: (event: CheckEvent) => void,
): (event: CheckEvent) => void {
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
