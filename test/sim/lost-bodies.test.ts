/** A body that went with the disks that had it: it is named, holds up nothing, and is taken should it turn up. */
import { expect, it } from "vitest";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import type { SimBackup } from "../../sync/sim/nodes.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

const NAMED = /bodies are lost: no member has them/;
/** Above the time in which a fetch is given up and all members are asked. */
const ASKED_MILLISECONDS = 30_000;

const numbersOf = (cluster: SimCluster, nodes: readonly string[]) =>
	nodes.map((node) => {
		const { converged, missingBodies, lostBodies } = cluster
			.replica(node)
			.report();
		return { converged, missingBodies, lostBodies };
	});

/** A message that b and c know of, and only a has the body of; `before` and `after` are copies of a's disk. */
async function withBodyAtOneOnly(): Promise<{
	cluster: SimCluster;
	before: SimBackup;
	after: SimBackup;
}> {
	const cluster = await clusterOf(["a", "b", "c"], { copies: 1 });
	await deliverMany(cluster, ["a"], 1, "kept");
	await cluster.settle();
	const before = cluster.backup("a");
	for (const node of ["b", "c"])
		cluster.bodies.setFull(cluster.machine(node).id, true);
	await ok(cluster, cluster.deliver("a", "anna", "only here"));
	await cluster.pass(1_000);
	const after = cluster.backup("a");
	return { cluster, before, after };
}

async function putBack(cluster: SimCluster, copy: SimBackup): Promise<void> {
	cluster.restore("a", copy);
	await cluster.run(cluster.start("a"));
	for (const node of ["b", "c"])
		cluster.bodies.setFull(cluster.machine(node).id, false);
}

it("a body that no member has is named, and the cluster is whole without it; it is taken when it turns up", async () => {
	const { cluster, before, after } = await withBodyAtOneOnly();
	cluster.expectedErrors.push(NAMED);
	await putBack(cluster, before);
	await cluster.pass(ASKED_MILLISECONDS);
	const whole = { converged: true, missingBodies: 0, lostBodies: 1 };
	expect(numbersOf(cluster, ["a", "b", "c"])).toEqual([whole, whole, whole]);
	expect(cluster.trace().match(new RegExp(NAMED, "g"))?.length).toBe(3);
	// Also after a restart.
	await cluster.run(cluster.stop("c"));
	await cluster.run(cluster.start("c"));
	await cluster.settle();
	expect(numbersOf(cluster, ["c"])).toEqual([whole]);
	const problems: string[] = [];
	await cluster.run(
		cluster.replica("b").check({
			repair: false,
			signal: new AbortController().signal,
			tell: (event) => {
				if (event.kind === "problem") problems.push(event.what);
			},
		}),
	);
	expect(problems).toEqual([expect.stringMatching(/is lost \(\d+ bytes/)]);

	await putBack(cluster, after);
	await cluster.settle();
	const found = { converged: true, missingBodies: 0, lostBodies: 0 };
	expect(numbersOf(cluster, ["a", "b", "c"])).toEqual([found, found, found]);
	for (const node of ["a", "b", "c"])
		expect(await textsAt(cluster, node)).toEqual(["kept 1", "only here"]);
});

it("while a member is away no body is lost: it may have it", async () => {
	const { cluster } = await withBodyAtOneOnly();
	cluster.crash("a");
	for (const node of ["b", "c"])
		cluster.bodies.setFull(cluster.machine(node).id, false);
	await cluster.pass(2 * ASKED_MILLISECONDS);
	const waits = { converged: false, missingBodies: 1, lostBodies: 0 };
	expect(numbersOf(cluster, ["b", "c"])).toEqual([waits, waits]);
	await cluster.run(cluster.start("a"));
	await cluster.settle();
	const found = { converged: true, missingBodies: 0, lostBodies: 0 };
	expect(numbersOf(cluster, ["a", "b", "c"])).toEqual([found, found, found]);
});

it("a member that cannot reach all others does not say that it lacks a body", async () => {
	const { cluster, before } = await withBodyAtOneOnly();
	cluster.expectedErrors.push(NAMED);
	await putBack(cluster, before);
	await cluster.pass(3_000);
	cluster.cut("a", "c");
	await cluster.pass(2 * ASKED_MILLISECONDS);
	expect(numbersOf(cluster, ["b"])).toEqual([
		{ converged: false, missingBodies: 1, lostBodies: 0 },
	]);
	cluster.heal();
	await cluster.pass(ASKED_MILLISECONDS);
	expect(numbersOf(cluster, ["b"])).toMatchObject([{ lostBodies: 1 }]);
});

it("what was expunged while it was looked for is not named as lost", async () => {
	const { cluster, before } = await withBodyAtOneOnly();
	await putBack(cluster, before);
	const reader = await cluster.run(cluster.read("b", "anna"));
	// It is being fetched, and nobody comes for whom that would begin anew.
	await cluster.pass(ASKED_MILLISECONDS / 3);
	const last = reader.messages().at(-1);
	if (last === undefined) throw new Error("no message");
	await ok(cluster, reader.expunge(last));
	reader.close();
	await cluster.pass(ASKED_MILLISECONDS);
	expect(cluster.trace()).not.toMatch(NAMED);
	const whole = { converged: true, missingBodies: 0, lostBodies: 0 };
	expect(numbersOf(cluster, ["a", "b", "c"])).toEqual([whole, whole, whole]);
	await cluster.verify();
});
