/** Workloads of durable acceptance: rates with many connections, a long line between the nodes, bytes written, a start after a kill. */
import { readFileSync, statSync } from "node:fs";
import { startCluster } from "../harness/cluster.ts";
import { Line } from "../harness/line.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { Endpoint, TestNode } from "../harness/node.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import { type Delivered, deliver, messageBytes, send } from "./delivery.ts";
import { type PmnodeHost, startPmnode } from "./pmnode.ts";
import {
	cpuSeconds,
	median,
	milliseconds,
	residentBytes,
} from "./statistics.ts";
import { login, userAddress, userCount } from "./system.ts";

export const CONNECTIONS = 32;

/** Messages into the mailboxes over many connections. */
export const busyRate = (
	host: PmnodeHost,
	round: string,
	count: number,
): Promise<Delivered> => deliver(host, round, count, CONNECTIONS);

/** Longer than what is made of mail later (indexes, parsed messages) waits to be written. */
const QUIET_MILLISECONDS = 31_000;
const WRITING_MILLISECONDS_MAX = 120_000;

export interface Written {
	/** Bytes that the node's process gave to the disk for each byte of a body that it took, until it has nothing more to write. */
	readonly perByte: number;
	/** The same as the disk counts it, of all processes: Linux may count a large page of the file for each small piece that is synced. */
	readonly perByteOfDisk: number | undefined;
}

export async function bytesWritten(
	host: PmnodeHost,
	count: number,
): Promise<Written> {
	const [node] = host.cluster.nodes;
	if (!node) throw new Error("no node");
	// What came before is not counted.
	const before = await writtenInAll(node.pid);
	const beforeOfDisk = writtenBytesOfDisk(node.data);
	const maker = new MessageMaker("written", messageBytes);
	await send(host.smtp, maker, count, CONNECTIONS);
	let bodyBytes = 0;
	for (let number = 0; number < count; number++)
		bodyBytes += maker.make(
			number,
			userAddress((number % userCount) + 1),
		).length;
	const after = await writtenInAll(node.pid);
	const afterOfDisk = writtenBytesOfDisk(node.data);
	return {
		perByte: (after - before) / bodyBytes,
		perByteOfDisk:
			beforeOfDisk === undefined || afterOfDisk === undefined
				? undefined
				: (afterOfDisk - beforeOfDisk) / bodyBytes,
	};
}

/** What the process has written when it has not written for a while. */
async function writtenInAll(pid: number): Promise<number> {
	let written = writtenBytes(pid);
	let since = performance.now();
	await until(
		"the node to have nothing to write",
		() => {
			const now = writtenBytes(pid);
			// A heartbeat of some pages is no work that is left.
			if (now - written > 65_536) since = performance.now();
			written = now;
			return performance.now() - since >= QUIET_MILLISECONDS;
		},
		{ timeoutMilliseconds: WRITING_MILLISECONDS_MAX, everyMilliseconds: 1_000 },
	);
	return written;
}

/** proc(5): what the process caused to be sent to the storage layer. */
function writtenBytes(pid: number): number {
	const io = readFileSync(`/proc/${pid}/io`, "utf8");
	return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? Number.NaN);
}

const SECTOR_BYTES = 512;

