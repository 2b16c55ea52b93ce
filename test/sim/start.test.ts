/** Stories of a node that starts with much that waits: what no client saw is looked at after the start, some at a time. */
import { describe, expect, it } from "vitest";
import { numbererOf } from "../../sync/membership/numberer.ts";
import { prefixEnd } from "../../sync/ports/store.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { DOWN_MILLISECONDS } from "./stories.ts";
import { clusterOf, textsAt } from "./world.ts";

const users = ["anna", "bert", "carl", "dora", "emil", "fred"];

/** How many entries that wait to be shown at the node have a UID, and how many have none. */
function waiting(cluster: SimCluster, node: string): [number, number] {
	const { disk } = cluster.machine(node);
	const rows = [...disk.range("pend/", prefixEnd("pend/"))].map(
		([, place]) =>
			JSON.parse(disk.get(`ent/${place}`) as string) as { u: number[] },
	);
	const numbered = rows.filter(({ u }) => u.length > 0).length;
	return [numbered, rows.length - numbered];
}

/** Two nodes that do not hear each other: mail came to a for a user for whom b numbers, and b is not missed yet. */
async function unnumbered() {
	const cluster = await clusterOf(["a", "b"], {}, users);
	await cluster.settle();
	const ids = ["a", "b"].map((name) => cluster.machine(name).id);
	const user = users.find(
		(one) => numbererOf(cluster.accountId(one), ids) === ids[1],
	);
	if (user === undefined) throw new Error("b numbers for nobody");
	const before = waiting(cluster, "a")[0];
	cluster.split(["a"], ["b"]);
	// None of these are answered.
	for (let i = 1; i <= 7; i++)
		void cluster.deliver("a", user, `mail ${i}`).catch(() => {});
	await cluster.pass(500);
	expect(waiting(cluster, "a")).toEqual([before, 7]);
	return { cluster, user };
}

describe("a start with much that waits", () => {
	it.each(["looked at", "not looked at"])(
		"numbers what its numberer never got, %s",
		async (looked) => {
			const { cluster, user } = await unnumbered();
			cluster.crash("a");
			await cluster.run(cluster.start("a"));
			if (looked === "looked at")
				expect(await textsAt(cluster, "a", user)).toHaveLength(7);
			else await cluster.pass(10_000);
			expect(waiting(cluster, "a")[1]).toBe(0);
			cluster.heal();
			await cluster.settle();
			expect(await textsAt(cluster, "b", user)).toHaveLength(7);
			await cluster.verify();
		},
	);
});

it("who stays up numbers what its numberer never got, once that is missed", async () => {
	const { cluster } = await unnumbered();
	await cluster.pass(DOWN_MILLISECONDS);
	expect(waiting(cluster, "a")[1]).toBe(0);
	cluster.heal();
	await cluster.settle();
	await cluster.verify();
});
