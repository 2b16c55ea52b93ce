/** More claims are too low at one node at once than it may ask to be renumbered at a time (rule 6): it asks in steps. */
import { expect, it } from "vitest";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

/** Above all that is claimed here, also by the side of a split that numbers ahead. */
const NAMED = 100_000;
const MESSAGES = 30;

it("claims for which there was no room are asked for when those before them were answered, without a start", async () => {
	const cluster = await clusterOf(["a", "b", "c"], { wantsMax: 4 });
	await ok(cluster, cluster.deliver("a", "anna", "before"));
	await cluster.settle();
	cluster.split(["a", "c"], ["b"]);
	const reader = await cluster.run(cluster.read("b", "anna"));
	await cluster.run(reader.mailbox.named(NAMED));
	await deliverMany(cluster, ["a", "c"], MESSAGES);
	cluster.heal();
	await cluster.until(
		"b shows all of them",
		() => reader.messages().length === 1 + MESSAGES,
	);
	const uids = reader.messages().map(({ uid }) => uid);
	expect(uids.filter((uid) => uid > NAMED)).toHaveLength(MESSAGES);
	reader.close();
	await cluster.settle();
	for (const node of ["a", "b", "c"])
		expect((await textsAt(cluster, node)).sort()).toEqual(
			["before", ...range(1, MESSAGES).map((i) => `mail ${i}`)].sort(),
		);
	await cluster.verify();
});

const range = (from: number, to: number): number[] =>
	Array.from({ length: to - from + 1 }, (_, index) => from + index);
