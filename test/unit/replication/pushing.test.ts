/** To whom bodies are sent unasked, how much, and what becomes of those that are not or that are refused. */
import { describe, expect, it } from "vitest";
import { bodyHash, nodeId } from "../../../sync/ids.ts";
import {
	PUSH_REST_MILLISECONDS_MAX,
	PUSH_REST_MILLISECONDS_MIN,
	PUSH_UNCONFIRMED_BYTES_MAX,
} from "../../../sync/limits.ts";
import type { AppendedBodies, BodyPiece } from "../../../sync/ports/bodies.ts";
import type { PeerFacts } from "../../../sync/replication/facts.ts";
import { decodeFrame } from "../../../sync/replication/frame-codec.ts";
import { Pushing } from "../../../sync/replication/pushing.ts";
import type { Session } from "../../../sync/replication/session.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { testLog } from "../bodies/pair.ts";

const PIECE_BYTES = 100_000;
const node = nodeId(`12D3Koo${"b".repeat(20)}`);

/** The piece that holds block `start`, alone. */
function pieceAt(start: number): BodyPiece {
	const drive = "d".repeat(64);
	const body = {
		hash: bodyHash("a".repeat(64)),
		sizeBytes: PIECE_BYTES,
		drive,
		blob: [start, start, 2, PIECE_BYTES] as const,
	};
	return {
		drive,
		start,
		blocks: [new Uint8Array(PIECE_BYTES)],
		signature: new Uint8Array(64),
		bodies: [body],
	};
}

function world() {
	const clock = new SimClock();
	const sent: string[] = [];
	const session = {
		peer: node,
		vector: new Map(),
		version: 5,
		apart: "no" as string,
		joining: false,
		isBlocked: false,
		sendEncoded: (frame: Uint8Array) => sent.push(decodeFrame(frame).type),
	};
	const facts = { ready: true, absent: false };
	const prefetched: number[] = [];
	let length: number | undefined = 0;
	let blocks = 0;
	let takes = true;
	let joins = false;
	let refusals = 0;
	let run: (appended: AppendedBodies) => void = () => {};
	const pushing = new Pushing({
		bodies: {
			onAppended: (told) => {
				run = told;
			},
			lengthAt: () => length,
			take: async () => takes,
		},
		needs: { prefetch: (bodies) => prefetched.push(bodies.length) },
		clock,
		diary: testLog(),
		joining: () => joins,
		sessions: () => [session as unknown as Session],
		facts: () => facts as PeerFacts,
		refused: () => {
			refusals++;
		},
	});
	const one = session as unknown as Session;
	return {
		clock,
		session,
		facts,
		prefetched,
		/** What went out for the next piece, "push" or "bodies". */
		append(large = false): string | undefined {
			const piece = pieceAt(blocks++);
			run({ bodies: piece.bodies, ...(!large && { piece }) });
			return sent.at(-1);
		},
		get sent() {
			return sent.length;
		},
		setLength(to: number | undefined) {
			length = to;
		},
		told: (dealtWith: number, refused: number) =>
			pushing.told(one, { dealtWith, refused }),
		setTakes(to: boolean, joining = false) {
			takes = to;
			joins = joining;
		},
		take: () => pushing.take(one, pieceAt(0)),
		telling: () => pushing.telling(one),
		get refusals() {
			return refusals;
		},
	};
}

describe("what is appended", () => {
	it("is sent along, one behind the other, up to a bound that what came makes room in", () => {
		const { append, told } = world();
		const most = Math.floor(PUSH_UNCONFIRMED_BYTES_MAX / PIECE_BYTES);
		for (let i = 0; i < most; i++) expect(append()).toBe("push");
		expect(append()).toBe("bodies");
		// Its copy has a gap now, until it has fetched that.
		told(most, 0);
		expect(append()).toBe("bodies");
	});

	it("is sent along again where the member's copy is up to date", () => {
		const { append, told, setLength } = world();
		expect(append()).toBe("push");
		expect(append(true)).toBe("bodies");
		expect(append()).toBe("bodies");
		setLength(3);
		expect(append()).toBe("push");
		told(2, 0);
		expect(append()).toBe("push");
	});

	it("is only named to who cannot take it now", () => {
		const each: ((of: ReturnType<typeof world>) => void)[] = [
			({ session }) => {
				session.version = 4;
			},
			({ session }) => {
				session.apart = "silent";
			},
			({ session }) => {
				session.isBlocked = true;
			},
			({ facts }) => {
				facts.ready = false;
			},
			({ facts }) => {
				facts.absent = true;
			},
			({ setLength }) => setLength(undefined),
			({ setLength }) => setLength(7),
		];
		for (const prepare of each) {
			const of = world();
			prepare(of);
			expect(of.append()).toBe("bodies");
		}
		const of = world();
		of.session.joining = true;
		of.append();
		expect(of.sent).toBe(0);
	});

	it("is kept back for a while from who refused some, longer each time", async () => {
		const { append, told, setLength, clock } = world();
		let at = 0;
		let dealtWith = 0;
		let refused = 0;
		const refuse = () => told(++dealtWith, ++refused);
		const follow = () => setLength(++at);
		expect(append()).toBe("push");
		for (
			let rest = PUSH_REST_MILLISECONDS_MIN;
			rest <= 2 * PUSH_REST_MILLISECONDS_MAX;
			rest *= 2
		) {
			refuse();
			follow();
			await clock.advance(Math.min(rest, PUSH_REST_MILLISECONDS_MAX) - 1);
			expect(append()).toBe("bodies");
			follow();
			await clock.advance(1);
			expect(append()).toBe("push");
		}
		told(++dealtWith, refused);
		expect(append()).toBe("push");
		refuse();
		setLength(at + 2);
		await clock.advance(PUSH_REST_MILLISECONDS_MIN);
		expect(append()).toBe("push");
	});

	it("is not counted twice by a member that says nonsense", () => {
		const { append, told } = world();
		expect(append()).toBe("push");
		told(1_000, 0);
		told(-5, -5);
		told(3, 9);
		expect(append()).toBe("push");
	});
});

it("what comes is dealt with once, and fetched where it was refused; not by who has no documents", async () => {
	const of = world();
	expect(of.telling()).toBeUndefined();
	await of.take();
	expect(of.telling()).toEqual({ dealtWith: 1, refused: 0 });
	expect(of.refusals).toBe(0);
	of.setTakes(false);
	await of.take();
	expect(of.telling()).toEqual({ dealtWith: 2, refused: 1 });
	expect(of.prefetched).toEqual([1]);
	of.setTakes(true, true);
	await of.take();
	expect(of.telling()).toEqual({ dealtWith: 3, refused: 2 });
	expect(of.prefetched).toEqual([1]);
	expect(of.refusals).toBe(2);
});
