/**
 * A small mailbox on a real store and real bodies, whose messages are replaced again and again: what lies on the disk in
 * the end is bounded by what lives, not by what was. Time is simulated, so that nobody waits for it.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { openBodies } from "../../sync/bodies/bodies.ts";
import { type Address, nodeId } from "../../sync/ids.ts";
import { TOMBSTONE_MILLISECONDS } from "../../sync/limits.ts";
import {
	driveName,
	foundingIdentity,
	saveIdentity,
} from "../../sync/membership/identity.ts";
import type { Network } from "../../sync/ports/network.ts";
import { openStore } from "../../sync/real/store.ts";
import { type ClusterReplica, openReplica } from "../../sync/replica.ts";
import { SimClock } from "../../sync/sim/clock.ts";
import { until } from "../harness/until.ts";
import { TestStreams, temporaryFolder, testLog } from "../unit/bodies/pair.ts";

const MESSAGES = 60;
const MESSAGE_BYTES = 16_000;
const TURNS = 100;
const self = nodeId("a".repeat(44));

/** A network on which nobody else is. */
const nobody: Network = {
	self,
	addresses: () => [],
	setPeers: () => {},
	setRemoved: () => {},
	onRemoved: () => () => {},
	peers: () => [],
	onPeers: () => () => {},
	onLink: () => () => {},
	publish: () => {},
	onPublished: () => () => {},
	request: () => Promise.reject(new Error("nobody is there")),
	handle: () => {},
	admitStrangers: () => {},
	stop: async () => {},
};

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
	for (const end of ends.splice(0).reverse()) await end();
});

async function world() {
	const folder = temporaryFolder();
	ends.push(folder.remove);
	const clock = new SimClock();
	const log = testLog();
	const random = { bytes: (length: number) => randomBytes(length) };
	const store = openStore(join(folder.path, "state.db"));
	const identity = saveIdentity(store, foundingIdentity(random));
	const bodies = await openBodies({
		directory: join(folder.path, "bodies"),
		drive: { name: driveName(identity), lengthBlocksAtLeast: 0 },
		streams: new TestStreams(),
		clock,
		log,
	});
	const replica: ClusterReplica = openReplica({
		identity,
		self: {
			name: "a",
			hostname: "a.example.org",
			site: "one",
			publicIps: [],
			multiaddrs: [],
		},
		copies: 1,
		whenAlone: "accept",
		store,
		network: nobody,
		bodies,
		clock,
		random,
		diary: log,
	});
	/** Lets simulated time pass, and the real disk do its work, until the promise settles. */
	const run = async <T>(promise: Promise<T>): Promise<T> => {
		let settled = false;
		const done = () => {
			settled = true;
		};
		promise.then(done, done);
		while (!settled) await clock.advance(1);
		return promise;
	};
	const pass = async (seconds: number) => {
		for (let i = 0; i < seconds; i++) {
			await clock.advance(1_000);
			// The disk keeps up: what is being cleared is cleared.
			await bodies.clear(bodies.drive, []);
		}
	};
	ends.push(() => run(replica.stop()));
	await run(replica.joined());
	const account = await run(
		replica.directory.addUser("anna@example.org" as Address, "none", {
			createDomain: true,
		}),
	);
	const anna = replica.account(account);
	if (anna === undefined) throw new Error("no account");
	const add = async () => {
		const body = bodies.create();
		await body.write(randomBytes(MESSAGE_BYTES));
		const reference = await body.commit();
		return anna.append("INBOX", [{ body: reference, flags: ["\\Seen"] }]);
	};
	const fill = () => run(Promise.all(Array.from({ length: MESSAGES }, add)));
	const turnOver = async () => {
		const selected = await run(anna.select("INBOX"));
		const old = selected.uids();
		await fill();
		await run(selected.expunge(old));
		selected.release();
		// Space comes back in the background, and after its time.
		await pass(66);
	};
	const kinds = () => {
		const bytes: Record<string, number> = {};
		for (const [key, value] of store.range("", "\u{7f}")) {
			const kind = key.slice(0, key.indexOf("/"));
			bytes[kind] = (bytes[kind] ?? 0) + key.length + value.length;
		}
		return bytes;
	};
	return { folder, anna, replica, bodies, run, pass, fill, turnOver, kinds };
}

/** Bytes of all files in a folder. */
function diskBytes(folder: string): number {
	let bytes = 0;
	for (const entry of readdirSync(folder, { withFileTypes: true })) {
		const path = join(folder, entry.name);
		bytes += entry.isDirectory() ? diskBytes(path) : statSync(path).size;
	}
	return bytes;
}

const sum = (bytes: Record<string, number>): number =>
	Object.values(bytes).reduce((all, one) => all + one, 0);

