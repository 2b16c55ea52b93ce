/**
 * What size costs: one replica on a real store, without network and bodies. Prints the CPU time of adding a message and
 * of setting a flag in a mailbox that a session looks at, at growing sizes, and what opening it cold takes.
 * `node --expose-gc test/bench/mailbox-size.ts [messages…]`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	type AccountId,
	address,
	bodyHash,
	nodeId,
	type Uid,
} from "../../sync/ids.ts";
import { SEGMENT_ENTRIES_MAX } from "../../sync/limits.ts";
import { foundingIdentity } from "../../sync/membership/identity.ts";
import type { BodyRef, ReclaimableBodies } from "../../sync/ports/bodies.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Network } from "../../sync/ports/network.ts";
import { realClock } from "../../sync/real/clock.ts";
import { realRandom } from "../../sync/real/random.ts";
import { openStore } from "../../sync/real/store.ts";
import { openReplica } from "../../sync/replica.ts";

const SAMPLE = 300;
const FILL_BATCH = 2_000;

const quiet = (): void => {};
const diary: Log = {
	debug: quiet,
	info: quiet,
	warn: (message, fields) => console.error(message, fields),
	error: (message, fields) => console.error(message, fields),
	child: () => diary,
};

/** Nobody else is there. */
const lone: Network = {
	self: nodeId(`12D3KooW${"a".repeat(44)}`),
	addresses: () => [],
	setPeers: quiet,
	setRemoved: () => {},
	onRemoved: () => () => {},
	peers: () => [],
	onPeers: () => quiet,
	onLink: () => quiet,
	publish: quiet,
	onPublished: () => quiet,
	request: () => Promise.reject(new Error("nobody is there")),
	handle: quiet,
	admitStrangers: quiet,
	stop: () => Promise.resolve(),
};

const drive = "d".repeat(64);
const noBodies = {
	drive,
	lengthBlocks: () => 0,
	setDrives: quiet,
	setPacking: quiet,
	close: () => Promise.resolve(),
	has: () => Promise.resolve(true),
	verify: () => Promise.resolve("whole"),
	held: () => Promise.resolve([]),
	diskBytes: () => Promise.resolve(0),
} as unknown as ReclaimableBodies;

let bodies = 0;
const body = (): BodyRef => ({
	hash: bodyHash((++bodies).toString(16).padStart(64, "0")),
	sizeBytes: 20_000,
	drive,
	blob: [bodies, 1, 0, 20_000],
});

const identity = foundingIdentity(realRandom);

function open(folder: string) {
	const store = openStore(join(folder, "state.db"));
	const replica = openReplica({
		identity,
		self: {
			name: "a",
			hostname: "a.example.org",
			site: "default",
			multiaddrs: [],
			publicIps: [],
		},
		copies: 1,
		whenAlone: "accept",
		store,
		network: lone,
		bodies: noBodies,
		clock: realClock,
		random: realRandom,
		diary,
	});
	return { replica, store };
}

const cpuMilliseconds = (): number => {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1_000;
};

async function main(): Promise<void> {
	const asked = process.argv.slice(2).map(Number);
	const sizes = asked.length > 0 ? asked : [1_000, 10_000, 100_000];
	const folder = mkdtempSync(join(tmpdir(), "pmnode-size-"));
	try {
		let { replica, store } = open(folder);
		await replica.joined();
		const id: AccountId = await replica.directory.addUser(
			address("anna@example.org"),
			"hash",
			{ createDomain: true },
		);
		const accountOf = () => {
			const found = replica.account(id);
			if (found === undefined) throw new Error("no account");
			return found;
		};
		let account = accountOf();
		const add = (count: number) =>
			account.append(
				"INBOX",
				Array.from({ length: count }, () => ({ body: body(), flags: [] })),
			);
		let filled = 0;
		for (const size of sizes) {
			for (; filled < size; filled += Math.min(FILL_BATCH, size - filled))
				await add(Math.min(FILL_BATCH, size - filled));
			// Cold: nothing of the mailbox is in memory.
			await replica.stop();
			store.close();
			({ replica, store } = open(folder));
			account = accountOf();
			globalThis.gc?.();
			const before = process.memoryUsage();
			const start = performance.now();
			const cpu = cpuMilliseconds();
			const selected = await account.select("INBOX");
			const openMilliseconds = performance.now() - start;
			const openCpu = cpuMilliseconds() - cpu;
			const peak = process.memoryUsage();
			globalThis.gc?.();
			const after = process.memoryUsage();
			const timed = async (run: (i: number) => Promise<unknown>) => {
				const from = cpuMilliseconds();
				for (let i = 0; i < SAMPLE; i++) {
					await run(i);
					selected.uids();
				}
				return ((cpuMilliseconds() - from) / SAMPLE) * 1_000;
			};
			const adding = await timed(() => add(1));
			filled += SAMPLE;
			const uids = selected.uids();
			const flag = (at: number, name: string) =>
				selected.store([uids[at] as Uid], { mode: "add", flags: [name] });
			// Whoever is the first to change something in a segment waits until its document is open; that is counted apart.
			const cold = cpuMilliseconds();
			for (let at = 0; at < uids.length; at += SEGMENT_ENTRIES_MAX / 4)
				await flag(at, "\\Flagged");
			const opening = cpuMilliseconds() - cold;
			const flagging = await timed((i) =>
				flag((i * 331) % uids.length, "\\Seen"),
			);
			const token = selected.highestModSeq - 1024 * 10;
			const asking = performance.now();
			selected.changedSince(token);
			const changed = performance.now() - asking;
			selected.vanished();
			const vanished = performance.now() - asking - changed;
			const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
			console.log(
				`${String(size).padStart(7)} messages: add ${adding.toFixed(0)} µs, flag ${flagging.toFixed(0)} µs CPU (${opening.toFixed(0)} ms until all documents are open); open ${openMilliseconds.toFixed(0)} ms (${openCpu.toFixed(0)} ms CPU), heap +${megabytes(after.heapUsed - before.heapUsed)} MB kept, +${megabytes(peak.heapUsed - before.heapUsed)} MB at once, RSS ${megabytes(after.rss)} MB; changedSince ${changed.toFixed(2)} ms, vanished ${vanished.toFixed(2)} ms`,
			);
			selected.release();
		}
		await replica.stop();
		store.close();
	} finally {
		rmSync(folder, { recursive: true });
	}
}

await main();
