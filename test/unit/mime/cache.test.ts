/** The structure cache on real SQLite files and bodies in memory. */
import { createHash } from "node:crypto";
import {
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
	createStructureCache,
	type StructureCache,
} from "../../../node/mime/cache.ts";
import { CacheFile } from "../../../node/mime/cache-file.ts";
import { type CacheRow, cacheRow } from "../../../node/mime/cache-row.ts";
import {
	bodyStructureImap,
	envelopeImap,
	orderingOf,
	parseMessage,
} from "../../../node/mime/index.ts";
import { ByteLru } from "../../../node/mime/lru.ts";
import { type BodyHash, bodyHash } from "../../../sync/ids.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	PRIMED_MEMORY_BYTES_MAX,
	STRUCTURES_PENDING_MILLISECONDS,
} from "../../../sync/limits.ts";
import {
	type Bodies,
	type BodyRef,
	BodyUnavailable,
} from "../../../sync/ports/bodies.ts";
import type { Log } from "../../../sync/ports/log.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { ErrorLog } from "../../transcripts/world.ts";
import { corpus, corpusNames, message } from "./corpus.ts";

/** Bodies in memory that count how they are asked. */
class FakeBodies {
	readonly held = new Map<string, Buffer>();
	reads: string[] = [];
	active = 0;
	activeMost = 0;

	add(bytes: Buffer): { body: BodyRef } {
		const hash = bodyHash(createHash("sha256").update(bytes).digest("hex"));
		this.held.set(hash, bytes);
		return {
			body: { hash, sizeBytes: bytes.length, drive: "", blob: [0, 0, 0, 0] },
		};
	}

	async read(ref: BodyRef, start = 0, end?: number): Promise<Uint8Array> {
		this.reads.push(end === undefined ? "whole" : `${start}-${end}`);
		this.activeMost = Math.max(this.activeMost, ++this.active);
		await new Promise((resolve) => setImmediate(resolve));
		this.active--;
		const bytes = this.held.get(ref.hash);
		if (bytes === undefined) throw new BodyUnavailable("gone");
		return bytes.subarray(start, end);
	}

	async *stream(ref: BodyRef): AsyncIterable<Uint8Array> {
		this.reads.push("stream");
		const bytes = this.held.get(ref.hash) ?? Buffer.alloc(0);
		for (let at = 0; at < bytes.length; at += 1000)
			yield bytes.subarray(at, at + 1000);
	}
}

let folder: string;
let bodies: FakeBodies;
let warnings: string[];
let notices: string[];
let clock: SimClock;
const open: StructureCache[] = [];

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "pmnode-cache-"));
	bodies = new FakeBodies();
	warnings = [];
	notices = [];
	clock = new SimClock();
});
afterEach(() => {
	for (const cache of open.splice(0)) cache.close();
	rmSync(folder, { recursive: true, force: true });
});

/** Of each message that can be had. */
async function ofAll<T>(
	messages: readonly { body: BodyRef }[],
	ask: (message: { body: BodyRef }) => Promise<T>,
): Promise<Map<BodyHash, T>> {
	const found = new Map<BodyHash, T>();
	for (const message of messages)
		found.set(message.body.hash, await ask(message));
	return found;
}

const kept = (): string => join(folder, "cache");
const former = (): string => join(folder, "cache.db");
const heads = (): string => join(kept(), "00000001.heads");
const rows = (): string => join(kept(), "00000001.1.rows");
function cache(): StructureCache {
	const log: Log = {
		debug() {},
		info: (text) => notices.push(text),
		warn: (text) => warnings.push(text),
		error() {},
		child: () => log,
	};
	const made = createStructureCache({
		folder: kept(),
		formerFile: former(),
		bodies: bodies as unknown as Bodies,
		log,
		clock,
	});
	open.push(made);
	return made;
}
/** As after a restart. */
function reopened(): StructureCache {
	open.pop()?.close();
	bodies.reads = [];
	return cache();
}

test("what is kept is what parsing gives, over a restart, without reading bodies", async () => {
	const messages = corpusNames.map((name) => bodies.add(corpus(name)));
	const first = cache();
	await ofAll(messages, (one) => first.entry(one));
	const second = reopened();
	const entries = second.cached(messages);
	const orderings = await second.orderings(messages);
	expect(bodies.reads).toEqual([]);
	expect(entries.length).toBe(messages.length);
	for (const [index, { body }] of messages.entries()) {
		const bytes = bodies.held.get(body.hash) as Buffer;
		const parsed = parseMessage(bytes);
		const entry = entries[index];
		expect(await second.parsed({ body })).toEqual(parsed);
		expect(orderings[index]).toEqual(
			orderingOf(
				parsed.envelope,
				bytes.subarray(0, parsed.structure.bodyStart),
			),
		);
		expect(entry?.envelopeImap).toBe(envelopeImap(parsed));
		expect(entry?.bodyStructureImap).toBe(bodyStructureImap(parsed, true));
		expect(entry?.headerBytes).toBe(parsed.structure.bodyStart);
	}
	expect(bodies.reads).toEqual([]);
});

