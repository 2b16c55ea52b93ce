/** A body that hypercore cannot bring from the member that has it: that member hands it over. */
import { expect, it } from "vitest";
import { decodeFacts } from "../../sync/mailbox/rows.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { check, Disk } from "../unit/check/world.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

/** Above the time in which a fetch is given up and the members are asked. */
const ASKED_MILLISECONDS = 30_000;
const COUNT = 5;

/** b was away while a took in mail that c has; a goes, and b comes back. */
async function withBodiesStranded(): Promise<SimCluster> {
	const cluster = await clusterOf(["a", "b", "c"], {
		copies: 2,
		proves: false,
	});
	await deliverMany(cluster, ["a"], 1, "before");
	await cluster.settle();
	await cluster.run(cluster.stop("b"));
	await deliverMany(cluster, ["a"], COUNT, "stranded");
	cluster.crash("a");
	await cluster.run(cluster.start("b"));
	return cluster;
}

const missingAt = (cluster: SimCluster, node: string): number =>
	cluster.replica(node).report().missingBodies;

it("while its taker is away a body comes from another member all the same, and counts as a copy", async () => {
	const cluster = await withBodiesStranded();
	await cluster.pass(ASKED_MILLISECONDS);
	expect(missingAt(cluster, "b")).toBe(0);
	expect((await textsAt(cluster, "b")).length).toBe(1 + COUNT);
	// Also after a power cut right then; and its taker hears of it.
	cluster.crash("b");
	await cluster.run(cluster.start("b"));
	await cluster.run(cluster.start("a"));
	await cluster.settle();
	for (const node of ["a", "b", "c"])
		expect(cluster.replica(node).report()).toMatchObject({
			missingBodies: 0,
			lostBodies: 0,
			bodiesWithTooFewCopies: 0,
		});
});

it("its taker is lost for good: the bodies are there in as many copies as are wanted", async () => {
	const cluster = await withBodiesStranded();
	await cluster.pass(ASKED_MILLISECONDS);
	await cluster.run(cluster.remove("a", "c"));
	await cluster.pass(ASKED_MILLISECONDS);
	// c goes as well: b has all.
	cluster.crash("c");
	expect((await textsAt(cluster, "b")).length).toBe(1 + COUNT);
	expect(missingAt(cluster, "b")).toBe(0);
});

it("a body that was damaged after it had been handed over is handed over again by a repair", async () => {
	const cluster = await withBodiesStranded();
	await cluster.pass(ASKED_MILLISECONDS);
	expect((await textsAt(cluster, "b")).length).toBe(1 + COUNT);
	const { id } = cluster.machine("b");
	const bodies = new Disk(cluster, "b")
		.shown()
		.map(({ row }) => decodeFacts(row.f as string).body);
	for (const [i, body] of bodies.slice(1).entries())
		cluster.bodies.damage(id, body, i % 2 === 0 ? "damaged" : "lost");
	const problems = (repair: boolean) => check(cluster, "b", repair);
	expect((await problems(false)).lines.length).toBe(COUNT);
	await problems(true);
	expect((await problems(false)).lines).toEqual([]);
});