/** sysfs-block(5): the seventh number is that of sectors written. undefined where the folder lies on no disk of its own, as in memory. */
function writtenBytesOfDisk(folder: string): number | undefined {
	const { dev } = statSync(folder);
	const major = (dev >> 8) & 0xfff;
	const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
	let text: string;
	try {
		text = readFileSync(`/sys/dev/block/${major}:${minor}/stat`, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
	return Number(text.trim().split(/\s+/)[6]) * SECTOR_BYTES;
}

/** Over a line of 100 ms those senders, who each wait for their answer, bring some 260 messages a second at most, however fast the nodes are. */
export const MANY_CONNECTIONS = 96;

/** Messages a second by the number of connections. */
type Rates = ReadonlyMap<number, number>;

export interface LongLine {
	readonly acknowledgedMilliseconds: number;
	readonly perSecond: Rates;
	/** The same pair of nodes without the line. */
	readonly perSecondNear: Rates;
}

/** Two nodes with two copies and a round trip of `roundTripMilliseconds` between them. */
export async function longLine(
	roundTripMilliseconds: number,
	count: number,
): Promise<LongLine> {
	const far = await overLine(roundTripMilliseconds / 2, count);
	const near = await overLine(0, count);
	return { ...far, perSecondNear: near.perSecond };
}

async function overLine(oneWayMilliseconds: number, count: number) {
	const lines = new Map<string, Line>();
	const nodes = new Map<string, Endpoint>();
	const ports = { a: await freePort(), b: await freePort() };
	for (const [name, port] of Object.entries(ports)) {
		nodes.set(name, { host: "127.0.0.1", port });
		lines.set(
			name,
			await Line.open(() => nodes.get(name) as Endpoint, oneWayMilliseconds),
		);
	}
	const cluster = await startCluster({
		names: ["a", "b"],
		options: { copies: "2", "log-level": "warn" },
		optionsOf: (name) => ({
			p2p: `127.0.0.1:${nodes.get(name)?.port}`,
			announce: `127.0.0.1:${lines.get(name)?.at.port}`,
		}),
		users: Array.from({ length: userCount }, (_, index) =>
			userAddress(index + 1),
		),
	});
	try {
		const [first] = cluster.nodes;
		if (!first) throw new Error("no node");
		const at = first.listener("smtp");
		const acknowledgedMilliseconds = await oneAfterTheOther(at);
		const perSecond = new Map<number, number>();
		for (const connections of [CONNECTIONS, MANY_CONNECTIONS]) {
			const name = `line${oneWayMilliseconds}-${connections}`;
			const maker = new MessageMaker(name, messageBytes);
			const taken = await milliseconds(() =>
				send(at, maker, count, connections),
			);
			perSecond.set(connections, (count * 1000) / taken);
		}
		return { acknowledgedMilliseconds, perSecond };
	} finally {
		await cluster.close();
		for (const line of lines.values()) line.close();
	}
}

/** The median of the milliseconds from MAIL FROM to the 250 after DATA. */
async function oneAfterTheOther(at: Endpoint): Promise<number> {
	const smtp = await SmtpSender.connect(at);
	const maker = new MessageMaker("one", messageBytes);
	const taken: number[] = [];
	for (let number = 0; number < 20; number++)
		taken.push(
			await milliseconds(() =>
				smtp.send(
					"one@sender.test",
					[userAddress(1)],
					maker.make(number, userAddress(1)),
				),
			),
		);
	smtp.quit();
	return median(taken);
}

async function freePort(): Promise<number> {
	const line = await Line.open(() => ({ host: "127.0.0.1", port: 9 }), 0);
	line.close();
	return line.at.port;
}

export interface Start {
	/** Until the ready line. */
	readonly seconds: number;
	/** Of all CPUs, until then. */
	readonly cpuSeconds: number;
	readonly openMilliseconds: number;
	/** Resident, when it is ready, and when one mailbox was opened. */
	readonly readyBytes: number;
	readonly openBytes: number;
}

/**
 * A node that was killed is started again, with `count` messages of 4 kB that came by SMTP and that nobody has looked at,
 * in the mailboxes of all users; and one of them is opened.
 */
export async function startAfterKill(count: number): Promise<Start> {
	const host = await startPmnode(1);
	try {
		const [node] = host.cluster.nodes as [TestNode];
		const maker = new MessageMaker("many", messageBytes);
		await send(host.smtp, maker, count, CONNECTIONS);
		await node.kill9();
		const seconds = (await milliseconds(() => node.start())) / 1000;
		const used = cpuSeconds([node.pid]);
		const readyBytes = residentBytes(node.pid);
		const client = await login(node.listener("imap"), 1);
		const openMilliseconds = await milliseconds(async () => {
			const { exists } = await client.select("INBOX");
			const wanted = Math.ceil(count / userCount);
			if (exists !== wanted)
				throw new Error(`${exists} of ${wanted} messages after the kill`);
		});
		const openBytes = residentBytes(node.pid);
		await client.logout();
		return {
			seconds,
			cpuSeconds: used,
			openMilliseconds,
			readyBytes,
			openBytes,
		};
	} finally {
		await host.stop();
	}
}
