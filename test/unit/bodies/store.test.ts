/** What only the real store can go through: files, folders, sockets, damage. */
import { randomBytes } from "node:crypto";
import {
	chmodSync,
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
	type DriveBodies,
	DriveShort,
	openBodies,
} from "../../../sync/bodies/bodies.ts";
import { storeFault } from "../../../sync/bodies/faults.ts";
import { DriveWriter, MemoryBudget } from "../../../sync/bodies/writer.ts";
import { bodyHash, type NodeId, nodeId } from "../../../sync/ids.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import { StoreFailed, StoreFull } from "../../../sync/ports/store.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { SimClock, turn } from "../../../sync/sim/clock.ts";
import {
	connectStreams,
	TestStreams,
	temporaryFolder,
	testLog,
} from "./pair.ts";

interface TestNode {
	readonly node: NodeId;
	readonly streams: TestStreams;
	readonly directory: string;
	readonly log: ReturnType<typeof testLog>;
	bodies: DriveBodies;
}

let folder: ReturnType<typeof temporaryFolder>;
let clock: Clock;
const nodes: TestNode[] = [];
beforeEach(() => {
	clock = realClock;
	folder = temporaryFolder();
});
afterEach(async () => {
	for (const { bodies } of nodes.splice(0)) await bodies.close();
	folder.remove();
});

const openIn = (
	{ directory, streams, log }: Omit<TestNode, "bodies">,
	lengthBlocksAtLeast = 0,
): Promise<DriveBodies> =>
	openBodies({
		directory,
		drive: { name: "drive", lengthBlocksAtLeast },
		streams,
		clock,
		log,
	});

async function start(name: string): Promise<TestNode> {
	const parts = {
		node: nodeId(`12D3Koo${name.repeat(20)}`),
		streams: new TestStreams(),
		directory: join(folder.path, name),
		log: testLog(),
	};
	const made = { ...parts, bodies: await openIn(parts) };
	nodes.push(made);
	return made;
}

async function put(bodies: DriveBodies, bytes: Uint8Array): Promise<BodyRef> {
	const writer = bodies.create();
	await writer.write(bytes);
	return writer.commit();
}

const database = (node: TestNode): string =>
	join(node.directory, "drives", "db");

describe("the folder", () => {
	it("says its format, and is refused when that is newer", async () => {
		const a = await start("a");
		const file = join(a.directory, "format");
		expect(readFileSync(file, "utf8")).toBe("1\n");
		const reference = await put(a.bodies, Buffer.from("kept"));
		await a.bodies.close();
		writeFileSync(file, "2\n");
		await expect(openIn(a)).rejects.toThrow(
			new StoreFailed(
				`the body store in ${a.directory} has format 2, newer than this version knows (1); run a newer pmnode`,
			),
		);
		// One of before: without the file.
		rmSync(file);
		a.bodies = await openIn(a);
		expect(await a.bodies.has(reference)).toBe(true);
		expect(readFileSync(file, "utf8")).toBe("1\n");
	});

	it("belongs to one process", async () => {
		const a = await start("a");
		await expect(openIn(a)).rejects.toThrow(
			new StoreFailed(
				`the body store in ${a.directory} is in use by another process: stop that one first`,
			),
		);
		// The first one is none the worse.
		await put(a.bodies, Buffer.from("body"));
	});

	it("is named when it cannot be opened", async () => {
		const a = await start("a");
		await put(a.bodies, Buffer.from("body"));
		await a.bodies.close();
		writeFileSync(join(database(a), "CURRENT"), "garbage");
		const opening = openIn(a);
		await expect(opening).rejects.toThrow(StoreFailed);
		await expect(opening).rejects.toThrow(`the body store in ${a.directory}`);
	});

	it("tells of a lost tail, which RocksDB does not", async () => {
		const a = await start("a");
		for (let i = 0; i < 20; i++) await put(a.bodies, Buffer.alloc(9_000, i));
		const mark = a.bodies.lengthBlocks();
		await a.bodies.close();
		const [log] = readdirSync(database(a)).filter((name) =>
			name.endsWith(".log"),
		);
		const path = join(database(a), log as string);
		truncateSync(path, statSync(path).size >> 1);
		await expect(openIn(a, mark)).rejects.toThrow(DriveShort);
	});

	it("lets nobody else look in, and is clean after a start", async () => {
		const a = await start("a");
		const spool = join(a.directory, "spool");
		const writer = a.bodies.create();
		await writer.write(Buffer.alloc(1_000_000));
		const [file] = readdirSync(spool);
		expect(statSync(join(spool, file as string)).mode & 0o777).toBe(0o600);
		expect(statSync(spool).mode & 0o777).toBe(0o700);
		expect(statSync(join(a.directory, "drives")).mode & 0o777).toBe(0o700);
		await writer.commit();
		while (readdirSync(spool).length > 0) await turn();
		writeFileSync(join(spool, "left"), "by a killed process");
		await a.bodies.close();
		a.bodies = await openIn(a);
		expect(readdirSync(spool)).toEqual([]);
	});

	it("removes the spool of an aborted body", async () => {
		const a = await start("a");
		const spool = join(a.directory, "spool");
		const writer = a.bodies.create();
		await writer.write(Buffer.alloc(1_000_000));
		expect(readdirSync(spool).length).toBe(1);
		writer.abort();
		while (readdirSync(spool).length > 0) await turn();
	});
});

