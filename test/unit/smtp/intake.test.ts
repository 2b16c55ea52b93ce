import fc from "fast-check";
import { expect, test } from "vitest";
import { createIntake, type Envelope } from "../../../node/intake.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	MESSAGE_BYTES_MAX,
	RECEIVED_FIELDS_MAX,
	ROUND_RETURN_MILLISECONDS_MAX,
} from "../../../sync/limits.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { FakeReplica, MemoryLog } from "./fakes.ts";

const envelope: Envelope = {
	sender: "joe@there.test",
	recipients: [{ address: "ann@here.test", accounts: [] }],
	helo: "client.test",
	remoteIp: "192.0.2.1",
	protocol: "ESMTP",
	utf8: false,
	id: "x1",
};

/** Takes a message in chunks; what was stored after the trace, or the error. */
async function take(
	chunks: readonly Buffer[],
	fake = new FakeReplica(),
	prime?: (hash: string, bytes: Uint8Array) => void,
): Promise<Buffer> {
	const intake = createIntake({
		replica: fake.replica,
		hostname: "mail.test",
		clock: new SimClock(),
		log: new MemoryLog(),
		prime,
	});
	const incoming = intake.begin(envelope);
	for (const chunk of chunks) await incoming.write(chunk);
	await incoming.finish();
	return fake.content();
}

const normalised = (content: Buffer): Buffer =>
	Buffer.from(
		content.toString("latin1").replace(/\r\n|\r|\n/g, "\r\n"),
		"latin1",
	);

