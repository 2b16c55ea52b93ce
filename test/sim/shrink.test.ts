/** Plans and how stories are made short. */
import { describe, expect, it } from "vitest";
import { ALL_RULES } from "../../sync/rules.ts";
import { CONFIGS, planOf, stepsFrom, stepsText } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";
import { shrink } from "../../sync/sim/shrink.ts";

/** The first seed that shows a message below what was told, without the rule that forbids it. */
async function firstRed() {
	for (let seed = 1; seed <= 40; seed++) {
		const options = {
			seed,
			config: CONFIGS.splits,
			rules: { ...ALL_RULES, watermark: false },
		};
		const plan = planOf(options.config, seed, 25);
		const failed = await run({ ...options, steps: plan });
		if (failed.failure?.invariant === "I2") return { options, plan, failed };
	}
	throw new Error("nothing goes wrong without the watermark");
}

describe("plans", () => {
	it("are the same for one seed, and one begins as the other", () => {
		const long = planOf(CONFIGS.hostile, 3, 60);
		expect(planOf(CONFIGS.hostile, 3, 60)).toEqual(long);
		expect(planOf(CONFIGS.hostile, 3, 20)).toEqual(long.slice(0, 20));
		expect(planOf(CONFIGS.hostile, 4, 60)).not.toEqual(long);
	});

	it("are written down and read again; what is no step is refused", () => {
		const plan = planOf(CONFIGS.loss, 1, 40);
		expect(stepsFrom(stepsText(plan))).toEqual(plan);
		for (const text of ["walk:3", "deliver", "deliver:x"])
			expect(() => stepsFrom(text)).toThrow(RangeError);
	});

	it("a failing run is made short, and fails in the same way each time", async () => {
		const { options, plan, failed } = await firstRed();
		const { steps, result } = await shrink(
			options,
			plan,
			failed,
			(runs) => runs < 12,
		);
		expect(steps.length).toBeLessThan(plan.length);
		expect(result.failure?.invariant).toBe("I2");
		expect(await run({ ...options, steps })).toEqual(result);
		expect((await run({ ...options, rules: ALL_RULES, steps })).failure).toBe(
			undefined,
		);
	}, 120_000);
});
