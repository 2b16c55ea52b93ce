/** Commands on many messages are done in steps: others are served in between, and what the client is told is whole. */
import { expect, it } from "vitest";
import type { Uid } from "../../sync/ids.ts";
import { STORE_BATCH_COUNT } from "../../sync/limits.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import { clusterOf, deliverMany } from "./world.ts";

const MANY = 2 * STORE_BATCH_COUNT + 100;

it("STORE and MOVE of many let others in, and come to the same on every node", async () => {
	const cluster = await clusterOf(["a", "b"]);
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
	const ended: string[] = [];
	const other = (what: string) =>
		account.append("Other", [{ body, flags: [] }]).then(() => ended.push(what));
	const uids = first.uids();
	expect(uids).toHaveLength(MANY + 1);

	const stored = first
		.store(uids, { mode: "add", flags: ["\\Flagged"] })
		.then(() => ended.push("store"));
	await cluster.run(Promise.all([stored, other("during the store")]));
	expect(ended.splice(0)).toEqual(["during the store", "store"]);
	for (const uid of uids) expect(first.get(uid)?.flags).toEqual(["\\Flagged"]);

	const moving = first.move(uids, "Archive").then((placed) => {
		ended.push("move");
		return placed;
	});
	const [placed] = await cluster.run(
		Promise.all([moving, other("during the move")]),
	);
	expect(ended).toEqual(["during the move", "move"]);
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