describe("members", () => {
	async function pair() {
		const a = await start("a");
		const b = await start("b");
		b.bodies.setDrives([{ node: a.node, drive: a.bodies.drive }]);
		return { a, b };
	}

	it("go on with a large body after the stream broke", async () => {
		// However long it takes here: the bound of a copy in the background is another test's matter.
		clock = new SimClock();
		const { a, b } = await pair();
		const reference = await put(a.bodies, Buffer.alloc(20_000_000, 7));
		const cut = await connectStreams(a, b);
		const fetching = b.bodies.fetch(reference);
		// Some of it has come once the second store has grown.
		const before = databaseBytes(b);
		while (databaseBytes(b) < before + 1_000_000) await turn();
		cut();
		expect(await b.bodies.has(reference)).toBe(false);
		await connectStreams(a, b);
		await fetching;
		expect(await b.bodies.has(reference)).toBe(true);
	});

	it("are missed where the log was damaged, which RocksDB opens without them", async () => {
		const { a, b } = await pair();
		const references: BodyRef[] = [];
		for (let i = 0; i < 5; i++)
			references.push(await put(a.bodies, randomBytes(50_000)));
		await connectStreams(a, b);
		for (const reference of references) await b.bodies.fetch(reference);
		expect(b.bodies.dropped).toBeUndefined();
		await b.bodies.close();
		const [log] = readdirSync(database(b)).filter((name) =>
			name.endsWith(".log"),
		);
		overwrite(join(database(b), log as string), 120_000, "damage");
		b.bodies = await openIn(b);
		expect(b.bodies.dropped).toMatch(/\.log: dropping \d+ bytes; Corruption/);
		const states = await Promise.all(
			references.map((reference) => b.bodies.verify(reference)),
		);
		expect(states).toContain("missing");
		// Told once: what is left is whole.
		await b.bodies.close();
		b.bodies = await openIn(b);
		expect(b.bodies.dropped).toBeUndefined();
	});

	it("give back what is damaged here", async () => {
		const { a, b } = await pair();
		const references: BodyRef[] = [];
		for (let i = 0; i < 5; i++)
			references.push(await put(a.bodies, Buffer.alloc(50_000, i + 1)));
		await connectStreams(a, b);
		for (const reference of references) await b.bodies.fetch(reference);
		// Opening again moves what is in the log into a file of values.
		await b.bodies.close();
		b.bodies = await openIn(b);
		await b.bodies.close();
		const [blobs] = readdirSync(database(b)).filter((name) =>
			name.endsWith(".blob"),
		);
		overwrite(join(database(b), blobs as string), 120_000, "damage");
		b.bodies = await openIn(b);
		const states = await Promise.all(
			references.map((reference) => b.bodies.verify(reference)),
		);
		expect(states.filter((state) => state === "damaged").length).toBe(1);
		expect(states.filter((state) => state === "whole").length).toBe(4);
		const here = await Promise.all(
			references.map((reference) => b.bodies.has(reference)),
		);
		expect(here.filter((is) => !is).length).toBe(1);
		expect(b.log.lines.some(({ level }) => level === "warn")).toBe(true);
		await connectStreams(a, b);
		await b.bodies.fetch(references[states.indexOf("damaged")] as BodyRef);
		for (const reference of references)
			expect(await b.bodies.verify(reference)).toBe("whole");
		for (const [i, reference] of references.entries()) {
			const bytes = await b.bodies.read(reference);
			expect(Buffer.alloc(50_000, i + 1).equals(bytes)).toBe(true);
			expect(await b.bodies.has(reference)).toBe(true);
		}
	});

	it("that send garbage end their stream only", async () => {
		const { a, b } = await pair();
		const reference = await put(a.bodies, Buffer.from("body"));
		for (const bad of [b, a]) {
			const stranger = { node: bad.node, streams: new TestStreams() };
			const ended = new Promise<void>((resolve) =>
				stranger.streams.onBodyStream((_, stream) => {
					stream.on("error", () => {});
					stream.on("close", resolve);
					// A frame (3 bytes of length) that is no Noise handshake.
					stream.write(Buffer.from([100, 0, 0, ...Buffer.alloc(100, 0x41)]));
					stream.resume();
				}),
			);
			await connectStreams(stranger, bad === a ? b : a);
			await ended;
		}
		await connectStreams(a, b);
		await b.bodies.fetch(reference);
	});

	it("are let go at the end, with every file", async () => {
		const { a, b } = await pair();
		await connectStreams(a, b);
		await b.bodies.fetch(await put(a.bodies, Buffer.from("body")));
		const files = () => readdirSync("/proc/self/fd").length;
		const open = files();
		await a.bodies.close();
		await b.bodies.close();
		await a.bodies.close();
		expect(files()).toBeLessThan(open);
		a.bodies = await openIn(a);
		b.bodies = await openIn(b);
	});
});

