/** Many clients of one real node: what idling ones cost, and that silent and greedy ones harm nobody. */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
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
	await client.logout();
});
afterAll(async () => {
	closeAll();
	await cluster.close();
});

function closeAll(): void {
	for (const socket of sockets.splice(0)) socket.destroy();
}

interface Held {
	/** What is in use of heap and buffers, without garbage. */
	readonly bytes: number;
	/** The same and all else that is the process's own, without room that the heap keeps for later. */
	readonly residentBytes: number;
}
async function held(): Promise<Held> {
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
	const expression = `(() => {
		const { heapUsed, external } = process.memoryUsage();
		const { total_physical_size } = process.getBuiltinModule("v8").getHeapStatistics();
		return [heapUsed + external, total_physical_size - heapUsed];
	})()`;
	const { result } = (await ask("Runtime.evaluate", {
		expression,
		returnByValue: true,
	})) as { result: { value: [number, number] } };
	socket.close();
	const [bytes, spareBytes] = result.value;
	return { bytes, residentBytes: 1_024 * heldKilobytes() - spareBytes };
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
const open = (...steps: Step[]) =>
	talk(connect(node.listener("imap")), ...steps);
const openTls = (...steps: Step[]) =>
	talk(
		connectTls({ ...node.listener("imaps"), rejectUnauthorized: false }),
		...steps,
	);
type Step = [says: string, hears: string];

async function talk<S extends Socket>(socket: S, ...steps: Step[]): Promise<S> {
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
const GREETING: Step = ["", "* OK"];
const LOGIN: Step = [`a LOGIN ${user} "${password}"`, "a OK"];
const IDLE: Step[] = [
	GREETING,
	LOGIN,
	["b SELECT INBOX", "b OK"],
	["c IDLE", "+ "],
];

async function openMany(count: number, how: typeof open, ...steps: Step[]) {
	for (let left = count; left > 0; left -= 20)
		await Promise.all(Array.from({ length: 20 }, () => how(...steps)));
}

async function isServed(): Promise<void> {
	const client = await node.imap(user, password);
	expect((await client.select("INBOX")).exists).toBe(20);
	await client.logout();
}

test.each([
	["in the clear", 40, open],
	// Of these some 33 kB are what TLS takes outside the heap for each connection, which nothing here can make less.
	["over TLS", 64, openTls],
])(
	"a thousand idling sessions %s hold %i kB each at most, and no CPU",
	async (_, kilobytes, how) => {
		// So that code is compiled, caches are full and tables have their size.
		await openMany(300, how, ...IDLE);
		closeAll();
		await isServed();
		const before = await held();
		await openMany(1_000, how, ...IDLE);
		const after = await held();
		expect((after.bytes - before.bytes) / 1_000).toBeLessThan(40_000);
		expect((after.residentBytes - before.residentBytes) / 1_000).toBeLessThan(
			1_000 * kilobytes,
		);
		const began = await node.status();
		const ticks = usedTicks();
		const isOver = async () =>
			(await node.status()).node.uptimeSeconds >= began.node.uptimeSeconds + 3;
		await until("three seconds to pass", isOver, { everyMilliseconds: 500 });
		// Of three seconds less than a tenth, with what asking for the status costs.
		expect(usedTicks() - ticks).toBeLessThan(30);
		await isServed();
		closeAll();
	},
);

test("500 silent connections and 50 that never read: bounded, others are served", async () => {
	const client = await node.imap(user, password);
	await client.append(
		"Archive",
		Buffer.alloc(5_000_000, `${"x".repeat(70)}\r\n`),
	);
	await client.logout();
	await openMany(500, open);
	await atRest();
	const before = await held();
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
	// As much as ever will be waits for each.
	await atRest();
	const after = await held();
	expect((after.bytes - before.bytes) / greedy.length).toBeLessThan(1_000_000);
	// What the allocator has not given back counts too.
	expect(
		(after.residentBytes - before.residentBytes) / greedy.length,
	).toBeLessThan(3_000_000);
	closeAll();
	await isServed();
});

/** Resolves when the node uses no CPU to speak of for a moment. */
async function atRest(): Promise<void> {
	let ticks = Number.NEGATIVE_INFINITY;
	await until(
		"the node to be at rest",
		() => {
			const before = ticks;
			ticks = usedTicks();
			return ticks - before < 3;
		},
		{ everyMilliseconds: 500, timeoutMilliseconds: 60_000 },
	);
}

/** Says something and takes all that comes until `hears`, keeping none of it; resolves to how much it was. */
async function drink(says: string, hears: string, meanwhile: () => void) {
	const socket = await open(GREETING, LOGIN, ["b EXAMINE Archive", "b OK"]);
	socket.removeAllListeners("data");
	let octets = 0;
	let tail = "";
	const ended = new Promise<void>((resolve) => {
		socket.on("data", (chunk: Buffer) => {
			octets += chunk.length;
			tail = (tail + chunk.subarray(-200).toString("latin1")).slice(-200);
			meanwhile();
			if (tail.includes(hears)) resolve();
		});
	});
	socket.write(`${says}\r\n`);
	await ended;
	socket.destroy();
	return octets;
}

const MOST_KILOBYTES = 20 * 1024;

test("a message of 25 MB is fetched, as it is and decoded, in little memory", async () => {
	const client = await node.imap(user, password);
	const line = `${Buffer.alloc(54, "flat").toString("base64")}\r\n`;
	const encoded = Buffer.alloc(25 * 1024 * 1024, line);
	await client.append(
		"Archive",
		Buffer.concat([
			Buffer.from(
				"Content-Type: application/x-any\r\nContent-Transfer-Encoding: base64\r\n\r\n",
			),
			encoded,
		]),
	);
	await client.logout();
	// So that code is compiled; and the background reads it too, for the search.
	await drink("c FETCH 2 BODY.PEEK[]", "c OK", () => {});
	await atRest();
	for (const [item, octets] of [
		["BODY.PEEK[]", encoded.length],
		["BODY.PEEK[1]", encoded.length],
		["BINARY.PEEK[1]", Math.floor((encoded.length / line.length) * 54)],
	] as const) {
		/** Kilobytes that come on top while it is fetched. */
		const fetchOnce = async (): Promise<number> => {
			await held();
			const before = heldKilobytes();
			let most = before;
			let seen = 0;
			const got = await drink(`c FETCH 2 ${item}`, "c OK", () => {
				if (seen++ % 32 === 0) most = Math.max(most, heldKilobytes());
			});
			expect(got).toBeGreaterThan(octets);
			return most - before;
		};
		// Less than the message: garbage of what passes through. When it is collected is a matter of what else the machine does; a message that is held as a whole is held each time.
		let least = await fetchOnce();
		for (let more = 0; more < 2 && least >= MOST_KILOBYTES; more++)
			least = Math.min(least, await fetchOnce());
		expect(least, item).toBeLessThan(MOST_KILOBYTES);
	}
	await isServed();
});
