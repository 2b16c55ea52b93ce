/** A member that lacks a few changes meets one that never had them in its log: what is sent to it, and by whom. */
import { expect, it } from "vitest";
import { loadIdentity } from "../../sync/membership/identity.ts";
import { decodeFrame } from "../../sync/replication/frame-codec.ts";
import type { Frame } from "../../sync/replication/frames.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

/** How many frames of each kind the node sends to others from now on. */
function countSent(
	cluster: SimCluster,
	node: string,
): Partial<Record<Frame["type"], number>> {
	const sent: Partial<Record<Frame["type"], number>> = {};
	cluster.machine(node).process?.network?.onLink((link) => {
		const send = link.send.bind(link);
		link.send = (message) => {
			const { type } = decodeFrame(message);
			sent[type] = (sent[type] ?? 0) + 1;
			return send(message);
		};
	});
	return sent;
}

/** c knows d, and lacks three messages of which d, whose first documents came later, never had the changes. */
async function withLateJoiner(): Promise<SimCluster> {
	const cluster = await clusterOf(["a", "b", "c"]);
	await deliverMany(cluster, ["a", "b"], 4);
	await cluster.settle();
	const joining = cluster.join("d", "a");
	await cluster.clock.runUntil(() => {
		const disk = cluster.machines.get("d")?.disk;
		return disk !== undefined && loadIdentity(disk) !== undefined;
	}, 5_000);
	cluster.crash("d");
	expect(loadIdentity(cluster.machine("d").disk)?.joining).toBeDefined();
	await cluster.run(joining);
	await cluster.pass(1_000);
	expect(cluster.replica("c").report().members).toBe(4);
	cluster.cutOff("c", true);
	await cluster.pass(10_000);
	await deliverMany(cluster, ["a", "b"], 3, "missed");
	await cluster.run(cluster.start("d"));
	await cluster.pass(5_000);
	return cluster;
}

it("changes come from who has them in its log, and no documents as a whole", async () => {
	const cluster = await withLateJoiner();
	const sent = ["a", "b", "d"].map((name) => countSent(cluster, name));
	// Whoever has no log of it is met first.
	cluster.mend("c", "d");
	cluster.slow("c", "b", [50, 80]);
	cluster.mend("c", "b");
	await cluster.pass(10_000);
	expect(await textsAt(cluster, "c")).toHaveLength(7);
	cluster.heal();
	await cluster.settle();
	expect(await textsAt(cluster, "c")).toHaveLength(7);
	for (const one of sent) expect(one.document ?? 0).toBe(0);
	expect(cluster.trace(1_000)).not.toContain("away for too long");
	await cluster.verify();
});

it("from who can be reached only where no other can be: the documents as a whole, at once where it is the only one", async () => {
	const cluster = await withLateJoiner();
	cluster.crash("a");
	cluster.crash("b");
	await cluster.pass(10_000);
	const sent = countSent(cluster, "d");
	cluster.mend("c", "d");
	await cluster.until("the two talk", () => Object.keys(sent).length > 0);
	const start = cluster.clock.monotonic();
	await cluster.until("c has begun to take them", () =>
		cluster.trace(300).includes("c: was away for too long"),
	);
	expect(cluster.clock.monotonic() - start).toBeLessThan(1_000);
	await cluster.pass(3_000);
	expect(sent.document ?? 0).toBeGreaterThan(0);
	expect(await textsAt(cluster, "c")).toHaveLength(7);
	for (const name of ["a", "b"]) await cluster.run(cluster.start(name));
	cluster.heal();
	await ok(cluster, cluster.deliver("c", "anna", "afterwards"));
	await cluster.verify();
});