test("what is primed is never read, headers included", async () => {
	const one = bodies.add(corpus("nested-forward"));
	const first = cache();
	first.prime(one.body.hash, corpus("nested-forward"));
	const header = corpus("nested-forward").subarray(
		0,
		(await first.entry(one)).headerBytes,
	);
	expect(Buffer.from(await first.header(one))).toEqual(header);
	const second = reopened();
	expect(Buffer.from(await second.header(one))).toEqual(header);
	expect((await second.parsed(one)).structure.children?.length).toBe(3);
	expect(bodies.reads).toEqual([]);
});

test("what is primed is answered at once, and waits for the index in bounded memory", async () => {
	const made = cache();
	const bytes = corpus("alternative");
	const one = bodies.add(bytes);
	made.prime(one.body.hash, bytes);
	expect(made.cached([one])[0]).toBeDefined();
	expect((await made.parsed(one)).structure.children?.length).toBe(2);
	expect(made.cachedOrderings([one])[0]).toBeDefined();
	expect(bodies.reads).toEqual([]);
	expect(made.atHand(one.body.hash)).toBe(bytes);
	expect(made.isKept(one.body.hash)).toBe(true);
	made.release(one.body.hash);
	expect(made.atHand(one.body.hash)).toBeUndefined();
	const size = 100_000;
	const many = Math.ceil(PRIMED_MEMORY_BYTES_MAX / size) + 5;
	const hashOf = (index: number) => bodyHash(`${index}`.padStart(64, "0"));
	for (let index = 0; index < many; index++)
		made.prime(hashOf(index), Buffer.alloc(size));
	expect(made.atHand(hashOf(0))).toBeUndefined();
	expect(made.atHand(hashOf(many - 1))).toBeDefined();
});

test("a row that was made elsewhere is as good as one made here", async () => {
	const made = cache();
	const bytes = corpus("alternative");
	const one = bodies.add(bytes);
	made.prime(one.body.hash, bytes);
	expect(made.isKept(one.body.hash)).toBe(false);
	made.keep(cacheRow(one.body.hash, parseMessage(bytes), bytes));
	expect(made.atHand(one.body.hash)).toBeUndefined();
	expect(made.isKept(one.body.hash)).toBe(true);
	const before = await made.entry(one);
	expect(await reopened().entry(one)).toEqual(before);
	expect(bodies.reads).toEqual([]);
});

test("writes wait for one another, and are made after a bounded time", async () => {
	const first = cache();
	await first.entry(bodies.add(corpus("plain")));
	const before = statSync(rows()).size;
	await clock.advance(STRUCTURES_PENDING_MILLISECONDS);
	expect(statSync(rows()).size).toBeGreaterThan(before);
});

test("a large body is streamed; a large header is read from the body", async () => {
	const long = message(
		`${`X-Fill: ${"x".repeat(500)}\n`.repeat(100)}Subject: long\n\n${"line\n".repeat(50_000)}`,
	);
	expect(long.length).toBeGreaterThan(BODY_MEMORY_BYTES_MAX);
	const one = bodies.add(long);
	const first = cache();
	const entry = await first.entry(one);
	expect(await first.parsed(one)).toEqual(parseMessage(long));
	expect(bodies.reads).toEqual(["stream"]);
	const second = reopened();
	const header = await second.header(one);
	expect(Buffer.from(header)).toEqual(long.subarray(0, entry.headerBytes));
	expect(bodies.reads).toEqual([`0-${entry.headerBytes}`]);
});

test("a body is read once for all who ask, and few at a time", async () => {
	const one = bodies.add(corpus("plain"));
	const made = cache();
	await Promise.all([made.entry(one), made.entry(one), made.header(one)]);
	expect(bodies.reads).toEqual(["whole"]);
	const many = Array.from({ length: 100 }, (_, i) =>
		bodies.add(message(`Subject: ${i}\n\n`)),
	);
	await Promise.all(many.map((each) => made.entry(each)));
	expect(bodies.activeMost).toBeLessThanOrEqual(8);
	expect(bodies.reads.length).toBe(101);
});

