import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	range,
	send,
	sendAll,
	settled,
	user,
} from "./mail.ts";

test("kill -9 under load and a restart: every message exactly once on every node", async () => {
	const cluster = await startCluster({
		names: ["a", "b", "c"],
		users: [user],
	});
	try {
		const maker = new MessageMaker("killed");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		const throughA = range(0, 400);
		const throughB = range(400, 800);
		let killed: Promise<void> | undefined;
		const [doneA, doneB] = await Promise.all([
			send(a, maker, throughA, {
				connections: 5,
				acknowledged: (count) => {
					if (count === 120) killed = a.kill9();
				},
			}),
			send(b, maker, throughB, { connections: 5 }),
		]);
		await killed;
		expect(doneA.length).toBeGreaterThanOrEqual(120);
		expect(doneA.length, "the node was killed under load").toBeLessThan(400);
		expect(doneB.length, b.tail()).toBe(400);
		// What got no answer is tried again elsewhere, as a sending server would: it may have arrived, and must not come twice.
		const left = throughA.filter((number) => !doneA.includes(number));
		await sendAll(b, maker, left);
		await a.start();
		const numbers = range(0, 800);
		expectExactly(await settled(cluster.nodes, 800), maker, numbers);
		for (const node of cluster.nodes) await node.converged();
		for (const client of await cluster.imap(user)) {
			await expectBodies(client, maker, numbers);
			await client.logout();
		}
	} finally {
		await cluster.close();
	}
});

test("what a node acknowledged with --copies 2 is on the other when it is killed at that moment", async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		options: { copies: "2" },
		users: [user],
	});
	try {
		const maker = new MessageMaker("copies");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		let killed: Promise<void> | undefined;
		const acknowledged = await send(a, maker, range(0, 1000), {
			connections: 5,
			acknowledged: (count) => {
				if (count === 100) killed = a.kill9();
			},
		});
		await killed;
		const client = await b.imap(user, password);
		await until(
			`${acknowledged.length} acknowledged messages on b`,
			async () => {
				const { MESSAGES } = await client.mailboxStatus("INBOX");
				return (MESSAGES ?? 0) >= acknowledged.length;
			},
		);
		// What was not acknowledged may have left no more than its entry.
		await expectBodies(client, maker, acknowledged, { arrived: true });
		await client.logout();
	} finally {
		await cluster.close();
	}
});

test("a frozen peer is waited for until it is taken for down, and only then is a message acknowledged with fewer copies", async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		options: { copies: "2" },
		users: [user],
	});
	try {
		const maker = new MessageMaker("frozen");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await sendAll(a, maker, [0]);
		b.freeze();
		const stateOfB = async () =>
			(await a.status()).peers.find((peer) => peer.name === "b")?.state;
		const sent = send(a, maker, [1]);
		expect(await sent, a.tail()).toEqual([1]);
		expect(await stateOfB()).toBe("down");
		b.thaw();
		await settled(cluster.nodes, 2);
	} finally {
		await cluster.close();
	}
});

test("a peer that is silent for a moment still gets its copy before the message is acknowledged", async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		options: { copies: "2" },
		users: [user],
	});
	try {
		const maker = new MessageMaker("moment");
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await sendAll(a, maker, [0]);
		b.freeze();
		const sent = send(a, maker, [1]);
		await until(
			"b to be noticed as silent",
			async () =>
				(await a.status()).peers.find((peer) => peer.name === "b")?.state !==
				"up",
		);
		b.thaw();
		expect(await sent, a.tail()).toEqual([1]);
		await a.kill9();
		const client = await b.imap(user, password);
		await until(
			"both messages on b alone",
			async () => (await client.mailboxStatus("INBOX")).MESSAGES === 2,
		);
		await expectBodies(client, maker, [0, 1]);
		await client.logout();
	} finally {
		await cluster.close();
	}
});
