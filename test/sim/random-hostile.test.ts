/** Random runs as in random-calm.test.ts, of clusters to which everything happens; a file of its own, to run beside it. */
import { describe, it } from "vitest";
import { mustHold, seedsOf } from "./runs.ts";

const STEPS = 50;

describe("random runs", () => {
	it.each([
		...seedsOf("hostile", 24),
		...seedsOf("restore", 20),
		...seedsOf("loss", 18),
		...seedsOf("members", 8),
	])(
		"%s, seed %i",
		async (config, seed) => {
			await mustHold(config, seed, { count: STEPS });
		},
		120_000,
	);
});
