/** What the tests of random runs share: a run that must hold, and whose story is shown when it does not. */
import { expect } from "vitest";
import {
	CONFIGS,
	type ConfigName,
	planOf,
	type Step,
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
	expectHeld({ config, seed, steps }, result);
	return result;
}

/** All invariants held; else the test fails with the end of the story, and how to run it again. */
export function expectHeld(
	{
		config,
		seed,
		steps,
	}: { config: ConfigName; seed: number; steps: readonly Step[] },
	{ failure, story }: RunResult,
): void {
	if (failure === undefined) return;
	const end = story.split("\n").slice(-LINES).join("\n");
	expect.fail(
		`${config} ${seed}: ${failure.message}\n${end}\nagain: pmnode sim --seed ${seed} --config ${config} --steps "${stepsText(steps)}"`,
	);
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
