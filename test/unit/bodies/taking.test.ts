/** Bodies that are sent unasked, with real stores: what is durable when, what is verified, and what a member can fill. */
import Replicator from "hypercore/lib/replicator.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bodyHash } from "../../../sync/ids.ts";
import { PUSH_UNCONFIRMED_BYTES_MAX } from "../../../sync/limits.ts";
import type { BodyPiece, BodyRef } from "../../../sync/ports/bodies.ts";
import { until } from "../../harness/until.ts";
import { type Member, Members, put, putSome } from "./members.ts";

let members: Members;

beforeEach(() => {
	members = new Members();
});
afterEach(async () => {
	vi.restoreAllMocks();
	await members.end();
});

/** b has what a appended before, and is given nothing of what it appends now. */
async function pieces(a: Member, b: Member): Promise<BodyPiece[]> {
	const all: BodyPiece[] = [];
	await members.connect(a, b);
	await b.bodies.fetch(await put(a, "first"));
	a.bodies.onAppended(({ piece }) => piece && all.push(piece));
	return all;
}

it("what is sent along is durable at its owner, and the receiver says so after its own sync", async () => {
	const [a, b] = await members.three();
	const all = await pieces(a, b);
	const atA = a.holdSync();
	const putting = put(a, "second");
	await atA.begun;
	expect(all).toEqual([]);
	atA.release();
	const second = await putting;
	expect(all).toHaveLength(1);

	const atB = b.holdSync();
	let isTaken = false;
	const taking = b.bodies.take(a.node, all[0] as BodyPiece).then((taken) => {
		isTaken = taken;
	});
	let isFetched = false;
	const fetching = b.bodies.fetch(second).then(() => {
		isFetched = true;
	});
	await atB.begun;
	expect([isTaken, isFetched]).toEqual([false, false]);
	atB.release();
	await Promise.all([taking, fetching]);
	expect(isTaken).toBe(true);
});

it("blocks under another signature are not taken, nor a signature of others", async () => {
	const [a, b, c] = await members.three();
	const all = await pieces(a, b);
	await putSome(a, 2);
	const [first, second] = all as [BodyPiece, BodyPiece];
	const forged = Uint8Array.from(first.signature);
	forged[20] = (forged[20] as number) ^ 1;
	for (const signature of [forged, second.signature, new Uint8Array(0)])
		expect(await b.bodies.take(a.node, { ...first, signature })).toBe(false);
	// Bytes that have the hash they say, and that a did not append.
	const other = await put(c, "of c");
	const ofC: BodyPiece[] = [];
	c.bodies.onAppended(({ piece }) => piece && ofC.push(piece));
	const theirs = await put(c, "c again");
	const [piece] = ofC as [BodyPiece];
	const asA = {
		...first,
		blocks: piece.blocks,
		bodies: [
			{
				...theirs,
				drive: first.drive,
				blob: [other.blob[0], first.start, 1, theirs.blob[3]] as const,
			},
		],
	};
	expect(await b.bodies.take(a.node, asA)).toBe(false);
	expect(await b.bodies.held(a.bodies.drive)).toEqual([{ start: 0, end: 1 }]);
	expect(await b.bodies.take(a.node, first)).toBe(true);
	expect(await b.bodies.take(a.node, second)).toBe(true);
});

it("bytes that their owner signed and that are not those of the body are not taken", async () => {
	const [a, b] = await members.three();
	const all = await pieces(a, b);
	await putSome(a, 1);
	const [piece] = all as [BodyPiece];
	const [body] = piece.bodies as [BodyRef];
	const bodies = [{ ...body, hash: bodyHash("0".repeat(64)) }];
	expect(await b.bodies.take(a.node, { ...piece, bodies })).toBe(false);
	expect(await b.bodies.take(a.node, piece)).toBe(true);
});

it("no more waits to be synced than a bound, whatever a member sends", async () => {
	const [a, b] = await members.three();
	const all = await pieces(a, b);
	const sizeBytes = 200_000;
	const fits = Math.floor(PUSH_UNCONFIRMED_BYTES_MAX / sizeBytes);
	for (let i = 0; i < fits + 3; i++) await put(a, `${i}`.padEnd(sizeBytes));
	const atB = b.holdSync();
	const taken = all.map((piece) => b.bodies.take(a.node, piece));
	const beyond = Promise.all(taken.slice(fits));
	const early = await Promise.race([beyond, Promise.all(taken)]);
	expect(early).toEqual([false, false, false]);
	await atB.begun;
	atB.release();
	expect((await Promise.all(taken)).filter(Boolean)).toHaveLength(fits);
	// And that room comes back.
	for (const piece of all.slice(fits))
		expect(await b.bodies.take(a.node, piece)).toBe(true);
});

it("what is coming is not asked for", async () => {
	const [a, b] = await members.three();
	const all = await pieces(a, b);
	const some = await putSome(a, 3);
	const asked = vi.spyOn(Replicator.Peer.prototype, "_sendBlockRequest");
	const taken = all.map((piece) => b.bodies.take(a.node, piece));
	await Promise.all(some.map((reference) => b.bodies.fetch(reference)));
	expect(await Promise.all(taken)).toEqual([true, true, true]);
	expect(asked).not.toHaveBeenCalled();
	await b.bodies.fetch(await put(a, "not sent"));
	expect(asked).toHaveBeenCalledOnce();
});

it("what came unasked goes on to a third member, whose own copy lacks it", async () => {
	const [a, b, c] = await members.three();
	const all = await pieces(a, b);
	const cut = await members.connect(b, c);
	const some = await putSome(a, 5);
	for (const piece of all)
		expect(await b.bodies.take(a.node, piece)).toBe(true);
	for (const reference of some) await c.bodies.fetch(reference);
	cut();
	await until("b's copy to be as long as a's", () =>
		Promise.resolve(a.bodies.lengthAt(b.node) === 6),
	);
});
