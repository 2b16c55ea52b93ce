import type { BodyHash, NodeId } from "../ids.ts";

/** Where a body lies: a blob in one drive (one node incarnation). The drive may be held, in part, by any node. */
export interface BodyRef {
	readonly hash: BodyHash;
	readonly sizeBytes: number;
	/** Public key of the drive's blobs core, hex. */
	readonly drive: string;
	/** Hyperblobs id: [byteOffset, blockOffset, blockLength, byteLength]. */
	readonly blob: readonly [number, number, number, number];
}

/** Takes one body as it comes. Small ones are held in memory, large ones on disk, never more than a bound in memory. */
export interface BodyWriter {
	/** Resolves when more may be written (back-pressure). Rejects with StoreFull when there is no room. */
	write(chunk: Uint8Array): Promise<void> | void;
	readonly sizeBytes: number;
	/** Ends the body: hashed, appended to this node's drive and durable there (group commit) when it resolves. */
	commit(): Promise<BodyRef>;
	/** Throws the bytes away. Harmless after commit(). */
	abort(): void;
}

/** The body cannot be had now: no copy here, and no peer gave it in time. */
export class BodyUnavailable extends Error {
	override name = "BodyUnavailable";
}

/** What lies here of a body: all of it and right, not all of it, or bytes that are wrong or cannot be read. */
export type BodyState = "whole" | "missing" | "damaged";

export interface Bodies {
	/** Public key (hex) of the drive this incarnation appends to. */
	readonly drive: string;
	create(): BodyWriter;
	/** True when every byte lies here, durably and with the right hash. Cheap for what was written or fetched in this run. */
	has(ref: BodyRef): Promise<boolean>;
	/** Reads every byte that lies here, whatever was known before. A body found damaged is fetched anew by the next fetch(). */
	verify(ref: BodyRef): Promise<BodyState>;
	/**
	 * Makes a durable copy here: from peers, checked against the hash, synced (group commit). Resolves at once if it is
	 * here. Rejects with BodyUnavailable after a bound, or when the bytes are wrong at every peer.
	 */
	fetch(ref: BodyRef): Promise<void>;
	/** Bytes `start` (inclusive) to `end` (exclusive, default the size). Fetches first in line if they are not here. */
	read(ref: BodyRef, start?: number, end?: number): Promise<Uint8Array>;
	/** The same as a stream of chunks, with flat memory. */
	stream(ref: BodyRef, start?: number, end?: number): AsyncIterable<Uint8Array>;
	/** Which drives to hold and exchange: every incarnation of every member. Called again when it changes. */
	setDrives(drives: readonly { node: NodeId; drive: string }[]): void;
	/** How many bytes the drive of this incarnation has durably; kept by the caller as the high-water mark. */
	lengthBlocks(): number;
	sizeBytes(): number;
	close(): Promise<void>;
}
