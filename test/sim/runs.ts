/** What the tests of random runs share: a run that must hold, and whose story is shown when it does not. */
import { expect } from "vitest";
import type { Rules } from "../../sync/rules.ts";
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

/** How often runs without these rules fail. */
export async function redWithout(
	rules: Rules,
	config: ConfigName,
	seeds: readonly number[],
): Promise<number> {
	let red = 0;
	for (const seed of seeds)
		if ((await run({ seed, config: CONFIGS[config], rules })).failure) red++;
	return red;
}
