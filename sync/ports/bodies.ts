import type { BodyHash, NodeId } from "../ids.ts";

/** Where a body lies: a blob in one drive (one node incarnation). The drive may be held, in part, by any node. */
export interface BodyRef {
	readonly hash: BodyHash;
	readonly sizeBytes: number;
	/** Public key of the drive's blobs core, hex. */
	readonly drive: string;
	/** Hyperblobs id: [byteOffset, blockOffset, blockLength, byteLength]; the last is less than the size where blocks are packed. */
	readonly blob: readonly [number, number, number, number];
}

/** What this release can read in a drive: 1, packed blocks. A member that says nothing reads plain ones only. */
export const BODIES_FORMAT = 1;

/** Takes one body as it comes. Small ones are held in memory, large ones on disk, never more than a bound in memory. */
export interface BodyWriter {
	/**
	 * Resolves when more may be written (back-pressure). Rejects with StoreFull when there is no room. The chunk is the
	 * writer's from now on: nobody may change it any more.
	 */
	write(chunk: Uint8Array): Promise<void> | void;
	readonly sizeBytes: number;
	/** After commit(): all of a body that was small enough to be held in memory. It may be held elsewhere too: not to be changed. */
	readonly whole: Uint8Array | undefined;
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

/** Blocks of a drive: `start` inclusive, `end` exclusive. */
export interface BlockRange {
	readonly start: number;
	readonly end: number;
}

/** Bodies that were appended to a drive one after the other, as its owner sends them unasked. */
export interface BodyPiece {
	readonly drive: string;
	/** Index of the first block. */
	readonly start: number;
	/** As they lie in the drive. */
	readonly blocks: readonly Uint8Array[];
	/** The owner's, of its drive up to the last of these blocks. */
	readonly signature: Uint8Array;
	/** Which bodies these are, in order: every block belongs to one of them. */
	readonly bodies: readonly BodyRef[];
}

/** What came to the own drive, and is durable there. */
export interface AppendedBodies {
	readonly bodies: readonly BodyRef[];
	/** The same with their bytes; not where they are large. */
	readonly piece?: BodyPiece;
}

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
	/** `run` hears of all that is appended to the own drive, once it is durable and before its commit() resolves. */
	onAppended(run: (appended: AppendedBodies) => void): void;
	/**
	 * How long the own drive is at a member, once what it asked for has reached it: it can take what follows there.
	 * Undefined where that is not known.
	 */
	lengthAt(node: NodeId): number | undefined;
	/**
	 * Takes what a member sent unasked of its own drive. Resolves to true when all of it was found right and is durable
	 * here; to false, at once, where it is not taken: then it is to be fetched. Never rejects.
	 */
	take(from: NodeId, piece: BodyPiece): Promise<boolean>;
	/** Bytes `start` (inclusive) to `end` (exclusive, default the size). Fetches first in line if they are not here. */
	read(ref: BodyRef, start?: number, end?: number): Promise<Uint8Array>;
	/** The same as a stream of chunks, with flat memory. */
	stream(ref: BodyRef, start?: number, end?: number): AsyncIterable<Uint8Array>;
	/** Which drives to hold and exchange: every incarnation of every member. Called again when it changes. */
	setDrives(drives: readonly { node: NodeId; drive: string }[]): void;
	/** Whether what is written from now on may be packed, since all members can read it. Not until it is said. */
	setPacking(packs: boolean): void;
	/** How many bytes the drive of this incarnation has durably; kept by the caller as the high-water mark. */
	lengthBlocks(): number;
	sizeBytes(): number;
	close(): Promise<void>;
}

/** What the owner of a body store also does with it: takes in what was handed over, gives the disk back. Readers need none of this. */
export interface ReclaimableBodies extends Bodies {
	/**
	 * Whether nothing is on its way of what fetch() asked for: a body that was not had in time may else just come slowly, and
	 * must not be asked for in another way as well.
	 */
	isStuck(ref: BodyRef): Promise<boolean>;
	/**
	 * Makes a durable copy here of bytes that a member gave by itself, where fetch() cannot bring them: checked against the
	 * hash, synced. Rejects with BodyUnavailable when they are wrong (`bytes` may only reject with that), StoreFull or
	 * StoreFailed. Resolves at once, and reads nothing, where the body is here.
	 */
	takeIn(ref: BodyRef, bytes: AsyncIterable<Uint8Array>): Promise<void>;
	/**
	 * Forgets these blocks here; no other node is touched. Their room on the disk comes back with compact(). A fetch or
	 * read that begins meanwhile waits, so that it does not find half of a body. Harmless for what is not here.
	 */
	clear(drive: string, ranges: readonly BlockRange[]): Promise<void>;
	/** The blocks of a drive that lie here, ascending; empty for a drive that is not known here. */
	held(drive: string): Promise<readonly BlockRange[]>;
	/** Of each drive of others that is held here, how long it is here, durably: it never becomes shorter. */
	copiedLengths(): Promise<ReadonlyMap<string, number>>;
	/** Gives the room of what was cleared back to the disk: in the background, and no longer than it has to. */
	compact(): Promise<void>;
	/** Bytes that the bodies take on the disk now, with what was cleared and not given back yet. */
	diskBytes(): Promise<number>;
}