/** Cuts at the given places (modulo the length), so that shrinking finds the smallest chunking. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
	const at = [
		...new Set(places.map((place) => place % (bytes.length + 1))),
	].sort((a, b) => a - b);
	return [0, ...at].map((from, i) => bytes.subarray(from, at[i]));
}

const contents = fc
	.array(fc.constantFrom("\r", "\n", "\r\n", ".", "a", "é", "line of text"), {
		maxLength: 40,
	})
	.map((parts) => Buffer.from(parts.join("")));
const places = fc.array(fc.nat(200), { maxLength: 12 });

test("any bytes in any chunks are stored the same: trace, then normalised content", async () => {
	await fc.assert(
		fc.asyncProperty(contents, places, async (content, at) => {
			expect(await take(cut(content, at))).toEqual(normalised(content));
		}),
		{ numRuns: 500 },
	);
});

test("lines with CRLF, of 998 bytes and more, are untouched", async () => {
	const lines = fc.array(
		fc
			.uint8Array({ maxLength: 1_200, min: 1 })
			.map((line) => Buffer.from(line.filter((b) => b !== 13 && b !== 10))),
		{ maxLength: 8 },
	);
	await fc.assert(
		fc.asyncProperty(lines, places, async (all, at) => {
			const content = Buffer.concat(
				all.flatMap((line) => [line, Buffer.from("\r\n")]),
			);
			expect(await take(cut(content, at))).toEqual(content);
		}),
	);
});

test("what is proper already passes uncopied", async () => {
	const fake = new FakeReplica();
	const seen: Uint8Array[] = [];
	fake.onWrite = (chunk) => {
		seen.push(chunk);
		return undefined;
	};
	const chunk = Buffer.from("Subject: x\r\n\r\nbody\r\n");
	await take([chunk], fake);
	expect(
		seen.some(
			(piece) =>
				piece.buffer === chunk.buffer && piece.byteOffset === chunk.byteOffset,
		),
	).toBe(true);
});

test("the trace of a message for nobody from nowhere is still well-formed", async () => {
	const fake = new FakeReplica();
	const intake = createIntake({
		replica: fake.replica,
		hostname: "mail.test",
		clock: new SimClock(),
		log: new MemoryLog(),
	});
	const incoming = intake.begin({
		...envelope,
		sender: "",
		helo: "evil\r\nX: y <>;(é",
		remoteIp: "2001:db8::1",
	});
	await incoming.finish();
	expect(fake.stored().toString()).toBe(
		"Return-Path: <>\r\nReceived: from evil??X:?y?????? ([IPv6:2001:db8::1])\r\n\tby mail.test with ESMTP id x1\r\n\tfor <ann@here.test>;\r\n\tThu, 01 Jan 2026 00:00:00 +0000\r\n",
	);
});

const received = (count: number): Buffer =>
	Buffer.from(
		`${"RECEIVED: from a\r\n\tby b; date\r\n".repeat(count)}Subject: x\r\n\r\nReceived: not\r\n`,
	);

test("more Received fields than the bound are a loop, in any chunks", async () => {
	await take([received(RECEIVED_FIELDS_MAX)]);
	const tooMany = received(RECEIVED_FIELDS_MAX + 1);
	for (const size of [1, 7, 16, 4096]) {
		const chunks: Buffer[] = [];
		for (let at = 0; at < tooMany.length; at += size)
			chunks.push(tooMany.subarray(at, at + size));
		await expect(take(chunks)).rejects.toMatchObject({
			responseCode: 554,
			message: expect.stringMatching(/^5\.4\.6 mail loop/),
		});
	}
});

test("NUL is refused, in the first chunk and later", async () => {
	for (const chunks of [["a\0b\r\n"], ["Subject: x\r\n", "a\0"]]) {
		const fake = new FakeReplica();
		await expect(
			take(
				chunks.map((text) => Buffer.from(text)),
				fake,
			),
		).rejects.toMatchObject({
			responseCode: 554,
			message: expect.stringMatching(/^5\.6\.0 .*NUL/),
		});
		expect(fake.deliveries).toEqual([]);
		expect(fake.aborted).toBe(chunks.length - 1);
	}
});

test("the largest message is taken, one byte more is not, and nothing is stored after that", async () => {
	const fake = new FakeReplica();
	fake.forgetful = true;
	const chunk = Buffer.alloc(1024 * 1024, "a");
	const chunks = Array<Buffer>(MESSAGE_BYTES_MAX / chunk.length).fill(chunk);
	await take(chunks, fake).catch((error: Error) => {
		// A forgetful replica has no content to show, but it has the delivery.
		expect(error.message).toBe("no trace fields");
	});
	expect(fake.deliveries).toHaveLength(1);
	let writes = 0;
	fake.onWrite = () => {
		writes++;
		return undefined;
	};
	await expect(
		take([...chunks, Buffer.from("a"), chunk, chunk], fake),
	).rejects.toMatchObject({
		responseCode: 552,
		message: expect.stringMatching(/^5\.3\.4 /),
	});
	expect(writes).toBe(chunks.length + 1);
	expect(fake.deliveries).toHaveLength(1);
});

test("pieces wait for the body store, in order", async () => {
	const fake = new FakeReplica();
	fake.onWrite = () => new Promise((resolve) => setImmediate(resolve));
	const content = Buffer.from("a\rb\r\nc\nd\r\n");
	expect(
		await take(
			[...content].map((byte) => Buffer.of(byte)),
			fake,
		),
	).toEqual(normalised(content));
});

test("prime gets small bodies whole, and large ones not at all", async () => {
	const fake = new FakeReplica();
	const primed = new Map<string, Uint8Array>();
	const prime = (hash: string, bytes: Uint8Array) => primed.set(hash, bytes);
	await take([Buffer.from("a\r"), Buffer.from("\nb\n")], fake, prime);
	const hash = fake.deliveries[0]?.body.hash ?? "";
	expect(primed.get(hash)).toEqual(fake.stored());
	await take([Buffer.alloc(BODY_MEMORY_BYTES_MAX, "a")], fake, prime);
	expect(primed.size).toBe(1);
});

test("a message waits for others on their way, but a large one does not", async () => {
	const fake = new FakeReplica();
	fake.forgetful = true;
	const answers: (() => void)[] = [];
	fake.onDeliver = () => new Promise((answer) => answers.push(answer));
	const clock = new SimClock();
	const intake = createIntake({
		replica: fake.replica,
		hostname: "mail.test",
		clock,
		log: new MemoryLog(),
	});
	const finish = async (sizeBytes: number) => {
		const incoming = intake.begin(envelope);
		await incoming.write(Buffer.alloc(sizeBytes, "x"));
		return incoming.finish();
	};
	const all = [finish(10)];
	await clock.advance(1);
	all.push(finish(20));
	await clock.advance(1);
	expect(answers).toHaveLength(1);
	all.push(finish(BODY_MEMORY_BYTES_MAX + 1));
	await clock.advance(1);
	expect(answers).toHaveLength(2);
	answers[0]?.();
	await clock.advance(ROUND_RETURN_MILLISECONDS_MAX);
	expect(answers).toHaveLength(3);
	for (const answer of answers) answer();
	await Promise.all(all);
});
