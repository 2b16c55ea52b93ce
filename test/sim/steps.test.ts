/** Commands on many messages are done in steps: others are served in between, and what the client is told is whole. */
import { expect, it } from "vitest";
import type { Uid } from "../../sync/ids.ts";
import { STORE_BATCH_COUNT } from "../../sync/limits.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import { clusterOf, deliverMany } from "./world.ts";

const MANY = 2 * STORE_BATCH_COUNT + 100;

/** A cluster where a session of anna's looks at many messages, whose work comes to an end while another one's goes on. */
async function manyAt(names: readonly string[]) {
	const cluster = await clusterOf(names);
	await deliverMany(cluster, ["a"], 1);
	await cluster.settle();
	const account = cluster.account("a", "anna");
	const first = await cluster.run(account.select("INBOX"));
	const body = first.get(first.uids()[0] as Uid)?.body as BodyRef;
	await cluster.run(
		account.append(
			"INBOX",
			Array.from({ length: MANY }, () => ({ body, flags: [] })),
		),
	);
	await cluster.run(account.create("Other"));
	await cluster.settle();
	const uids = first.uids();
	expect(uids).toHaveLength(MANY + 1);
	const other = () => account.append("Other", [{ body, flags: [] }]);
	return { cluster, first, uids, other };
}

it("others are served between the steps of STORE and MOVE", async () => {
	const { cluster, first, uids, other } = await manyAt(["a"]);
	const last = uids.at(-1) as Uid;
	const stored = first.store(uids, { mode: "add", flags: ["\\Flagged"] });
	const duringStore = other().then(() => first.get(last)?.flags);
	const [, then] = await cluster.run(Promise.all([stored, duringStore]));
	expect(then).toEqual([]);
	expect(first.get(last)?.flags).toEqual(["\\Flagged"]);
	const moved = first.move(uids, "Archive");
	const duringMove = other().then(() => first.uids().length);
	const [, left] = await cluster.run(Promise.all([moved, duringMove]));
	expect(left).toBeGreaterThan(0);
	expect(first.uids()).toEqual([]);
	first.release();
});

it("STORE and MOVE of many come to the same on every node, and all UIDs are told in order", async () => {
	const { cluster, first, uids } = await manyAt(["a", "b"]);
	await cluster.run(first.store(uids, { mode: "add", flags: ["\\Flagged"] }));
	for (const uid of uids) expect(first.get(uid)?.flags).toEqual(["\\Flagged"]);
	const placed = await cluster.run(first.move(uids, "Archive"));
	expect(placed.from).toEqual(uids);
	const there = placed.uids as readonly Uid[];
	expect(there).toHaveLength(uids.length);
	expect(there).toEqual([...there].sort((x, y) => x - y));
	expect(first.uids()).toEqual([]);
	first.release();
	await cluster.settle();
	for (const node of ["a", "b"]) {
		const archive = await cluster.run(
			cluster.account(node, "anna").select("Archive"),
		);
		expect(archive.uids()).toEqual(there);
		for (const uid of there)
			expect(archive.get(uid)?.flags).toEqual(["\\Flagged"]);
		archive.release();
	}
});
