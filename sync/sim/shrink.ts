/** Makes the story of a failing run short: steps are left out, by halves at first, as long as it fails in the same way. */
import type { Step } from "./plan.ts";
import { type Failure, type RunOptions, type RunResult, run } from "./run.ts";

export interface Shrunk {
	readonly steps: readonly Step[];
	readonly result: RunResult;
	/** How many runs it took. */
	readonly runs: number;
}

/** The same invariant, or the same kind of error. */
const isAlike = (one: Failure, other: Failure | undefined): boolean =>
	one.invariant === other?.invariant &&
	(one.invariant !== "error" || firstWords(one) === firstWords(other));
const firstWords = ({ message }: Failure): string =>
	message.split(/[\d\n]/, 1)[0] ?? "";

/**
 * `goOn` is asked before each run; false ends it with what there is. Calls `shorter` whenever steps could be left out.
 */
export async function shrink(
	options: RunOptions,
	steps: readonly Step[],
	failed: RunResult,
	goOn: (runs: number) => boolean,
	shorter: (steps: number) => void = () => {},
): Promise<Shrunk> {
	const failure = failed.failure;
	if (failure === undefined) throw new Error("the run did not fail");
	let best = steps;
	let result = failed;
	let runs = 0;
	for (let size = Math.ceil(best.length / 2); size >= 1; size = next(size)) {
		for (let at = 0; at < best.length && goOn(runs); ) {
			const less = [...best.slice(0, at), ...best.slice(at + size)];
			runs++;
			const without = await run({ ...options, steps: less });
			if (isAlike(failure, without.failure)) {
				best = less;
				result = without;
				shorter(best.length);
			} else at += size;
		}
	}
	return { steps: best, result, runs };
}

const next = (size: number): number => (size === 1 ? 0 : Math.ceil(size / 2));
