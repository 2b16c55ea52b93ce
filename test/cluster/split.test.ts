import { afterEach, beforeEach, expect, test } from "vitest";
import {
	password,
	startCluster,
	type TestCluster,
} from "../harness/cluster.ts";
import { Hosts } from "../harness/hosts.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	look,
	range,
	sendAll,
	settled,
	user,
} from "./mail.ts";
import { Observer } from "./observer.ts";

const names = ["a", "b", "c"];
const hostOf = (name: string) => names.indexOf(name) + 1;
let hosts: Hosts;
let cluster: TestCluster;
let observer: Observer;
let maker: MessageMaker;

beforeEach(async () => {
	observer = new Observer();
	maker = new MessageMaker("split");
	hosts = await Hosts.create(3);
	cluster = await startCluster({
		names,
		users: [user],
		optionsOf: (name) => ({ p2p: `${hosts.address(hostOf(name))}:2401` }),
		placeOf: (name) => ({
			prefix: hosts.prefix(hostOf(name)),
			forward: ({ port }) => hosts.forward(hostOf(name), port),
		}),
	});
});
afterEach(async () => {
	await cluster?.close();
	await hosts?.close();
});

const observe = async (...nodes: TestNode[]) => {
	for (const node of nodes)
		observer.saw(node.name, (await look(node)).messages);
};
const uidValidities = async () =>
	Promise.all(
		cluster.nodes.map(async (node) => (await look(node)).uidValidity),
	);
/** STATUS does not open the mailbox, so it neither numbers nor tells UIDs. */
const holds = async (node: TestNode, count: number) => {
	const client = await node.imap(user, password);
	await until(
		`${count} messages on ${node.name}`,
		async () => (await client.mailboxStatus("INBOX")).MESSAGES === count,
		{ timeoutMilliseconds: 90_000, everyMilliseconds: 100 },
	);
	await client.logout();
};

test("split {a} | {b, c}: both sides take mail and serve it; healed, all show the same under the same UIDs, and no UID names two messages", async () => {
	const [a, b, c] = cluster.nodes;
	if (!a || !b || !c) throw new Error("no cluster");
	await sendAll(a, maker, range(0, 20));
	await settled(cluster.nodes, 20, observer);
	const [before] = await uidValidities();

	await hosts.split([1], [2, 3]);
	await cluster.seen(1, [a]);
	await cluster.seen(2, [b, c]);
	await sendAll(a, maker, range(20, 40));
	await sendAll(b, maker, range(40, 60));
	await sendAll(c, maker, range(60, 70));
	// Clients look on both sides, so UIDs are told on both, and the heal has to keep them all true.
	await holds(a, 40);
	for (const node of [b, c]) await holds(node, 50);
	await observe(a, b, c);
	const onA = await a.imap(user, password);
	await onA.select("INBOX");
	await onA.ok("STORE 1 +FLAGS (\\Seen)");
	await onA.ok("STORE 2 +FLAGS (\\Deleted)");
	await onA.ok("EXPUNGE");
	const onB = await b.imap(user, password);
	await onB.select("INBOX");
	await onB.ok("STORE 1 +FLAGS (\\Answered)");
	await onB.ok("STORE 2 +FLAGS (\\Flagged)");
	await observe(a, b, c);

	await hosts.heal();
	await cluster.seen(3);
	const messages = await settled(cluster.nodes, 69, observer);
	// The expunge on one side wins over the flag on the other.
	expectExactly(
		messages,
		maker,
		range(0, 70).filter((number) =>
			messages.some((each) => each.messageId === maker.messageId(number)),
		),
	);
	expect(messages[0]?.flags).toEqual(["\\Answered", "\\Seen"]);
	expect(observer.contradictions).toEqual([]);
	expect(await uidValidities()).toEqual([before, before, before]);
	// The sessions that were open all the time know it, too.
	for (const client of [onA, onB]) {
		await client.ok("NOOP");
		expect(await client.list()).toEqual(messages);
		await client.logout();
	}
	// New mail is above all that was ever told.
	await sendAll(c, maker, [100]);
	await settled(cluster.nodes, 70, observer);
	expect(observer.contradictions).toEqual([]);
	for (const node of cluster.nodes) await node.converged();
	const client = await a.imap(user, password);
	await expectBodies(client, maker, range(20, 70));
	await client.logout();
});

test("cut between a and b only: what one takes reaches the other through c", async () => {
	const [a, b] = cluster.nodes;
	if (!a || !b) throw new Error("no cluster");
	await sendAll(a, maker, range(0, 5));
	await settled(cluster.nodes, 5, observer);
	await hosts.cut(1, 2);
	const stateOf = async (node: TestNode, peer: string) =>
		(await node.status()).peers.find((each) => each.name === peer)?.state;
	await until(
		"a to see b down and c up",
		async () =>
			(await stateOf(a, "b")) === "down" && (await stateOf(a, "c")) === "up",
		{ timeoutMilliseconds: 90_000 },
	);
	await sendAll(a, maker, range(5, 15));
	await sendAll(b, maker, range(15, 25));
	expectExactly(
		await settled(cluster.nodes, 25, observer),
		maker,
		range(0, 25),
	);
	for (const node of cluster.nodes) {
		const client = await node.imap(user, password);
		await expectBodies(client, maker, range(0, 25));
		await client.logout();
	}
	await hosts.heal();
	await cluster.seen(3);
	await settled(cluster.nodes, 25, observer);
	expect(observer.contradictions).toEqual([]);
});
