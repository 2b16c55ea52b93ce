/** How much is numbered anew when two sides of a split meet, both of which took and showed mail: one side of it, not both. */
import { expect, it } from "vitest";
import { ALL_RULES } from "../../sync/rules.ts";
import { conflict, DOWN_MILLISECONDS } from "./stories.ts";
import { clusterOf, deliverMany } from "./world.ts";

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

it("who hears a member again, on a link that outlived the cut, numbers nothing before that has said what it has", async () => {
	// a numbers for anna. Without second copies, which b cannot give before it hears of the mail, numbers are shown at once.
	const cluster = await clusterOf(["a", "b"], {
		rules: { ...ALL_RULES, secondCopy: false },
	});
	const reader = await cluster.run(cluster.read("a", "anna"));
	cluster.split(["a"], ["b"]);
	await cluster.pass(DOWN_MILLISECONDS);
	await deliverMany(cluster, ["a"], 1, "apart");
	expect(reader.messages()).toHaveLength(1);

	cluster.mendOneWay("b", "a");
	await cluster.until(
		"a hears b",
		() => cluster.replica("a").report().up === 2,
	);
	const delivered = cluster.deliver("a", "anna", "half healed");
	await cluster.pass(1_000);
	expect(reader.messages()).toHaveLength(1);

	cluster.heal();
	await cluster.run(delivered);
	await cluster.settle();
	expect(reader.messages()).toHaveLength(2);
	reader.close();
	await cluster.verify();
});
