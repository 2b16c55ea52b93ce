/**
 * Random runs of clusters that lose nothing: clients and faults from a seed, then everything is mended and all invariants
 * must hold. A failing run is printed with the end of its story and how to run it again; `pmnode sim` makes it short.
 * PMNODE_SIM_RUNS=500 runs that many of each configuration. The longer runs are in test/sim-long.
 */
import { describe, expect, it } from "vitest";
import { CONFIGS, planOf } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";
import { RED_SEEDS } from "./red-seeds.ts";
import { mustHold, seedsOf } from "./runs.ts";

const STEPS = 50;

describe("random runs", () => {
	it.each([
		...seedsOf("quiet", 12),
		...seedsOf("far", 8),
		...seedsOf("failover", 20),
		...seedsOf("splits", 16),
		...seedsOf("lone", 32),
	])(
		"%s, seed %i",
		async (config, seed) => {
			const { acknowledged } = await mustHold(config, seed, { count: STEPS });
			expect(acknowledged).toBeGreaterThan(0);
		},
		120_000,
	);

	it.each(RED_SEEDS)(
		"$config, seed $seed: $was",
		async (red) => {
			await mustHold(red.config, red.seed, { text: red.steps });
		},
		120_000,
	);

	it("two runs of one seed are the same to the byte, and of two seeds are not", async () => {
		const config = CONFIGS.hostile;
		const of = (seed: number) =>
			run({ seed, config, steps: planOf(config, seed, 60) });
		const one = await of(7);
		expect(await of(7)).toEqual(one);
		expect((await of(8)).digest).not.toBe(one.digest);
	}, 120_000);
});