describe("memory", () => {
	it("that is used up sends bodies to disk, and comes back", async () => {
		mkdirSync(join(folder.path, "spool"));
		const memory = new MemoryBudget(1_000);
		const contents: string[] = [];
		let files = 0;
		const host = {
			memory,
			spoolFile: () => join(folder.path, "spool", `${files++}`),
			append: async ({
				content,
				sizeBytes,
			}: {
				content: unknown;
				sizeBytes: number;
			}) => {
				contents.push(content instanceof Uint8Array ? "memory" : "file");
				return {
					hash: bodyHash("0".repeat(64)),
					sizeBytes,
					drive: "",
					blob: [0, 0, 0, 0] as const,
				};
			},
		};
		const first = new DriveWriter(host);
		const second = new DriveWriter(host);
		expect(first.write(Buffer.alloc(600))).toBeUndefined();
		// Back-pressure: what does not fit is waited for.
		expect(second.write(Buffer.alloc(300))).toBeUndefined();
		await second.write(Buffer.alloc(300));
		expect(readdirSync(join(folder.path, "spool"))).toEqual(["0"]);
		await second.commit();
		await first.commit();
		expect(contents).toEqual(["file", "memory"]);
		while (readdirSync(join(folder.path, "spool")).length > 0) await turn();
		expect(memory.take(1_000)).toBe(true);
	});

	it("is given back by abort, once", async () => {
		const memory = new MemoryBudget(1_000);
		const host = {
			memory,
			spoolFile: () => join(folder.path, "none"),
			append: () => Promise.reject(new Error("not here")),
		};
		const writer = new DriveWriter(host);
		void writer.write(Buffer.alloc(600));
		writer.abort();
		writer.abort();
		expect(memory.take(1_001)).toBe(false);
		expect(memory.take(1_000)).toBe(true);
	});

	it("a spool that cannot be written fails the writes and the commit", async () => {
		const writer = new DriveWriter({
			memory: new MemoryBudget(0),
			spoolFile: () => join(folder.path, "no", "such", "folder"),
			append: () => Promise.reject(new Error("not here")),
		});
		await expect(writer.write(Buffer.alloc(10))).rejects.toThrow(StoreFailed);
		await expect(writer.commit()).rejects.toThrow(StoreFailed);
	});
});

describe("a fault below", () => {
	it("is StoreFull when there is no room, StoreFailed else", () => {
		const full = [
			Object.assign(new Error("write"), { code: "ENOSPC" }),
			new Error("IO error: No space left on device: While appending to file"),
			Object.assign(new Error("write"), { code: "EDQUOT" }),
		];
		for (const error of full)
			expect(storeFault(error, "/d")).toBeInstanceOf(StoreFull);
		const other = storeFault(new Error("EIO"), "/d");
		expect(other).toBeInstanceOf(StoreFailed);
		expect(other.message).toContain("/d");
		expect(storeFault(other, "/e")).toBe(other);
	});
});

function databaseBytes(node: TestNode): number {
	let bytes = 0;
	for (const name of readdirSync(database(node)))
		bytes += statSync(join(database(node), name)).size;
	return bytes;
}

function overwrite(path: string, position: number, text: string): void {
	chmodSync(path, 0o600);
	const file = openSync(path, "r+");
	writeSync(file, text, position);
	closeSync(file);
}
