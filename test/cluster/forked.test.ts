/**
 * A virtual machine put back by a snapshot that it does not know of, and started while no other member runs: it goes on
 * alone from its old copy and acknowledges mail under numbers that the others know as other changes. Once they meet, that
 * life is put aside whole, the node begins anew with what the others have, and its mail can be put back.
 */
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	range,
	sendAll,
	settled,
	user,
} from "./mail.ts";

test("what a node took while it went on alone from an old copy is put aside, and comes back with restore", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	const [a, b] = cluster.nodes;
	if (!a || !b) throw new Error("no cluster");
	const snapshot = `${b.data}.snapshot`;
	try {
		const maker = new MessageMaker("forked");
		await sendAll(b, maker, range(0, 20));
		await settled(cluster.nodes, 20);
		await b.stop();
		cpSync(b.data, snapshot, { recursive: true });
		await b.start();
		await sendAll(b, maker, range(20, 40));
		await sendAll(a, maker, range(40, 50));
		await settled(cluster.nodes, 50);
		await a.stop();
		await b.kill9();
		rmSync(b.data, { recursive: true });
		cpSync(snapshot, b.data, { recursive: true });
		await b.start();
		await sendAll(b, maker, range(50, 65));
		await b.stop();

		await a.start();
		await b.start();
		await until(
			"b to put its forked life aside",
			() => readdirSync(b.data).includes("forked-1"),
			{ timeoutMilliseconds: 60_000, seen: () => b.tail() },
		);
		expectExactly(await settled(cluster.nodes, 50), maker, range(0, 50));
		for (const node of cluster.nodes) await node.converged();
		expect(b.diary).toMatch(/pmnode restore \S*forked-1 --all --data /);
		await sendAll(b, maker, range(65, 70));

		const back = await b.cli(["restore", join(b.data, "forked-1"), "--all"]);
		expect(back, b.tail()).toMatchObject({
			code: 0,
			stderr: "15 messages are back, 20 were there\n",
		});
		expectExactly(await settled(cluster.nodes, 70), maker, range(0, 70));
		for (const node of cluster.nodes) {
			await node.converged();
			const client = await node.imap(user, password);
			await expectBodies(client, maker, range(0, 70));
			await client.logout();
			expect(await node.cli(["check"]), node.tail()).toMatchObject({
				code: 0,
			});
		}

		// Nor does a member whose store is simply gone found a cluster of its own.
		await b.stop();
		for (const name of readdirSync(b.data))
			if (name.startsWith("state.db")) rmSync(join(b.data, name));
		await b.start();
		expectExactly(await settled(cluster.nodes, 70), maker, range(0, 70));
	} finally {
		await cluster.close();
		rmSync(snapshot, { recursive: true, force: true });
	}
});
