/** Each rule of sync/rules.ts is needed: a story that holds with all of them goes wrong without that one. */
import { describe, expect, it } from "vitest";
import { ALL_RULES, type Rules } from "../../sync/rules.ts";
import { Violation } from "../../sync/sim/checkers.ts";
import { STORIES, UNSHOWN } from "./without-rules.ts";

describe("without a rule", () => {
	it.each(STORIES)(
		"$rule: its story goes wrong, and only then",
		async ({ rule, story }) => {
			await story(ALL_RULES);
			await expect(story({ ...ALL_RULES, [rule]: false })).rejects.toThrow(
				Violation,
			);
		},
		120_000,
	);

	it("every rule has a story, or a reason why it has none", () => {
		const told = new Set<string>([
			...STORIES.map(({ rule }) => rule),
			...Object.keys(UNSHOWN),
		]);
		expect(
			(Object.keys(ALL_RULES) as (keyof Rules)[]).filter(
				(rule) => !told.has(rule),
			),
		).toEqual([]);
	});
});
