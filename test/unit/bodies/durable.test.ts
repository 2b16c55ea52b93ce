/** That "durable" means synced: nobody is told of a body, and no member sees it, before the log that holds it is on disk. */
import {
	appendFileSync,
	copyFileSync,
	cpSync,
	fstatSync,
	mkdirSync,
	readdirSync,
	readlinkSync,
	rmSync,
	statSync,
	truncateSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, join } from "node:path";
import { duplexPair } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type DriveBodies, openBodies } from "../../../sync/bodies/bodies.ts";
import {
	GroupSync,
	type SyncToDisk,
	WriteAheadLogs,
} from "../../../sync/bodies/durable.ts";
import { nodeId } from "../../../sync/ids.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { StoreFailed } from "../../../sync/ports/store.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { turn } from "../../../sync/sim/clock.ts";
import {
	connectStreams,
	TestStreams,
	temporaryFolder,
	testLog,
} from "./pair.ts";

let folder: ReturnType<typeof temporaryFolder>;
const opened: DriveBodies[] = [];
/** Syncs that a failed test may have left waiting. */
const held: (() => void)[] = [];
beforeEach(() => {
	folder = temporaryFolder();
});
afterEach(async () => {
	for (const letGo of held.splice(0)) letGo();
	for (const bodies of opened.splice(0)) await bodies.close();
	vi.restoreAllMocks();
	folder.remove();
});

async function store(
	options: {
		directory?: string;
		lengthBlocksAtLeast?: number;
		streams?: TestStreams;
		wrapSync?: (sync: SyncToDisk) => SyncToDisk;
	} = {},
): Promise<DriveBodies> {
	const bodies = await openBodies({
		directory: options.directory ?? join(folder.path, "store"),
		drive: {
			name: "a",
			lengthBlocksAtLeast: options.lengthBlocksAtLeast ?? 0,
		},
		streams: options.streams ?? new TestStreams(),
		clock: realClock,
		log: testLog(),
		...(options.wrapSync && { wrapSync: options.wrapSync }),
	});
	opened.push(bodies);
	return bodies;
}

const commit = (bodies: DriveBodies, bytes: Uint8Array): Promise<BodyRef> => {
	const writer = bodies.create();
	void writer.write(bytes);
	return writer.commit();
};

/** A sync that waits until it is let go. */
function heldSync() {
	const waiting: (() => void)[] = [];
	const state = { calls: 0, held: false };
	const letGo = () => {
		state.held = false;
		for (const go of waiting.splice(0)) go();
	};
	held.push(letGo);
	return {
		state,
		wrap:
			(sync: SyncToDisk): SyncToDisk =>
			async () => {
				state.calls++;
				if (state.held) await new Promise<void>((go) => waiting.push(go));
				await sync();
			},
		async called(times: number): Promise<void> {
			while (state.calls < times) await turn();
		},
		letGo,
	};
}