test("a body that cannot be had is not in the cache, and rejects", async () => {
	const one = bodies.add(corpus("plain"));
	const lost = bodies.add(corpus("empty"));
	bodies.held.delete(lost.body.hash);
	const made = cache();
	await made.entry(one);
	const entry = await made.entry(one);
	expect(made.cached([lost, one])).toEqual([undefined, entry]);
	const header = await made.header(one);
	expect(made.cachedHeaders([lost, one])).toEqual([undefined, header]);
	await expect(made.orderings([one, lost])).rejects.toBeInstanceOf(
		BodyUnavailable,
	);
	await expect(made.entry(lost)).rejects.toBeInstanceOf(BodyUnavailable);
	await expect(made.header(lost)).rejects.toBeInstanceOf(BodyUnavailable);
});

/** Fills the file with messages and closes it. */
async function filled(): Promise<{ body: BodyRef }[]> {
	const messages = Array.from({ length: 200 }, (_, i) =>
		bodies.add(
			message(`Subject: subject number ${i}\nFrom: a${i}@example.org\n\n`),
		),
	);
	const made = cache();
	await ofAll(messages, (one) => made.entry(one));
	open.pop()?.close();
	return messages;
}
async function expectAllRight(messages: { body: BodyRef }[]): Promise<void> {
	const made = cache();
	const entries = await ofAll(messages, (one) => made.entry(one));
	const headers = await ofAll(messages, (one) => made.header(one));
	for (const { body } of messages) {
		const bytes = bodies.held.get(body.hash) as Buffer;
		expect(entries.get(body.hash)?.envelopeImap).toBe(
			envelopeImap(parseMessage(bytes)),
		);
		expect(Buffer.from(headers.get(body.hash) as Uint8Array)).toEqual(bytes);
	}
}

test("a file that is none of ours is made anew, with a warning", async () => {
	mkdirSync(kept());
	writeFileSync(heads(), "this is none, but it is long enough".repeat(50));
	const one = bodies.add(corpus("plain"));
	await cache().entry(one);
	expect(warnings).toHaveLength(1);
	expect(warnings[0]).toMatch(/00000001 is damaged and is made anew/);
	await reopened().entry(one);
	expect(bodies.reads).toEqual([]);
});

test.each(["heads", "rows"])(
	"with zeroed pages in %s answers are right, and it is made anew",
	async (name) => {
		const messages = await filled();
		const path = name === "heads" ? heads() : rows();
		const bytes = readFileSync(path);
		bytes.fill(0, 4096, 12_288);
		writeFileSync(path, bytes);
		await expectAllRight(messages);
		expect(warnings).toHaveLength(1);
		expect(warnings[0]).toMatch(/is damaged in places/);
		reopened();
		await expectAllRight(messages);
		expect(bodies.reads).toEqual([]);
	},
);

test("changed bits in a row are noticed", async () => {
	const messages = await filled();
	const text = readFileSync(rows(), "latin1");
	const damaged = text.replaceAll("subject number 7", "subject numbar 7");
	expect(damaged).not.toBe(text);
	writeFileSync(rows(), damaged, "latin1");
	await expectAllRight(messages);
	expect(warnings).toHaveLength(1);
});

test("the file of a former version goes, with one line", async () => {
	for (const suffix of ["", "-wal"]) writeFileSync(former() + suffix, "SQLite");
	await cache().entry(bodies.add(corpus("plain")));
	reopened();
	expect(notices).toHaveLength(1);
	expect(notices[0]).toMatch(/cache\.db is of a former version/);
	expect(readdirSync(folder)).toEqual(["cache"]);
});

test("the oldest rows go when there are too many, and may come again", () => {
	const open = () =>
		new CacheFile({ folder: kept(), log: new ErrorLog(), segmentRowsMax: 10 });
	const row = (index: number): CacheRow => {
		const bytes = message(`Subject: ${index}\n\n`);
		const { hash } = bodies.add(bytes).body;
		return cacheRow(hash, parseMessage(bytes), bytes);
	};
	const made = Array.from({ length: 205 }, (_, index) => row(index));
	const first = open();
	for (let at = 0; at < made.length; at += 5) first.put(made.slice(at, at + 5));
	const hashes = made.map(({ hash }) => hash);
	const left = (file: CacheFile) =>
		new Set(file.structures(hashes).map(({ hash }) => hash));
	expect(left(first)).toEqual(new Set(hashes.slice(130)));
	first.close();
	const second = open();
	expect(left(second)).toEqual(new Set(hashes.slice(130)));
	second.put(made.slice(0, 1));
	expect(left(second).has(hashes[0] as string)).toBe(true);
	expect(second.texts("ordering", hashes)).toHaveLength(76);
	second.close();
});

