/** Bodies that are sent along unasked, in a simulated cluster whose lines take 50 ms each way. */
import { expect, it } from "vitest";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, ok } from "./world.ts";

async function millisecondsOf(
	cluster: SimCluster,
	subject: string,
): Promise<number> {
	const begin = cluster.clock.monotonic();
	await ok(cluster, cluster.deliver("a", "anna", subject));
	return cluster.clock.monotonic() - begin;
}

it("mail with two copies is there after one way and back, also after a member was away", async () => {
	const cluster = await clusterOf(["a", "b"], { delayMilliseconds: [50, 50] });
	await millisecondsOf(cluster, "first");
	expect(await millisecondsOf(cluster, "second")).toBeLessThan(150);
	cluster.crash("b");
	await cluster.pass(10_000);
	for (const subject of ["x", "y", "z"]) await millisecondsOf(cluster, subject);
	await cluster.run(cluster.start("b"));
	await cluster.settle();
	// What was missed was fetched, and the copy of the drive is up to date with it.
	await millisecondsOf(cluster, "third");
	expect(await millisecondsOf(cluster, "fourth")).toBeLessThan(150);
	await cluster.verify();
});
