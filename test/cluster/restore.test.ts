/** A whole node restored from an old backup into a cluster that lived on, on real processes: nothing is lost, nothing twice, nothing forked. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { pmnode, startNode } from "../harness/node.ts";
import { removeFolder, run, temporaryFolder } from "../harness/processes.ts";
import {
	expectBodies,
	expectExactly,
	range,
	sendAll,
	settled,
	user,
} from "./mail.ts";

test("a node that lost its disk comes back from an old backup as a new life of itself, and the cluster has all mail once", async () => {
	const options = { copies: "2" };
	const cluster = await startCluster({
		names: ["a", "b"],
		options,
		users: [user],
	});
	const root = temporaryFolder("restore");
	const folder = join(root, "backup");
	try {
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const maker = new MessageMaker("restored");
		await sendAll(a, maker, range(0, 30));
		await sendAll(b, maker, range(30, 60));
		await settled(cluster.nodes, 60);
		await b.ok(["backup", folder]);

		// Life goes on: mail through both, flags, and some of the old mail is expunged.
		await sendAll(b, maker, range(60, 90));
		await sendAll(a, maker, range(90, 110));
		const before = await settled(cluster.nodes, 110);
		const client = await b.imap(user, password);
		await client.select("INBOX");
		const uids = before.map(({ uid }) => uid);
		await client.ok(`UID STORE ${uids.slice(0, 5).join()} +FLAGS (\\Deleted)`);
		await client.ok("EXPUNGE");
		await client.ok(`UID STORE ${uids.slice(10, 70).join()} +FLAGS (\\Seen)`);
		await client.logout();
		const lost = before
			.slice(0, 5)
			.map(({ messageId }) => Number(/\.(\d+)@/.exec(messageId)?.[1]));
		await settled(cluster.nodes, 105);
		await a.converged();
		await b.kill9();
		rmSync(b.data, { recursive: true });
		await sendAll(a, maker, range(110, 130));

		const data = join(root, "again");
		const [program = "", ...script] = pmnode;
		const back = await run(program, [
			...script,
			"restore",
			folder,
			"--data",
			data,
		]);
		expect(back.code, back.stderr).toBe(0);
		const again = await startNode({ name: "b", data, options });
		cluster.nodes.splice(1, 1, again);
		expect(again.ready.node.id).toBe(b.ready.node.id);
		expect(again.diary).toMatch(/a new life of this node/);
		const kept = range(0, 130).filter((number) => !lost.includes(number));
		const messages = await settled(cluster.nodes, 125);
		expectExactly(messages, maker, kept);
		expect(
			messages.filter(({ flags }) => flags.includes("\\Seen")),
		).toHaveLength(60);
		// What clients were shown keeps its numbers.
		const numbers = new Map(
			before.map(({ uid, messageId }) => [messageId, uid]),
		);
		for (const { uid, messageId } of messages)
			if (numbers.has(messageId)) expect(uid).toBe(numbers.get(messageId));

		await sendAll(again, maker, range(130, 150));
		await sendAll(a, maker, range(150, 160));
		await settled(cluster.nodes, 155);
		const all = [...kept, ...range(130, 160)];
		for (const node of cluster.nodes) {
			await node.converged();
			expect((await node.status()).cluster).toMatchObject({
				members: 2,
				up: 2,
			});
			expect(await node.cli(["check"]), node.tail()).toMatchObject({
				code: 0,
				stdout: "",
			});
			expect(node.diary).not.toMatch(/two versions|fork|another one than/);
			const reader = await node.imap(user, password);
			await expectBodies(reader, maker, all);
			await reader.logout();
		}
	} finally {
		await cluster.close();
		removeFolder(root);
	}
});
