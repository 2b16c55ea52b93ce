/** Arithmetic of body references: which blocks hold which bytes. References come from peers, so they are checked here. */
import { BODY_BYTES_MAX } from "../limits.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";

/** Plain bytes of every block of a body but the last: what hyperblobs cuts at by default. */
export const BLOCK_BYTES = 64 * 1024;

/** Plain bytes of the block of this index within a body. */
export const plainBytesOf = ({ sizeBytes }: BodyRef, index: number): number =>
	Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES);

/** Blocks that a body of this size takes. */
export const blocksOf = (sizeBytes: number): number =>
	Math.ceil(sizeBytes / BLOCK_BYTES);

const isCount = (value: unknown): boolean =>
	Number.isSafeInteger(value) && (value as number) >= 0;

/** Whether a body can lie as the reference says. */
export function isSane(reference: BodyRef): boolean {
	const { hash, sizeBytes, drive, blob } = reference;
	const [byteOffset, blockOffset, blockLength, byteLength] = blob;
	return (
		/^[0-9a-f]{64}$/.test(hash) &&
		/^[0-9a-f]{64}$/.test(drive) &&
		[sizeBytes, byteOffset, blockOffset].every(isCount) &&
		sizeBytes <= BODY_BYTES_MAX &&
		isCount(byteLength) &&
		// Shorter where its blocks are packed (packing.ts).
		byteLength <= sizeBytes &&
		blockLength === blocksOf(sizeBytes)
	);
}

/** Throws BodyUnavailable where no body can lie so; after it the numbers can be trusted to be sane. */
export function checkReference(reference: BodyRef): void {
	if (!isSane(reference))
		throw new BodyUnavailable(
			`the reference of body ${String(reference.hash).slice(0, 16)} is malformed`,
		);
}

/** Names what a reference points to and claims; equal for equal references. */
export const referenceKey = (reference: BodyRef): string =>
	`${reference.hash}:${reference.drive.slice(0, 16)}:${reference.blob[1]}:${reference.sizeBytes}`;

/** Where a body lies, short. */
export const placeKey = (drive: string, block: number): string =>
	`${drive.slice(0, 16)}:${block}`;

export interface ByteRange {
	/** Inclusive. */
	readonly start: number;
	/** Exclusive. */
	readonly end: number;
}

/** The part of a body that was asked for, cut to what there is (`end` defaults to the size). */
export function clampRange(
	reference: BodyRef,
	start = 0,
	end = reference.sizeBytes,
): ByteRange {
	const from = Math.min(Math.max(0, start), reference.sizeBytes);
	return {
		start: from,
		end: Math.min(Math.max(from, end), reference.sizeBytes),
	};
}
