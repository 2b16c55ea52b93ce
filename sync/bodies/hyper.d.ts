/** The part of the hyper* packages that sync/bodies uses; they come without types. */

declare module "corestore" {
	import type { Hypercore } from "hypercore";
	import type CorestoreStorage from "hypercore-storage";

	/** Many cores in one storage. */
	export default class Corestore {
		constructor(storage: CorestoreStorage);
		ready(): Promise<void>;
		close(): Promise<void>;
		namespace(name: string): Corestore;
		/** A session of the core; opens it, and creates it when it is not known yet. */
		get(options: {
			key: Buffer;
			/** Least and most requests in flight to one peer. */
			inflightRange?: [number, number];
		}): Hypercore;
		/** Exchanges all open cores over the stream. */
		replicate(stream: import("@hyperswarm/secret-stream").default): unknown;
	}
}

declare module "hypercore-storage" {
	/** One RocksDB, in the folder `db` of the directory. One process owns it. */
	export default class CorestoreStorage {
		constructor(
			directory: string,
			options?: {
				/** Opens a folder that was copied from elsewhere. */
				allowBackup?: boolean;
				/** Bytes written before they are moved from the log into tables, 64 MiB by default. */
				writeBufferSize?: number;
			},
		);
		/** RocksDB's CompactRange over everything. */
		compact(options: {
			/** 1: rewrites the blob files that hold garbage, whatever the policy of normal compactions is. */
			blobGarbageCollectionPolicy: number;
			/** Share of blob files, from the oldest, that are looked at: 1 is all. */
			blobGarbageCollectionAgeCutoff: number;
			/** 2: also what lies in the last level already. */
			bottommostLevelCompaction: number;
			exclusive: boolean;
		}): Promise<void>;
	}
}

declare module "hypercore" {
	import type { EventEmitter } from "node:events";

	/** What a `get` or `download` asked for and has not got yet. */
	export type ActiveRequests = unknown[];

	export interface Hypercore extends EventEmitter {
		readonly key: Buffer;
		readonly length: number;
		readonly byteLength: number;
		/** `paused`: nothing is asked of the peer any more, as what it gave could not be taken. */
		readonly peers: readonly { paused: boolean }[];
		readonly closed: boolean;
		readonly core: {
			/** Which blocks lie here; -1 for none. */
			readonly bitfield: {
				firstSet(from: number): number;
				firstUnset(from: number): number;
			};
		};
		ready(): Promise<void>;
		close(): Promise<void>;
		/** True when all of the blocks lie here. */
		has(start: number, end?: number): Promise<boolean>;
		/** Asks peers when the block is not here; null only with `wait: false`. */
		get(
			index: number,
			options?: { wait?: boolean; activeRequests?: ActiveRequests },
		): Promise<Buffer | null>;
		download(range: {
			start: number;
			end: number;
			linear?: boolean;
			activeRequests?: ActiveRequests;
		}): { done(): Promise<unknown>; destroy(): void };
		clear(start: number, end: number): Promise<unknown>;
		/** Rejects what these requests wait for. */
		clearRequests(requests: ActiveRequests, error: Error): void;
	}
}

declare module "hyperblobs" {
	import type { Hypercore } from "hypercore";

	export interface BlobId {
		byteOffset: number;
		blockOffset: number;
		blockLength: number;
		byteLength: number;
	}
	export interface BlobsBatch {
		put(bytes: Uint8Array): Promise<BlobId>;
		flush(): Promise<void>;
	}
	export default class Hyperblobs {
		readonly core: Hypercore;
		batch(): BlobsBatch;
	}
}

declare module "hyperdrive" {
	import type Corestore from "corestore";
	import type Hyperblobs from "hyperblobs";

	export default class Hyperdrive {
		constructor(store: Corestore);
		ready(): Promise<void>;
		/** Closes the corestore it was given as well. */
		close(): Promise<void>;
		getBlobs(): Promise<Hyperblobs>;
	}
}

declare module "@hyperswarm/secret-stream" {
	import type { Duplex } from "node:stream";

	/** Noise XX over a byte stream; the remote key is not checked: the stream below is already a member's. */
	export default class NoiseSecretStream extends Duplex {
		constructor(isInitiator: boolean, stream: Duplex);
	}
}

declare module "hypercore/lib/merkle-tree.js" {
	/** Reads that go together with tryFlush(). */
	export interface TreeRead {
		hasTreeNode(index: number): Promise<boolean>;
		tryFlush(): void;
	}
	export interface TreeSession {
		readonly storage: { read(): TreeRead };
	}
	export const MerkleTree: {
		missingNodes: (
			session: TreeSession,
			index: number,
			length: number,
		) => Promise<number>;
	};
}
