/** Some ten thousand steps of random runs, as long as the configurations have them. */
import { describe, it } from "vitest";
import { CONFIGS, type ConfigName } from "../../sync/sim/plan.ts";
import { mustHold, seedsOf } from "../sim/runs.ts";

const RUNS = 10;
const NAMES = Object.keys(CONFIGS) as ConfigName[];

describe("random runs", () => {
	it.each(NAMES.flatMap((name) => seedsOf(name, RUNS, 5_000)))(
		"%s, seed %i",
		async (config, seed) => {
			await mustHold(config, seed);
		},
		300_000,
	);
});
