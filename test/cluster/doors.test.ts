/** Many clients of one real node: what idling ones cost, and that silent and greedy ones harm nobody. */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
	password,
	startCluster,
	type TestCluster,
} from "../harness/cluster.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";

const user = "anna@doors.test";
let cluster: TestCluster;
let node: TestNode;
let pid: number;
const sockets: Socket[] = [];
beforeAll(async () => {
	// The inspector is how garbage is collected before memory is measured.
	process.env.NODE_OPTIONS = "--inspect=127.0.0.1:0";
	cluster = await startCluster({ names: ["a"], users: [user] });
	delete process.env.NODE_OPTIONS;
	node = cluster.node("a");
	pid = (await node.status()).node.pid;
	const client = await node.imap(user, password);
	for (let i = 0; i < 20; i++)
		await client.append("INBOX", Buffer.from(`Subject: ${i}\r\n\r\nhello\r\n`));
	const large = Buffer.alloc(5_000_000, `${"x".repeat(70)}\r\n`);
	await client.append("Archive", large);
	await client.logout();
});
afterAll(async () => {
	closeAll();
	await cluster.close();
});

function closeAll(): void {
	for (const socket of sockets.splice(0)) socket.destroy();
}

/** What is in use of heap and buffers, without garbage. */
async function heldBytes(): Promise<number> {
	// The last: a node replaces itself once at its start.
	const url = cluster
		.tail()
		.match(/ws:\/\/\S+/g)
		?.at(-1);
	if (url === undefined) throw new Error("the node has no inspector");
	const socket = new WebSocket(url);
	await new Promise((resolve, reject) => {
		socket.addEventListener("open", resolve);
		socket.addEventListener("error", () => reject(new Error(`no ${url}`)));
	});
	let id = 0;
	const ask = (method: string, params: object = {}): Promise<unknown> =>
		new Promise((resolve) => {
			const asked = ++id;
			socket.addEventListener("message", ({ data }) => {
				const answer = JSON.parse(String(data));
				if (answer.id === asked) resolve(answer.result);
			});
			socket.send(JSON.stringify({ id: asked, method, params }));
		});
	await ask("HeapProfiler.collectGarbage");
	await ask("HeapProfiler.collectGarbage");
	const expression =
		"(({heapUsed, external}) => heapUsed + external)(process.memoryUsage())";
	const { result } = (await ask("Runtime.evaluate", { expression })) as {
		result: { value: number };
	};
	socket.close();
	return result.value;
}

/** Kilobytes that the node holds for itself, and hundredths of a second of CPU that it has used. */
const heldKilobytes = () =>
	Number(
		/^Private_Dirty:\s+(\d+)/m.exec(
			readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"),
		)?.[1],
	);
const usedTicks = () => {
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1];
	const [user = 0, system = 0] = (fields ?? "").split(" ").slice(11, 13);
	return Number(user) + Number(system);
};

/** A client that says lines, each after the answer to the one before. */
async function open(...steps: [says: string, hears: string][]) {
	const socket = connect(node.listener("imap"));
	sockets.push(socket);
	let text = "";
	let wake = () => {};
	socket.on("data", (chunk: Buffer) => {
		text += chunk.toString("latin1");
		wake();
	});
	socket.on("error", () => {});
	for (const [says, hears] of steps) {
		text = "";
		if (says !== "") socket.write(`${says}\r\n`);
		while (!text.includes(hears))
			await new Promise<void>((resolve) => {
				wake = resolve;
			});
	}
	return socket;
}
const GREETING: [string, string] = ["", "* OK"];
const LOGIN: [string, string] = [`a LOGIN ${user} "${password}"`, "a OK"];
const IDLE: [string, string][] = [
	GREETING,
	LOGIN,
	["b SELECT INBOX", "b OK"],
	["c IDLE", "+ "],
];

async function openMany(count: number, ...steps: [string, string][]) {
	for (let left = count; left > 0; left -= 20)
		await Promise.all(Array.from({ length: 20 }, () => open(...steps)));
}

async function isServed(): Promise<void> {
	const client = await node.imap(user, password);
	expect((await client.select("INBOX")).exists).toBe(20);
	await client.logout();
}

test("a thousand idling sessions hold 40 kB each at most, and no CPU", async () => {
	// So that code is compiled, caches are full and tables have their size.
	await openMany(300, ...IDLE);
	closeAll();
	await isServed();
	const before = await heldBytes();
	const residentBefore = heldKilobytes();
	await openMany(1_000, ...IDLE);
	const after = await heldBytes();
	expect((after - before) / 1_000).toBeLessThan(40_000);
	expect((heldKilobytes() - residentBefore) / 1_000).toBeLessThan(40);
	const began = await node.status();
	const ticks = usedTicks();
	const isOver = async () =>
		(await node.status()).node.uptimeSeconds >= began.node.uptimeSeconds + 3;
	await until("three seconds to pass", isOver, { everyMilliseconds: 500 });
	// Of three seconds less than a tenth, with what asking for the status costs.
	expect(usedTicks() - ticks).toBeLessThan(30);
	await isServed();
	closeAll();
});

test("500 silent connections and 50 that never read: bounded, others are served", async () => {
	await openMany(500);
	const before = heldKilobytes();
	const greedy = await Promise.all(
		Array.from({ length: 50 }, () =>
			open(GREETING, LOGIN, ["b SELECT Archive", "b OK"]),
		),
	);
	for (const socket of greedy) {
		socket.pause();
		for (let i = 0; i < 20; i++) socket.write("c FETCH 1 BODY.PEEK[]\r\n");
	}
	// 5 GB are asked for.
	for (let i = 0; i < 5; i++) await isServed();
	const heldEach = (heldKilobytes() - before) / greedy.length;
	// 1 MB waits for each, and what was read ahead for it; garbage counts until it is collected.
	expect(heldEach).toBeLessThan(3_000);
	closeAll();
	await isServed();
});
