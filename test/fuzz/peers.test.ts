/** What comes from other nodes, and from strangers at the port of nodes: refused by its own error, never another. */
import { encode } from "cborg";
import { expect, test } from "vitest";
import { OperatorFault } from "../../sync/faults.ts";
import {
	bodyHash,
	entryId,
	mailboxId,
	nodeId,
	sequence,
	origin as toOrigin,
	uid,
} from "../../sync/ids.ts";
import { BadRecord, decodeRecord, type Vector } from "../../sync/log/record.ts";
import { decodeInvite, encodeInvite } from "../../sync/membership/invite.ts";
import {
	BadFrame as BadStreamFrame,
	FrameReader,
	frameHeader,
} from "../../sync/network/frames.ts";
import {
	decodeFrame,
	encodeFrame,
} from "../../sync/replication/frame-codec.ts";
import {
	BadFrame,
	type Frame,
	type Holds,
	PROTOCOL,
} from "../../sync/replication/frames.ts";
import { firstSeed, Mutator, rounds } from "./mutator.ts";

const origin = toOrigin("0".repeat(16));
const node = nodeId(`12D3KooW${"x".repeat(44)}`);
const id = "A".repeat(22);
const mailbox = mailboxId(id);
const vector: Vector = new Map([[origin, sequence(7)]]);
const holds: Holds = {
	vector,
	bodies: vector,
	extra: [sequence(3)],
	missingBodies: 1,
	counter: 9,
	pace: 10,
};
// Typed, so that a frame that gets another shape is noticed here.
const frames: readonly Frame[] = [
	{
		type: "hello",
		versions: PROTOCOL,
		cluster: id,
		node,
		origin,
		holds,
		joining: false,
		heads: new Map([[origin, { sequence: sequence(7), hash: "h" }]]),
		life: { reviving: false, run: id, startedMilliseconds: 1 },
	},
	{ type: "holds", holds, ready: true, serves: true, full: false },
	{ type: "refuses", origin, sequence: sequence(7), reason: "bad" },
	{
		type: "holds",
		holds,
		ready: true,
		serves: true,
		full: false,
		pieces: { dealtWith: 2, refused: 1 },
	},
	{
		type: "push",
		piece: {
			drive: "b".repeat(64),
			start: 1,
			blocks: [new Uint8Array(3)],
			signature: new Uint8Array(64),
			bodies: [
				{
					hash: bodyHash("a".repeat(64)),
					sizeBytes: 3,
					drive: "b".repeat(64),
					blob: [0, 1, 0, 3],
				},
			],
		},
	},
	{ type: "sync", nonce: 1, vector, mailbox, tokens: [1] },
	{ type: "watermarks", watermarks: [{ mailbox, E: uid(4) }] },
	{ type: "wants", wants: [{ mailbox, entry: entryId(id), claim: 4 }] },
	{ type: "confirm", transactions: ["t"] },
	{
		type: "bodies",
		bodies: [
			{
				hash: bodyHash("a".repeat(64)),
				sizeBytes: 3,
				drive: "b".repeat(64),
				blob: [0, 1, 0, 3],
			},
		],
	},
];
const encoded = frames.map(encodeFrame);

/** Whatever CBOR can say where a frame is expected. */
function anything(mutator: Mutator, depth = 0): unknown {
	const kinds = depth > 4 ? 6 : 8;
	switch (mutator.below(kinds)) {
		case 0:
			return mutator.pick([0, -1, 1.5, 2 ** 53, -(2 ** 53), 1e300, 7]);
		case 1:
			return mutator.pick([null, true, false, undefined]);
		case 2:
			return mutator.pick(["", origin, node, id, "__proto__", "x".repeat(99)]);
		case 3:
			return new Uint8Array(mutator.below(40));
		case 4:
			return mutator.pick(["constructor", "toString", "hello", "holds"]);
		case 5:
			return 2n ** 60n;
		case 6:
			return Object.fromEntries(
				Array.from({ length: mutator.below(4) }, () => [
					mutator.pick(["a", "b", "length"]),
					anything(mutator, depth + 1),
				]),
			);
		default:
			return Array.from({ length: mutator.below(8) }, () =>
				anything(mutator, depth + 1),
			);
	}
}