test("a file that cannot be made costs nothing but speed", async () => {
	writeFileSync(kept(), "in the way");
	const one = bodies.add(corpus("plain"));
	const made = cache();
	expect((await made.entry(one)).headerBytes).toBeGreaterThan(0);
	expect((await made.header(one)).length).toBeGreaterThan(0);
	await clock.advance(STRUCTURES_PENDING_MILLISECONDS);
	expect(warnings).toHaveLength(1);
});

test("a full disk costs nothing but speed, and one line", async () => {
	mkdirSync(kept());
	symlinkSync("/dev/full", rows());
	const made = cache();
	for (const name of ["plain", "alternative"]) {
		const one = bodies.add(corpus(name));
		await made.entry(one);
		await clock.advance(STRUCTURES_PENDING_MILLISECONDS);
		expect(made.isKept(one.body.hash)).toBe(false);
		expect((await made.entry(one)).headerBytes).toBeGreaterThan(0);
	}
	expect(warnings).toHaveLength(1);
	expect(warnings[0]).toMatch(/cannot be used: ENOSPC/);
});

test("answers are in the order of the question, also where it names a message twice or one that is not kept", async () => {
	const one = bodies.add(corpus("plain"));
	const other = bodies.add(corpus("alternative"));
	const lost = bodies.add(corpus("empty"));
	const first = cache();
	const entryOne = await first.entry(one);
	const entryOther = await first.entry(other);
	const second = reopened();
	// From the file, and then from memory.
	for (let time = 0; time < 2; time++)
		expect(second.cached([other, lost, one, other, lost])).toEqual([
			entryOther,
			undefined,
			entryOne,
			entryOther,
			undefined,
		]);
	const [a, b, c, d] = await second.orderings([one, other, lost, one]);
	expect(d).toEqual(a);
	expect([a, b, c]).toEqual(
		[corpus("plain"), corpus("alternative"), corpus("empty")].map((bytes) => {
			const { envelope, structure } = parseMessage(bytes);
			return orderingOf(envelope, bytes.subarray(0, structure.bodyStart));
		}),
	);
});

test("previews are kept beside what else is known of a message", async () => {
	const one = bodies.add(corpus("plain"));
	const other = bodies.add(corpus("alternative"));
	const made = cache();
	await made.entry(one);
	made.keepPreview(one, "Grüße");
	made.keepPreview(other, "of a message that is not kept");
	expect(reopened().cachedPreviews([one, other])).toEqual(["Grüße", undefined]);
});

test("a cache that is closed still answers", async () => {
	const one = bodies.add(corpus("plain"));
	const made = cache();
	made.close();
	expect((await made.entry(one)).envelopeImap).toContain("Lunch");
	made.prime("0".repeat(64) as BodyHash, corpus("empty"));
});

test("memory is bounded in bytes; what was used last stays", () => {
	const lru = new ByteLru<number>(100);
	for (let i = 0; i < 10; i++) lru.set(`${i}`, i, 25);
	expect(lru.bytes).toBe(100);
	expect(lru.get("5")).toBeUndefined();
	expect(lru.get("6")).toBe(6);
	lru.set("10", 10, 25);
	expect(lru.get("6")).toBe(6);
	expect(lru.get("7")).toBeUndefined();
	lru.set("huge", 0, 101);
	expect(lru.get("huge")).toBeUndefined();
	lru.set("6", 60, 10);
	expect(lru.bytes).toBe(85);
});

test("what is used stays, whatever the order in which it came", () => {
	const lru = new ByteLru<number>(5);
	let model: number[] = [];
	let state = 1;
	for (let step = 0; step < 5_000; step++) {
		state = (state * 48_271) % 2_147_483_647;
		const key = state % 9;
		const isRead = state % 2 === 0;
		const had = model.includes(key);
		if (isRead) expect(lru.get(`${key}`)).toBe(had ? key : undefined);
		else lru.set(`${key}`, key, 1);
		if (isRead && !had) continue;
		model = [...model.filter((one) => one !== key), key].slice(-5);
		expect(lru.bytes).toBe(model.length);
	}
	for (let key = 0; key < 9; key++)
		expect(lru.get(`${key}`)).toBe(model.includes(key) ? key : undefined);
});