describe("commit", () => {
	it("resolves only after a sync that began when the body was in the log", async () => {
		const sync = heldSync();
		const bodies = await store({ wrapSync: sync.wrap });
		sync.state.held = true;
		let committed = false;
		const first = commit(bodies, Buffer.from("first")).then((reference) => {
			committed = true;
			return reference;
		});
		await sync.called(1);
		// It comes while the sync runs, so that one does not cover it.
		const second = commit(bodies, Buffer.from("second"));
		for (let i = 0; i < 20; i++) await turn();
		expect(committed).toBe(false);
		expect(bodies.lengthBlocks()).toBe(0);
		sync.letGo();
		expect((await first).blob).toEqual([0, 0, 1, 5]);
		await second;
		expect(sync.state.calls).toBe(2);
		expect(bodies.lengthBlocks()).toBe(2);
	});

	it("shares a sync among all that come together", async () => {
		const sync = heldSync();
		const bodies = await store({ wrapSync: sync.wrap });
		const all = Array.from({ length: 64 }, (_, i) =>
			commit(bodies, Buffer.alloc(4_000, i)),
		);
		await Promise.all(all);
		expect(sync.state.calls).toBeLessThanOrEqual(2);
	});

	it("tells members nothing between append and sync", async () => {
		const sync = heldSync();
		const streams = new TestStreams();
		const other = new TestStreams();
		const bodies = await store({ streams, wrapSync: sync.wrap });
		const reader = await store({
			directory: join(folder.path, "other"),
			streams: other,
		});
		const peer = nodeId("12D3Koobbbbbbbbbbbbbbbb");
		reader.setDrives([{ node: peer, drive: bodies.drive }]);
		const [near, far] = duplexPair();
		let sentBytes = 0;
		const write = near._write.bind(near);
		near._write = (chunk: Buffer, encoding, done) => {
			sentBytes += chunk.length;
			write(chunk, encoding, done);
		};
		streams.give(peer, near, true);
		other.give(peer, far, false);
		// Once a body has come over, the stream is up and quiet.
		await reader.fetch(await commit(bodies, Buffer.from("before")));
		let seenBytes = sentBytes;
		for (let quiet = 0; quiet < 500; quiet++) {
			await turn();
			if (sentBytes !== seenBytes) quiet = 0;
			seenBytes = sentBytes;
		}
		sync.state.held = true;
		const calls = sync.state.calls;
		const before = sentBytes;
		const committing = commit(bodies, Buffer.from("after"));
		await sync.called(calls + 1);
		for (let i = 0; i < 20; i++) await turn();
		expect(sentBytes).toBe(before);
		sync.letGo();
		await reader.fetch(await committing);
		expect(sentBytes).toBeGreaterThan(before);
	});

	it("fails for good when a sync fails, and sends nothing any more", async () => {
		let fail = false;
		const bodies = await store({
			wrapSync: (sync) => async () => {
				if (fail) throw new Error("EIO: i/o error, fdatasync");
				await sync();
			},
		});
		const good = await commit(bodies, Buffer.from("good"));
		fail = true;
		const lost = commit(bodies, Buffer.from("lost"));
		await expect(lost).rejects.toThrow(StoreFailed);
		await expect(lost).rejects.toThrow(join(folder.path, "store"));
		fail = false;
		await expect(commit(bodies, Buffer.from("more"))).rejects.toThrow(
			StoreFailed,
		);
		expect(bodies.lengthBlocks()).toBe(1);
		expect(Buffer.from(await bodies.read(good)).toString()).toBe("good");
	});
});

/** How much of each log, by path, was on the disk after the syncs that really happened. */
async function watchSyncs(): Promise<Map<string, number>> {
	const synced = new Map<string, number>();
	const some = await open(folder.path, "r");
	const prototype = Object.getPrototypeOf(some) as FileHandle;
	await some.close();
	const real = prototype.datasync;
	vi.spyOn(prototype, "datasync").mockImplementation(async function (
		this: FileHandle,
	) {
		const path = readlinkSync(`/proc/self/fd/${this.fd}`);
		const { size } = fstatSync(this.fd);
		await real.call(this);
		synced.set(path, size);
	});
	return synced;
}

describe("a power cut", () => {
	/** The folder as it would be found: logs without what was not synced. */
	function cut(from: string, to: string, synced: Map<string, number>): void {
		cpSync(from, to, { recursive: true });
		const database = join(to, "drives", "db");
		for (const name of readdirSync(database)) {
			if (!name.endsWith(".log")) continue;
			const size = synced.get(join(from, "drives", "db", name));
			if (size === undefined) unlinkSync(join(database, name));
			else truncateSync(join(database, name), size);
		}
	}

	it("takes nothing that was committed", async () => {
		const synced = await watchSyncs();
		const bodies = await store();
		const references: BodyRef[] = [];
		for (let i = 0; i < 10; i++)
			references.push(await commit(bodies, Buffer.alloc(5_000, i)));
		const mark = bodies.lengthBlocks();
		const torn = join(folder.path, "torn");
		cut(join(folder.path, "store"), torn, synced);
		const again = await store({ directory: torn, lengthBlocksAtLeast: mark });
		for (const reference of references)
			expect(await again.has(reference)).toBe(true);
	});

	it("takes nothing that was fetched", async () => {
		const synced = await watchSyncs();
		const from = {
			node: nodeId(`12D3Koo${"a".repeat(20)}`),
			streams: new TestStreams(),
		};
		const to = {
			node: nodeId(`12D3Koo${"b".repeat(20)}`),
			streams: new TestStreams(),
		};
		const giver = await store({ streams: from.streams });
		const directory = join(folder.path, "other");
		const taker = await store({ directory, streams: to.streams });
		await connectStreams(from, to);
		const references: BodyRef[] = [];
		for (let i = 0; i < 10; i++)
			references.push(await commit(giver, Buffer.alloc(70_000, i)));
		await Promise.all(references.map((reference) => taker.fetch(reference)));
		const torn = join(folder.path, "torn");
		cut(directory, torn, synced);
		const again = await store({ directory: torn });
		for (const reference of references)
			expect(await again.has(reference)).toBe(true);
	});
});

