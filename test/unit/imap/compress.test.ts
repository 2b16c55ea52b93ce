/** COMPRESS=DEFLATE on sockets: large data both ways, bombs, slow readers, bounds. */
import { randomBytes } from "node:crypto";
import { constants, deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
	IMAP_COMPRESSED_MAX,
	IMAP_DEFLATE_MEMORY_LEVEL,
	IMAP_DEFLATE_WINDOW_BITS,
	IMAP_INFLATE_EXCESS_BYTES_MAX,
	IMAP_LITERAL_SKIP_BYTES_MAX,
	IMAP_STALL_MILLISECONDS_MAX,
	MESSAGE_BYTES_MAX,
} from "../../../sync/limits.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { RawClient } from "../../transcripts/client.ts";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
let clock: SimClock;
const clients: RawClient[] = [];
beforeEach(async () => {
	clock = new SimClock();
	world = await startWorld({ clock });
});
afterEach(async () => {
	for (const client of clients.splice(0)) client.close();
	await world.stop();
	expect(world.log.errors).toEqual([]);
});

/** A compressed session; with `isRaw` the client sends what it is told, deflated or not. */
async function open(isRaw = false): Promise<RawClient> {
	const client = await RawClient.connect(world.server.address().port);
	clients.push(client);
	await client.response();
	await client.command("a LOGIN ann@example.org secret");
	const answer = await client.command("a COMPRESS DEFLATE");
	expect(answer).toEqual(["a OK DEFLATE active"]);
	client.startCompression();
	if (isRaw)
		client.send = (octets) =>
			void client.socket.write(Buffer.from(octets, "latin1"));
	return client;
}

const deflated = (octets: string | Buffer): string =>
	deflateRawSync(octets, { finishFlush: constants.Z_SYNC_FLUSH }).toString(
		"latin1",
	);

async function until(holds: () => boolean): Promise<void> {
	// In time and not in turns: zlib's threads may have to wait for a core.
	const end = realClock.monotonic() + 30_000;
	while (!holds()) {
		if (realClock.monotonic() > end) throw new Error("it never came to hold");
		await new Promise((resolve) => setImmediate(resolve));
	}
}

test("megabytes both ways, in order, and far fewer on the wire", async () => {
	const client = await open();
	const text = `Subject: x\r\n\r\n${randomBytes(30_000).toString("base64")}\r\n${"all work and no play\r\n".repeat(40_000)}`;
	client.send(`a APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
	expect((await client.until("a")).at(-1)).toContain("a OK [APPENDUID");
	await client.command("b SELECT INBOX");
	const [all] = await client.command("c FETCH 1 BODY.PEEK[]");
	expect(all).toBe(`* 1 FETCH (BODY[] {${text.length}}\r\n${text})`);
	expect(client.socket.bytesRead).toBeLessThan(text.length / 10);
});

test("many commands at once, each answered", async () => {
	const client = await open();
	for (let i = 0; i < 500; i++) client.send(`t${i} NOOP\r\n`);
	for (let i = 0; i < 500; i++)
		expect(await client.response()).toBe(`t${i} OK NOOP completed`);
});

test("a bomb is cut with a reason, and takes no memory meanwhile", async () => {
	const client = await open(true);
	const size = 2 * IMAP_INFLATE_EXCESS_BYTES_MAX;
	expect(size).toBeLessThan(IMAP_LITERAL_SKIP_BYTES_MAX);
	const bomb = deflated(Buffer.alloc(size));
	const before = process.memoryUsage().arrayBuffers;
	let peak = 0;
	const watch = setInterval(() => {
		peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
	}, 1);
	client.send(deflated(`a SEARCH TEXT {${size}+}\r\n`) + bomb);
	expect(await client.response()).toBe(
		"* BYE Too much comes out of too little compressed data",
	);
	clearInterval(watch);
	expect(await client.response()).toBe(undefined);
	expect(peak).toBeGreaterThan(0);
	// Far below what came out until then; what the garbage collector has not taken yet counts too.
	expect(peak).toBeLessThan(48 * 1024 * 1024);
});

test("a large message of zeros is no bomb", async () => {
	const client = await open(true);
	const size = 16 * 1024 * 1024;
	expect(size).toBeLessThan(MESSAGE_BYTES_MAX);
	const line = `${"A".repeat(76)}\r\n`;
	const text = Buffer.from(line.repeat(size / line.length));
	client.send(
		deflated(`a APPEND INBOX {${text.length}+}\r\n`) +
			deflated(Buffer.concat([text, Buffer.from("\r\n")])),
	);
	expect((await client.until("a")).at(-1)).toContain("a OK [APPENDUID");
});

test("an endless line of compressed nothing is cut", async () => {
	const client = await open(true);
	client.send(deflated("x".repeat(10_000_000)));
	expect(await client.response()).toBe(
		"* BYE [TOOBIG] Command line is too long",
	);
	expect(await client.response()).toBe(undefined);
});

test.each([
	["no deflate at all", () => "a NOOP\r\n"],
	["damaged in the middle", () => `${deflated("a NOOP\r\n")}\xff\xff\xff\xff`],
])("%s is BYE, and others are served", async (_what, octets) => {
	const client = await open(true);
	client.send(octets());
	let last = await client.response();
	if (last?.startsWith("a OK")) last = await client.response();
	expect(last).toBe("* BYE Compressed data is damaged");
	expect(await client.response()).toBe(undefined);
	const other = await open();
	expect((await other.command("b NOOP")).at(-1)).toContain("b OK");
});

test("the end of the deflated data is the end of what the client says", async () => {
	const client = await open(true);
	client.send(deflateRawSync("a NOOP\r\n").toString("latin1"));
	expect(await client.response()).toBe("a OK NOOP completed");
	client.socket.end();
	await until(() => world.server.connections() === 0);
});

test("a client that never reads is held back, and cut when nothing moves", async () => {
	const body = randomBytes(100_000).toString("latin1");
	world.deliver(body);
	const client = await open();
	await client.command("a SELECT INBOX");
	let reads = 0;
	const read = world.bodies.read.bind(world.bodies);
	world.bodies.read = (...range) => {
		reads++;
		return read(...range);
	};
	client.socket.unpipe();
	client.socket.pause();
	for (let count = 0; count < 400; count++)
		client.send("a FETCH 1 BODY.PEEK[]\r\n");
	await until(() => reads > 10);
	let last = 0;
	for (let quiet = 0; quiet < 2_000; quiet++) {
		await new Promise((resolve) => setImmediate(resolve));
		if (reads !== last) quiet = 0;
		last = reads;
	}
	expect(reads).toBeLessThan(200);
	// What is being compressed when the clock moves begins to wait after that.
	const end = realClock.monotonic() + 30_000;
	while (world.server.connections() > 0 && realClock.monotonic() < end) {
		await clock.advance(2 * IMAP_STALL_MILLISECONDS_MAX);
		for (let turns = 0; turns < 1_000; turns++)
			await new Promise((resolve) => setImmediate(resolve));
	}
	expect(world.server.connections()).toBe(0);
});

test("memory of a listener's compressed sessions is bounded", () => {
	// zlib's own figures (zconf.h): deflate, and inflate with the largest window.
	const deflate =
		2 ** (IMAP_DEFLATE_WINDOW_BITS + 2) + 2 ** (IMAP_DEFLATE_MEMORY_LEVEL + 9);
	const inflate = 2 ** 15 + 7 * 1024;
	expect(deflate + inflate).toBeLessThan(100 * 1024);
	expect(IMAP_COMPRESSED_MAX * (deflate + inflate)).toBeLessThan(
		200 * 1024 * 1024,
	);
});
