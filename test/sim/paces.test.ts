/** Rule 10: HIGHESTMODSEQ does not sink where a client goes to a member that was cut off, and whose clock is behind. */
import { expect, it } from "vitest";
import { ALL_RULES } from "../../sync/rules.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany } from "./world.ts";

const AHEAD_MILLISECONDS = 600_000;
const DOWN_MILLISECONDS = 8_000;
/** A program that moves takes longer than the word of a member took to come here, by which that seems less far ahead. */
const MOVE_MILLISECONDS = 100;

/** The clock of a is ahead; nobody has given a stamp since. */
async function fastClock(pace: boolean): Promise<SimCluster> {
	const cluster = await clusterOf(["a", "b"], {
		rules: { ...ALL_RULES, pace },
	});
	cluster.jump("a", AHEAD_MILLISECONDS);
	return cluster;
}

async function highestAt(cluster: SimCluster, node: string): Promise<number> {
	await deliverMany(cluster, [node], 1, `at ${node}`);
	const reader = await cluster.run(cluster.read(node, "anna"));
	const { highestModSeq } = reader.mailbox;
	reader.close();
	return highestModSeq;
}

const stories: Record<string, (cluster: SimCluster) => Promise<void>> = {
	"joined a moment ago": async (cluster) => {
		await cluster.run(cluster.join("c", "a"));
		cluster.split(["a", "b"], ["c"]);
	},
	"started anew when it was cut off": async (cluster) => {
		await cluster.run(cluster.join("c", "b"));
		await cluster.pass(1_000);
		cluster.crash("c");
		cluster.split(["a", "b"], ["c"]);
		await cluster.run(cluster.start("c"));
	},
	"began a new life": async (cluster) => {
		await cluster.run(cluster.join("c", "b"));
		const backup = cluster.backup("c");
		cluster.restore("c", backup);
		await cluster.run(cluster.start("c"));
		cluster.split(["a", "b"], ["c"]);
		cluster.crash("c");
		await cluster.run(cluster.start("c"));
	},
	"was set back itself": async (cluster) => {
		await cluster.run(cluster.join("c", "b"));
		await cluster.settle();
		cluster.split(["a", "b"], ["c"]);
		await cluster.pass(DOWN_MILLISECONDS);
		cluster.jump("c", -3_600_000);
	},
};

it.each(Object.keys(stories))("of one that %s", async (name) => {
	for (const pace of [true, false]) {
		const cluster = await fastClock(pace);
		await stories[name]?.(cluster);
		await cluster.pass(DOWN_MILLISECONDS);
		const before = await highestAt(cluster, "a");
		await cluster.pass(MOVE_MILLISECONDS);
		const after = await highestAt(cluster, "c");
		if (pace) expect(after).toBeGreaterThanOrEqual(before);
		// Without the rule it does sink, or these stories show nothing.
		else expect(after).toBeLessThan(before);
		cluster.heal();
		await cluster.verify();
	}
});