const types: readonly string[] = Object.keys({
	hello: true,
	twin: true,
	records: true,
	holds: true,
	pull: true,
	lacks: true,
	snapshot: true,
	document: true,
	snapshotEnd: true,
	sync: true,
	synced: true,
	pairs: true,
	watermarks: true,
	wants: true,
	confirm: true,
	refuses: true,
	push: true,
	bodies: true,
} satisfies Record<Frame["type"], true>);
const names = [...types, "constructor", "toString", "__proto__"];

/** Runs `read`; what it throws must be of this kind. True: it took the input. */
function isTaken(read: () => unknown, kind: unknown, what: string): boolean {
	try {
		read();
		return true;
	} catch (error) {
		expect(error, what).toBeInstanceOf(kind);
		return false;
	}
}

test("frames between members", { timeout: rounds(60_000) }, () => {
	for (const message of encoded)
		expect(decodeFrame(message)).toHaveProperty("type");
	let taken = 0;
	for (let round = 0; round < rounds(10_000); round++) {
		const seed = firstSeed() + round;
		const mutator = new Mutator(seed);
		const message =
			mutator.below(2) === 0
				? mutator.bytes(mutator.pick(encoded))
				: encode([
						mutator.pick(names),
						...Array.from({ length: mutator.below(9) }, () =>
							anything(mutator),
						),
					]);
		let frame: unknown;
		const what = `PMNODE_FUZZ_SEED=${seed}`;
		if (
			!isTaken(
				() => {
					frame = decodeFrame(message);
				},
				BadFrame,
				what,
			)
		)
			continue;
		taken++;
		// Never anything but a frame: what handles it looks at its type alone.
		expect(types, what).toContain((frame as { type?: unknown }).type);
	}
	expect(taken).toBeGreaterThan(0);
});

test("a name that every object has is no type of frame", () => {
	for (const type of ["constructor", "toString", "__proto__", "valueOf"])
		expect(() => decodeFrame(encode([type, 1]))).toThrow(BadFrame);
});

test("records", { timeout: rounds(60_000) }, () => {
	for (let round = 0; round < rounds(5_000); round++) {
		const seed = firstSeed() + round;
		const mutator = new Mutator(seed);
		const fields = Array.from({ length: 6 + mutator.below(3) }, () =>
			anything(mutator),
		);
		const bytes = mutator.bytes(encode(fields));
		isTaken(() => decodeRecord(bytes), BadRecord, `PMNODE_FUZZ_SEED=${seed}`);
	}
});

test("the framing of a stream, cut anywhere", {
	timeout: rounds(60_000),
}, () => {
	for (let round = 0; round < rounds(2_000); round++) {
		const mutator = new Mutator(firstSeed() + round);
		const payload = new Uint8Array(mutator.below(300));
		const good = Buffer.concat([frameHeader(1, payload.length), payload]);
		const stream = Buffer.from(
			mutator.bytes(Buffer.concat([good, good, good])),
		);
		const reader = new FrameReader(1_000);
		isTaken(
			() => {
				for (let at = 0; at < stream.length; ) {
					const size = 1 + mutator.below(50);
					reader.push(stream.subarray(at, at + size));
					at += size;
					for (let frame = reader.next(); frame; frame = reader.next())
						expect(frame.payload.length).toBeLessThanOrEqual(1_000);
				}
			},
			BadStreamFrame,
			`PMNODE_FUZZ_SEED=${firstSeed() + round}`,
		);
	}
});

test("join links that people paste", { timeout: rounds(60_000) }, () => {
	const link = encodeInvite({
		cluster: id,
		node,
		multiaddrs: ["/ip4/127.0.0.1/tcp/2401"],
		secret: new Uint8Array(32),
		expiresMilliseconds: 1e12,
	});
	for (let round = 0; round < rounds(3_000); round++) {
		const seed = firstSeed() + round;
		const broken = new Mutator(seed).text(link);
		isTaken(
			() => decodeInvite(broken),
			OperatorFault,
			`PMNODE_FUZZ_SEED=${seed}`,
		);
	}
});