it(`a mailbox that turned over ${TURNS} times keeps within 3 times what lives`, async () => {
	const once = await world();
	await once.fill();
	await once.pass(70);
	const fresh = { rows: sum(once.kinds()), files: diskBytes(once.folder.path) };
	const many = await world();
	await many.fill();
	for (let i = 0; i < TURNS; i++) await many.turnOver();
	const liveBytes = MESSAGES * MESSAGE_BYTES;
	// What RocksDB wrote last lies in its log until it is flushed, the same for any store.
	const logBytes = 4 * 2 ** 20;
	for (let i = 0; i < 10; i++) await many.pass(15);
	const boundBytes = 3 * (liveBytes + fresh.rows) + logBytes;
	// It rests for a multiple of the time that giving back took, and that is as long as the real disk takes; a compaction
	// that runs holds what it read and what it wrote.
	let held = Number.POSITIVE_INFINITY;
	let rows: Record<string, number> = {};
	await until(
		"the room to come back",
		async () => {
			await many.pass(20);
			held = await many.bodies.diskBytes();
			rows = many.kinds();
			return held + sum(rows) < boundBytes;
		},
		{
			timeoutMilliseconds: 120_000,
			seen: () => `${held} of ${boundBytes}, ${JSON.stringify(rows)}`,
		},
	);
	const files = diskBytes(many.folder.path);
	const selected = await many.run(many.anna.select("INBOX"));
	expect(selected.uids()).toHaveLength(MESSAGES);
	for (const uid of selected.uids()) {
		const message = selected.get(uid);
		if (message === undefined) throw new Error("a message is gone");
		const bytes = await many.run(many.bodies.read(message.body));
		expect(createHash("sha256").update(bytes).digest("hex")).toBe(
			message.body.hash,
		);
	}
	selected.release();
	// What journals and write-ahead logs take at most is the same for any store.
	expect(files).toBeLessThan(3 * (liveBytes + fresh.rows) + 48 * 2 ** 20);
});

it("of a mailbox of which one message in twenty is kept, evenly spread, hardly more than that stays on the disk", async () => {
	const KEPT = 60;
	const once = await world();
	await once.fill();
	await once.pass(70);
	const fresh = sum(once.kinds());
	const thinned = await world();
	for (let i = 0; i < 20; i++) await thinned.fill();
	await thinned.pass(5);
	const fullBytes = await thinned.bodies.diskBytes();
	expect(fullBytes).toBeGreaterThan(10 * KEPT * MESSAGE_BYTES);
	const selected = await thinned.run(thinned.anna.select("INBOX"));
	const kept = new Map(
		selected
			.uids()
			.filter((_, index) => index % 20 === 7)
			.map((uid) => [uid, selected.get(uid)?.body]),
	);
	expect(kept.size).toBe(KEPT);
	await thinned.run(
		selected.expunge(selected.uids().filter((uid) => !kept.has(uid))),
	);
	selected.release();
	const liveBytes = KEPT * MESSAGE_BYTES;
	// What RocksDB wrote last lies in its log until it is flushed, the same for any store.
	const logBytes = 4 * 2 ** 20;
	await until(
		"the bodies' room to come back",
		async () => {
			await thinned.pass(20);
			return (await thinned.bodies.diskBytes()) < 3 * liveBytes + logBytes;
		},
		{ timeoutMilliseconds: 60_000 },
	);
	await thinned.pass(TOMBSTONE_MILLISECONDS / 1_000 + 120);
	const rows = thinned.kinds();
	expect(sum(rows), JSON.stringify(rows)).toBeLessThan(3 * fresh);
	for (const body of kept.values()) {
		if (body === undefined) throw new Error("a message is gone");
		expect(await thinned.run(thinned.bodies.verify(body))).toBe("whole");
	}
});

it("a removed user leaves next to nothing on the disk", async () => {
	const { replica, run, pass, fill, kinds, folder } = await world();
	const empty = sum(kinds());
	// More than RocksDB keeps in its log before it makes tables of it.
	for (let i = 0; i < 30; i++) await fill();
	await pass(5);
	const mailBytes = 30 * MESSAGES * MESSAGE_BYTES;
	const lie = join(folder.path, "bodies");
	expect(diskBytes(lie)).toBeGreaterThan(mailBytes);
	const [user] = replica.directory.users();
	if (user === undefined) throw new Error("no user");
	const rows = sum(kinds());
	await run(replica.directory.removeUser(user.address));
	// Bodies at once, when sessions were told; what is remembered of the dead an hour later.
	// Simulated time is faster than the disk that rewrites its tables.
	await until(
		"the bodies' room to come back",
		async () => {
			await pass(20);
			return diskBytes(lie) < mailBytes / 4;
		},
		{ timeoutMilliseconds: 60_000 },
	);
	const held = diskBytes(lie);
	await pass(TOMBSTONE_MILLISECONDS / 1_000 + 120);
	const { ent = 0, snap = 0, use = 0 } = kinds();
	expect({ ent, use }).toEqual({ ent: 0, use: 0 });
	// The documents of the cluster and of the account stay, so that who comes next gets another one.
	expect(snap).toBeLessThan(empty + 10_000);
	console.log(
		`${mailBytes} bytes of mail: ${held} of bodies are left, ${sum(kinds())} of ${rows} bytes of rows; ${diskBytes(folder.path)} in all files`,
	);
});
