/** Stories of nodes without documents: who gives them, when the one that was asked first does not. */
import { describe, expect, it } from "vitest";
import { origin } from "../../sync/ids.ts";
import { loadIdentity, saveIdentity } from "../../sync/membership/identity.ts";
import { NO_SOURCE } from "../../sync/membership/sources.ts";
import { STRANGER, TURNED_AWAY } from "../../sync/network/turned-away.ts";
import type { PeerAddress } from "../../sync/ports/network.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { simNodeId } from "../../sync/sim/machine.ts";
import { MemoryStore } from "../../sync/sim/store.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

const ANSWER_MILLISECONDS = 200;

/** `name` was admitted by a, which is lost before it has sent anything else. */
async function admittedByLost(
	cluster: SimCluster,
	name: string,
): Promise<Promise<void>> {
	cluster.slow("a", name, [ANSWER_MILLISECONDS, ANSWER_MILLISECONDS]);
	const joining = cluster.join(name, "a");
	await cluster.until(
		"it heard that it was admitted",
		() =>
			cluster.machines.has(name) &&
			loadIdentity(cluster.machine(name).disk) !== undefined,
	);
	expect(cluster.isWithoutDocuments(name)).toBe(true);
	cluster.lose("a");
	return joining;
}

const said = (cluster: SimCluster, text: string): number =>
	cluster.trace().split(text).length - 1;

describe("nodes without documents", () => {
	it("who was admitted and did not hear it is told from members that are down, until it comes", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const link = await cluster.run(cluster.invite("a"));
		/** Whether each of the others ever came, as a node sees it. */
		const come = (node: string) =>
			cluster
				.replica(node)
				.report()
				.peers.map(({ name, hasCome }) => [name, hasCome])
				.sort();
		await deliverMany(cluster, ["b"], 1);
		cluster.slow("a", "c", [ANSWER_MILLISECONDS, ANSWER_MILLISECONDS]);
		void cluster.joinWith("c", link);
		await cluster.until("a to admit c", () => come("a").length === 2);
		cluster.crash("c");
		await cluster.pass(60_000);
		const waiting = [
			["b", true],
			["c", false],
		];
		expect(come("a")).toEqual(waiting);
		// Also of one that is down since before this process started.
		cluster.crash("b");
		cluster.crash("a");
		await cluster.run(cluster.start("a"));
		await cluster.pass(10_000);
		expect(come("a")).toEqual(waiting);
		await cluster.run(cluster.start("b"));
		await cluster.pass(10_000);
		cluster.slow("a", "c", [1, 5]);
		await cluster.run(cluster.joinWith("c", link));
		await cluster.settle();
		for (const node of ["a", "b"])
			expect(come(node).map(([, hasCome]) => hasCome)).toEqual([true, true]);
		// Who never met a member has what it wrote from others.
		cluster.crash("b");
		await cluster.run(cluster.join("d", "a"));
		expect(come("d")).toContainEqual(["b", true]);
	});

	it("who joins through a member that is lost at that moment gets all from the others, without a word of warning", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6);
		await cluster.settle();
		const start = cluster.clock.monotonic();
		await cluster.run(admittedByLost(cluster, "d"));
		expect(cluster.clock.monotonic() - start).toBeLessThan(30_000);
		await cluster.run(cluster.remove("a", "d"));
		await deliverMany(cluster, ["d"], 3, "after");
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toHaveLength(9);
		for (const text of [NO_SOURCE, STRANGER, TURNED_AWAY])
			expect(said(cluster, text)).toBe(0);
	});

	it("who was admitted by a member that nobody heard of that from is told what to do, once", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.split(["a", "d"], ["b", "c"]);
		let joined = false;
		void admittedByLost(cluster, "d").then(() => {
			joined = true;
		});
		await cluster.until("a is lost", () => !cluster.machines.has("a"));
		cluster.heal();
		await cluster.pass(40_000);
		expect(said(cluster, NO_SOURCE)).toBe(0);
		await cluster.pass(10_000);
		expect(said(cluster, NO_SOURCE)).toBe(1);
		await cluster.pass(60_000);
		expect(said(cluster, NO_SOURCE)).toBe(1);
		for (const text of [STRANGER, TURNED_AWAY])
			expect(said(cluster, `d: ${text}`)).toBe(0);
		expect(joined).toBe(false);
		// As it was told.
		cluster.lose("d");
		await cluster.run(cluster.remove("a", "b"));
		await cluster.run(cluster.join("e", "b"));
		await cluster.verify();
	});

	it("two members that lost their stores ask each other, and wait for one that has the documents", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6);
		await cluster.settle();
		// The first that each will ask is the other one.
		const ofB = cluster.replica("b").others().members;
		const ofC = cluster.replica("c").others().members;
		for (const name of ["a", "b", "c"]) cluster.crash(name);
		loseStore(cluster, "b", sortedFrom("c", ofB));
		loseStore(cluster, "c", sortedFrom("b", ofC));
		const starting = ["b", "c"].map((name) => cluster.start(name));
		await cluster.pass(10_000);
		for (const name of ["b", "c"])
			expect(cluster.isWithoutDocuments(name)).toBe(true);
		await cluster.run(cluster.start("a"));
		await cluster.run(Promise.all(starting));
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(6);
	});
});

const sortedFrom = (
	name: string,
	members: readonly PeerAddress[],
): PeerAddress[] =>
	members.toSorted(
		(one, other) =>
			Number(other.node === simNodeId(name)) -
			Number(one.node === simNodeId(name)),
	);

/** As a node starts whose store is gone, and which kept beside it who the others are. */
function loseStore(
	cluster: SimCluster,
	name: string,
	joining: readonly PeerAddress[],
): void {
	const { disk } = cluster.machine(name);
	const known = loadIdentity(disk);
	if (known === undefined) throw new Error("no member");
	disk.become(new MemoryStore());
	saveIdentity(disk, {
		cluster: known.cluster,
		origin: origin(name.repeat(16)),
		drives: 1,
		founding: false,
		joining,
		reviving: { reason: "the store is gone", ageMilliseconds: 0 },
	});
}
