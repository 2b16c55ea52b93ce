/** How much is numbered anew when two sides of a split meet, both of which took and showed mail: one side of it, not both. */
import { expect, it } from "vitest";
import { conflict } from "./stories.ts";

it("a short split: the mail of one side is numbered anew", async () => {
	const names = ["a", "b", "c"];
	expect(await conflict(20, { names })).toEqual({ told: 43, renumbered: 20 });
});

it("UIDs of both sides come to lie between one another: still only that of one side", async () => {
	// a, who admitted them all, and d, which numbers elsewhere, have 32 slots each.
	const names = ["a", "b", "c", "e", "f", "d"];
	expect(await conflict(40, { names })).toEqual({ told: 83, renumbered: 40 });
});

it("a connection that is given up in a split does not end it: what numbers ahead goes on so", async () => {
	const names = ["a", "b", "c", "e", "f", "d"];
	expect(await conflict(40, { names, breakAfter: 0 })).toEqual({
		told: 83,
		renumbered: 40,
	});
});
