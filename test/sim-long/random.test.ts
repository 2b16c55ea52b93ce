/** Some ten thousand steps of random runs, as long as the configurations have them, on all processors. */
import { expect, it } from "vitest";
import { runAll } from "../../cli/sim/pool.ts";
import { ALL_RULES } from "../../sync/rules.ts";
import { CONFIGS, type ConfigName, planOf } from "../../sync/sim/plan.ts";
import { expectHeld, seedsOf } from "../sim/runs.ts";

const RUNS = 20;
const NAMES = Object.keys(CONFIGS) as ConfigName[];

it("random runs hold", async () => {
	const jobs = NAMES.flatMap((name) => seedsOf(name, RUNS, 5_000)).map(
		([config, seed]) => ({
			config,
			seed,
			rules: ALL_RULES,
			steps: planOf(CONFIGS[config], seed),
		}),
	);
	let steps = 0;
	for await (const { job, result } of runAll(jobs)) {
		expectHeld(job, result);
		steps += result.steps;
	}
	expect(steps).toBe(jobs.reduce((sum, job) => sum + job.steps.length, 0));
}, 1_200_000);