describe("opening", () => {
	it("makes durable what a killed process wrote, before members see it", async () => {
		const bodies = await store();
		await commit(bodies, Buffer.from("body"));
		// As a killed process leaves it: no clean end.
		const left = join(folder.path, "left");
		cpSync(join(folder.path, "store"), left, { recursive: true });
		const synced = await watchSyncs();
		await store({ directory: left, lengthBlocksAtLeast: 1 });
		const database = join(left, "drives", "db");
		const logs = readdirSync(database).filter((name) => name.endsWith(".log"));
		expect(logs.length).toBeGreaterThan(0);
		for (const name of logs)
			expect(synced.get(join(database, name))).toBe(
				statSync(join(database, name)).size,
			);
	});
});

describe("the logs", () => {
	const names: string[] = [];
	async function logs() {
		names.splice(0);
		const database = join(folder.path, "store", "db");
		mkdirSync(database, { recursive: true });
		const some = await open(folder.path, "r");
		const prototype = Object.getPrototypeOf(some) as FileHandle;
		await some.close();
		for (const method of ["datasync", "sync"] as const) {
			const real = prototype[method];
			vi.spyOn(prototype, method).mockImplementation(async function (
				this: FileHandle,
			) {
				names.push(basename(readlinkSync(`/proc/self/fd/${this.fd}`)));
				await real.call(this);
			});
		}
		return { database, logs: new WriteAheadLogs(database) };
	}
	const taken = () => names.splice(0).sort();

	it("are each synced when they have grown, also the older one after a rotation", async () => {
		const { database, logs: wal } = await logs();
		writeFileSync(join(database, "1.log"), "a");
		writeFileSync(join(database, "LOG"), "not a write-ahead log");
		await wal.sync();
		expect(taken()).toEqual(["1.log", "db"]);
		await wal.sync();
		expect(taken()).toEqual([]);
		appendFileSync(join(database, "1.log"), "b");
		writeFileSync(join(database, "2.log"), "c");
		await wal.sync();
		expect(taken()).toEqual(["1.log", "2.log", "db"]);
		rmSync(join(database, "1.log"));
		appendFileSync(join(database, "2.log"), "d");
		await wal.sync();
		expect(taken()).toEqual(["2.log"]);
		// The same name again is another file.
		rmSync(join(database, "2.log"));
		await wal.sync();
		copyFileSync(join(database, "LOG"), join(database, "2.log"));
		await wal.sync();
		expect(taken()).toEqual(["2.log", "db"]);
		await wal.close();
	});

	it("are found again after a power cut: the folders above are synced too", async () => {
		const { logs: wal } = await logs();
		await wal.syncAll();
		expect(taken()).toEqual(["db", "store", basename(folder.path)].sort());
		await wal.close();
	});
});

describe("group sync", () => {
	it("never lets anyone share a sync that began before them", async () => {
		const ends: (() => void)[] = [];
		let started = 0;
		const group = new GroupSync(() => {
			started++;
			return new Promise<void>((end) => ends.push(end));
		});
		const order: string[] = [];
		const first = group.durable().then(() => order.push("first"));
		const later = [group.durable(), group.durable()].map((waiting) =>
			waiting.then(() => order.push("later")),
		);
		await turn();
		expect(started).toBe(1);
		ends[0]?.();
		await first;
		await turn();
		expect(order).toEqual(["first"]);
		expect(started).toBe(2);
		ends[1]?.();
		await Promise.all(later);
		expect(order).toEqual(["first", "later", "later"]);
	});
});
