/**
 * Random runs: clients and faults from a seed, then everything is mended and all invariants must hold. A failing run is
 * printed with the end of its story and how to run it again; `pmnode sim` makes it short. PMNODE_SIM_RUNS=500 runs that
 * many of each configuration.
 */
import { describe, expect, it } from "vitest";
import { CONFIGS, type ConfigName, planOf } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";
import { RED_SEEDS } from "./red-seeds.ts";
import { mustHold } from "./runs.ts";

const RUNS = Number(process.env.PMNODE_SIM_RUNS ?? 4);
const FIRST = 1_000;
const ON = Object.keys(CONFIGS) as ConfigName[];

describe("random runs", () => {
	it.each(
		ON.flatMap((config) =>
			Array.from({ length: RUNS }, (_, i) => [config, FIRST + i] as const),
		),
	)(
		"%s, seed %i",
		async (config, seed) => {
			const { acknowledged } = await mustHold(config, seed);
			expect(acknowledged).toBeGreaterThan(0);
		},
		60_000,
	);

	it.each(RED_SEEDS)(
		"$config, seed $seed: $was",
		async (red) => {
			await mustHold(red.config, red.seed, { text: red.steps });
		},
		60_000,
	);

	it("two runs of one seed are the same, and of two seeds are not", async () => {
		const config = CONFIGS.hostile;
		const of = async (seed: number) => {
			const { story, ...rest } = await run({
				seed,
				config,
				steps: planOf(config, seed, 80),
			});
			return rest;
		};
		const one = await of(7);
		expect(await of(7)).toEqual(one);
		expect((await of(8)).digest).not.toBe(one.digest);
	}, 60_000);

	it("without faults no UID ever changes, whoever receives", async () => {
		for (const seed of [1, 2, 3]) {
			const { renumbered, told } = await mustHold("quiet", seed);
			expect(told).toBeGreaterThan(10);
			expect(renumbered).toBe(0);
		}
	}, 60_000);
});
