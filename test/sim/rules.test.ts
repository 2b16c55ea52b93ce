/** Each rule of sync/rules.ts is needed: a story that holds with all of them goes wrong without that one. */
import { describe, expect, it } from "vitest";
import { ALL_RULES, type Rules } from "../../sync/rules.ts";
import { Violation } from "../../sync/sim/checkers.ts";
import { STORIES } from "./without-rules.ts";

const without = (...off: (keyof Rules)[]): Rules => ({
	...ALL_RULES,
	...Object.fromEntries(off.map((rule) => [rule, false])),
});

describe("without a rule", () => {
	it.each(STORIES.map((one) => ({ coveredBy: [], ...one })))(
		"$rule: its story goes wrong, and only then",
		async ({ rule, story, coveredBy }) => {
			await story(ALL_RULES);
			if (coveredBy.length > 0) await story(without(...coveredBy));
			await expect(story(without(rule, ...coveredBy))).rejects.toThrow(
				Violation,
			);
			// What makes up for it does so alone.
			if (coveredBy.length > 0) await story(without(rule));
		},
		120_000,
	);

	it("every rule has a story", () => {
		const told = new Set<string>(STORIES.map(({ rule }) => rule));
		expect(Object.keys(ALL_RULES).filter((rule) => !told.has(rule))).toEqual(
			[],
		);
	});
});
