/** What lies on a node's simulated disk of bodies. */
import { createHash } from "node:crypto";
import { blocksOf } from "../bodies/reference.ts";
import type { BlockRange, BodyRef } from "../ports/bodies.ts";

export interface SimBlob {
	readonly hash: string;
	readonly bytes: Uint8Array;
}

/** What one node has on its disk of one drive. */
export interface SimDrive {
	/** By block offset. */
	readonly blobs: Map<number, SimBlob>;
	/** Of the owner: where the next body goes; of others: how much of the drive they know of. */
	lengthBlocks: number;
	sizeBytes: number;
}

export interface SimDisk {
	/** Makes drives of another disk other drives, even with the same name. */
	readonly seed: Uint8Array;
	readonly drives: Map<string, SimDrive>;
	full: boolean;
}

const EMPTY: SimBlob = {
	hash: createHash("sha256").digest("hex"),
	bytes: new Uint8Array(),
};

/** In place of the hash of bytes that cannot be read any more. */
export const DAMAGED = "damaged";

/** The drive with this key on the disk, made when it is not there. */
export function driveOf(disk: SimDisk, key: string): SimDrive {
	let drive = disk.drives.get(key);
	if (drive === undefined) {
		drive = { blobs: new Map(), lengthBlocks: 0, sizeBytes: 0 };
		disk.drives.set(key, drive);
	}
	return drive;
}

/** What lies where the reference says, right or wrong. */
export const lyingOn = (
	disk: SimDisk,
	{ drive, blob }: BodyRef,
): SimBlob | undefined => disk.drives.get(drive)?.blobs.get(blob[1]);

/** What lies there as the reference says, with the right hash. */
export function wholeOn(
	disk: SimDisk,
	reference: BodyRef,
): SimBlob | undefined {
	// No block holds an empty body: it is everywhere.
	if (reference.hash === EMPTY.hash && reference.sizeBytes === 0) return EMPTY;
	const blob = lyingOn(disk, reference);
	return blob?.hash === reference.hash &&
		blob.bytes.length === reference.sizeBytes
		? blob
		: undefined;
}

/** Of each body that touches one of the ranges nothing is left. */
export function clearOn(
	disk: SimDisk,
	drive: string,
	ranges: readonly BlockRange[],
): void {
	const blobs = disk.drives.get(drive)?.blobs;
	for (const [offset, { bytes }] of blobs ?? [])
		if (
			ranges.some(
				({ start, end }) =>
					start < offset + blocksOf(bytes.length) && offset < end,
			)
		)
			blobs?.delete(offset);
}

/** Ascending, disjoint. */
export function heldOn(disk: SimDisk, drive: string): readonly BlockRange[] {
	const blobs = disk.drives.get(drive)?.blobs;
	const ranges: { start: number; end: number }[] = [];
	for (const [start, { bytes }] of [...(blobs ?? [])].sort(
		([a], [b]) => a - b,
	)) {
		const end = start + blocksOf(bytes.length);
		const last = ranges.at(-1);
		if (last?.end === start) last.end = end;
		else ranges.push({ start, end });
	}
	return ranges;
}

export function bytesOn(disk: SimDisk): number {
	let bytes = 0;
	for (const { blobs } of disk.drives.values())
		for (const blob of blobs.values()) bytes += blob.bytes.length;
	return bytes;
}
