/** What the tests of random runs share: a run that must hold, and whose story is shown when it does not. */
import { expect } from "vitest";
import {
	CONFIGS,
	type ConfigName,
	planOf,
	stepsFrom,
	stepsText,
} from "../../sync/sim/plan.ts";
import { type RunResult, run } from "../../sync/sim/run.ts";

const LINES = 60;

/** Runs a seed, which must end with all invariants held. */
export async function mustHold(
	config: ConfigName,
	seed: number,
	{ count, text }: { count?: number; text?: string } = {},
): Promise<RunResult> {
	const steps =
		text === undefined ? planOf(CONFIGS[config], seed, count) : stepsFrom(text);
	const result = await run({ seed, config: CONFIGS[config], steps });
	if (result.failure) {
		const story = result.story.split("\n").slice(-LINES).join("\n");
		expect.fail(
			`${config} ${seed}: ${result.failure.message}\n${story}\nagain: pmnode sim --seed ${seed} --config ${config} --steps "${stepsText(steps)}"`,
		);
	}
	return result;
}

/** So many seeds of a configuration; PMNODE_SIM_RUNS overrules the number. */
export const seedsOf = (
	config: ConfigName,
	runs: number,
	first = 1_000,
): (readonly [ConfigName, number])[] =>
	Array.from(
		{ length: Number(process.env.PMNODE_SIM_RUNS ?? runs) },
		(_, i) => [config, first + i],
	);
