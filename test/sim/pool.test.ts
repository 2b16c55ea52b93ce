/** Runs on several threads are the same runs, in the order in which they were asked for. */
import { expect, it } from "vitest";
import { type Job, runAll } from "../../cli/sim/pool.ts";
import { ALL_RULES } from "../../sync/rules.ts";
import { CONFIGS, planOf } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";

it("threads run what is asked for, and results come in order", async () => {
	// The first is the longest.
	const jobs = [40, 4, 8, 2].map(
		(count, seed): Job => ({
			config: "failover",
			seed,
			rules: ALL_RULES,
			steps: planOf(CONFIGS.failover, seed, count),
		}),
	);
	const digests: string[] = [];
	for await (const { job, result } of runAll(jobs, 2)) {
		expect(job).toBe(jobs[digests.length]);
		digests.push(result.digest);
	}
	for (const [i, { config, ...job }] of jobs.entries())
		expect((await run({ ...job, config: CONFIGS[config] })).digest).toBe(
			digests[i],
		);
}, 60_000);

it("jobs are asked for only as they can be done", async () => {
	let asked = 0;
	function* forever(): Generator<Job> {
		for (;;)
			yield {
				config: "lone",
				seed: asked++,
				rules: ALL_RULES,
				steps: planOf(CONFIGS.lone, 1, 2),
			};
	}
	for await (const { result } of runAll(forever(), 1)) {
		expect(result.failure).toBeUndefined();
		break;
	}
	expect(asked).toBeLessThan(5);
}, 60_000);
