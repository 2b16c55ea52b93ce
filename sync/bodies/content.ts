/** Reads the blocks of one body from its core, from here or from members, and tells whether they are right. */
import { createHash, hash as digestOf } from "node:crypto";
import type { ActiveRequests, Hypercore } from "hypercore";
import { BODY_MEMORY_BYTES_MAX } from "../limits.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import { unpackedBlock } from "./packing.ts";
import { BLOCK_BYTES, type ByteRange, plainBytesOf } from "./reference.ts";

const blocks = ({ blob }: BodyRef): { start: number; end: number } => ({
	start: blob[1],
	end: blob[1] + blob[2],
});

/** True when all blocks of the body lie here. */
export async function isPresent(
	core: Hypercore,
	reference: BodyRef,
): Promise<boolean> {
	const { start, end } = blocks(reference);
	return start === end || core.has(start, end);
}

/**
 * Reads the body once and compares its hash, and the sizes of its blocks with what the reference says. With `requests`
 * blocks that are not here are asked for from members (it waits as long as it takes; clearing the requests ends it),
 * without, the answer is false.
 */
export async function isRight(
	core: Hypercore,
	reference: BodyRef,
	requests?: ActiveRequests,
): Promise<boolean> {
	const hash = createHash("sha256");
	let index = 0;
	for await (const block of bodyBlocks(core, reference, requests)) {
		const expected = plainBytesOf(reference, index++);
		const plain = block === null ? undefined : unpackedBlock(block, expected);
		if (plain === undefined) return false;
		hash.update(plain);
	}
	return hash.digest("hex") === reference.hash;
}

/** The bytes of a body of one block; undefined where they do not lie here, or are not right. */
export async function readChecked(
	core: Hypercore,
	reference: BodyRef,
): Promise<Uint8Array | undefined> {
	const block = await core.get(blocks(reference).start, { wait: false });
	const plain =
		block === null ? undefined : unpackedBlock(block, reference.sizeBytes);
	if (plain === undefined) return undefined;
	return digestOf("sha256", plain, "hex") === reference.hash
		? plain
		: undefined;
}

async function* bodyBlocks(
	core: Hypercore,
	reference: BodyRef,
	requests: ActiveRequests | undefined,
): AsyncGenerator<Buffer | null> {
	const { start, end } = blocks(reference);
	const options =
		requests === undefined
			? { wait: false }
			: { wait: true, activeRequests: requests };
	if (reference.sizeBytes <= BODY_MEMORY_BYTES_MAX) {
		const all: Promise<Buffer | null>[] = [];
		for (let at = start; at < end; at++) all.push(core.get(at, options));
		yield* await Promise.all(all);
		return;
	}
	// One range request runs ahead of the reads; what it brings goes to disk, not to memory.
	const ahead =
		requests === undefined
			? undefined
			: core.download({ start, end, linear: true, activeRequests: requests });
	try {
		for (let at = start; at < end; at++) yield await core.get(at, options);
	} finally {
		ahead?.destroy();
	}
}

/** Indexes of the body's blocks that do not lie here. */
export async function missingBlocks(
	core: Hypercore,
	reference: BodyRef,
): Promise<readonly number[]> {
	const { start, end } = blocks(reference);
	const missing: number[] = [];
	for (let at = start; at < end; at++)
		if (!(await core.has(at))) missing.push(at);
	return missing;
}

/**
 * Whether the members that the core is exchanged with have the blocks that are not here, as far as they told. Of one that
 * is sending, what it tells comes behind that.
 */
export function mayComeFromPeers(core: Hypercore, reference: BodyRef): boolean {
	const { start, end } = blocks(reference);
	for (let at = start; at < end; at++) {
		if (core.core.bitfield.get(at)) continue;
		const may = core.peers.some(
			(peer) =>
				peer.remoteBitfield.get(at) ||
				at < peer.remoteContiguousLength ||
				(peer.inflight > 0 && at < peer.remoteLength),
		);
		if (!may) return false;
	}
	return true;
}

/**
 * Whether members have what is not here, and none of them can prove to this one that the drive reaches so far. A member
 * cannot that was never as long as this one is, where blocks in between were cleared before it got them: then hypercore
 * asks it for nothing.
 */
export function isStranded(core: Hypercore, reference: BodyRef): boolean {
	const { end } = blocks(reference);
	return (
		end > core.length &&
		mayComeFromPeers(core, reference) &&
		!core.peers.some(
			(peer) =>
				peer.inflight > 0 ||
				(peer.remoteCanUpgrade && peer.lengthAcked === core.length),
		)
	);
}

/** Indexes of the body's blocks that should lie here and cannot be read: damaged, as RocksDB checks what it reads. */
export async function unreadableBlocks(
	core: Hypercore,
	reference: BodyRef,
): Promise<readonly number[]> {
	const { start, end } = blocks(reference);
	const unreadable: number[] = [];
	for (let at = start; at < end; at++) {
		const block = await core.get(at, { wait: false }).catch(() => null);
		if (block === null) unreadable.push(at);
	}
	return unreadable;
}

/** The bytes of a body that lies here, in chunks of at most a block. Rejects with BodyUnavailable where one is gone. */
export async function* readRange(
	core: Hypercore,
	reference: BodyRef,
	range: ByteRange,
): AsyncGenerator<Uint8Array> {
	const first = blocks(reference).start;
	for (let at = range.start; at < range.end; ) {
		const index = Math.floor(at / BLOCK_BYTES);
		const blockStart = index * BLOCK_BYTES;
		const block = await core.get(first + index, { wait: false });
		const plain =
			block === null
				? undefined
				: unpackedBlock(block, plainBytesOf(reference, index));
		if (plain === undefined)
			throw new BodyUnavailable(
				`body ${reference.hash.slice(0, 16)} is not whole here`,
			);
		const chunk = plain.subarray(at - blockStart, range.end - blockStart);
		yield chunk;
		at += chunk.length;
	}
}
