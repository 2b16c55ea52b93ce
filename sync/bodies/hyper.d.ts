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
	import type RocksDB from "rocksdb-native";

	/** All in one RocksDB, and in one column family of it, which it asks for when it is made. One process owns it. */
	export default class CorestoreStorage {
		constructor(
			database: RocksDB,
			options?: {
				/** Opens a folder that was copied from elsewhere. */
				allowBackup?: boolean;
			},
		);
		close(): Promise<void>;
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

declare module "rocksdb-native" {
	export interface ColumnFamilyOptions {
		/** Least bytes of a value that lies in a blob file. */
		minBlobSize?: number;
		/** Share of the blob files, from the oldest, whose values are moved to new ones when tables are merged. */
		blobGarbageCollectionAgeCutOff?: number;
		/** Bytes written before they are moved from the log into tables, 64 MiB by default. */
		writeBufferSize?: number;
	}
	export class ColumnFamily {
		constructor(name: string, options: ColumnFamilyOptions);
		readonly name: string;
		/** What it was made with. */
		readonly _options: ColumnFamilyOptions;
	}
	/** Opens, or makes, the database when it is first used. */
	export default class RocksDB {
		static readonly ColumnFamily: typeof ColumnFamily;
		constructor(folder: string, options?: ColumnFamilyOptions);
		columnFamily(family: ColumnFamily): RocksDB;
	}
}

declare module "hypercore" {
	import type { EventEmitter } from "node:events";

	/** What a `get` or `download` asked for and has not got yet. */
	export type ActiveRequests = unknown[];

	/** A member that the core is exchanged with over one stream. */
	export interface ReplicatorPeer {
		/** Nothing is asked of it any more, as what it gave could not be taken, or it lacked what it was asked for. */
		paused: boolean;
		/** How often it lacked what it was asked for, or could not make a proof: at 32 it is paused. */
		readonly stats: { notAvailableBackoffs: number; backoffs: number };
		/** What it has, as far as it told: all blocks below the length, and those of the bitfield. */
		readonly remoteContiguousLength: number;
		readonly remoteBitfield: { get(index: number): boolean };
		/** How long the core is there. */
		readonly remoteLength: number;
		/** Whether it can prove to a node that has the core up to `lengthAcked` that it is as long as it says. */
		readonly remoteCanUpgrade: boolean;
		readonly lengthAcked: number;
		/** Requests that it has not answered yet. */
		readonly inflight: number;
		/** The stream that they are exchanged over. */
		readonly stream: import("@hyperswarm/secret-stream").default;
		/** How long the core is there once what was sent to it has come. */
		readonly pushedLength: number;
		/** Tells it how long the core is here. */
		sendSync(): void;
	}

	/** Reads of RocksDB that go together. */
	export interface RocksRead {
		get(key: Uint8Array): Promise<Uint8Array | null>;
		tryFlush(): void;
		destroy(): void;
	}
	export interface RocksSession {
		/** `autoDestroy`: for one flush. */
		read(options: { autoDestroy: true }): RocksRead;
	}
	/** Where one core lies. */
	export interface CoreStorage {
		readonly db: RocksSession;
		/** A transaction that it is part of. */
		readonly atom: unknown;
		read(fork?: number): unknown;
	}

	export interface Hypercore extends EventEmitter {
		readonly key: Buffer;
		readonly length: number;
		readonly byteLength: number;
		readonly peers: readonly ReplicatorPeer[];
		readonly closed: boolean;
		readonly core: {
			readonly state: {
				readonly storage: CoreStorage;
				/** The owner's, of the core as long as it is here. */
				readonly signature: Uint8Array | null;
			};
			readonly replicator: {
				/** Whether new lengths of the core are asked for as soon as they are told, each by itself. */
				eagerUpgrade: boolean;
				/** Asks peers for what waits. */
				updateAll(): void;
			};
			/** Which blocks lie here; -1 for none. */
			readonly bitfield: {
				get(index: number): boolean;
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
		/**
		 * With the owner's signature also where that is another node: throws where it is not one of the core as it becomes by
		 * these blocks. Does nothing where the core would become longer than `maxLength`.
		 */
		append(
			blocks: readonly Uint8Array[],
			options: { signature: Uint8Array; maxLength: number },
		): Promise<unknown>;
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

declare module "hypercore/lib/session-state.js" {
	interface WriteBatch {
		deleteTreeNode(index: number): void;
	}
	export default class SessionState {
		clear(start: number, end: number, cleared?: unknown): Promise<void>;
		createWriteBatch(): WriteBatch;
	}
}

declare module "hypercore/lib/replicator.js" {
	/** What a peer asked for, and where it is to be read. */
	interface ProofRequest {
		readonly msg: { readonly id: number };
	}
	interface Peer {
		readonly core: {
			readonly state: { readonly length: number };
			readonly storage: { readonly store: { readonly path: string } };
		};
		/** How many messages of a kind were sent. */
		readonly stats: { readonly wireSync: { readonly tx: number } };
		readonly remoteOpened: boolean;
		readonly removed: boolean;
		readonly replicator: { readonly peers: readonly Peer[] };
		sendSync(): void;
		/** The core grew: tells the peer how long it is now, once it is known whether the peer can be brought there from here. */
		signalUpgrade(): void;
		/** Whether that is to be looked at: the peer is behind, and could not be brought up when it was looked at last. */
		_shouldUpdateCanUpgrade(): boolean;
		_updateCanUpgradeAndSync(): Promise<void>;
		_canUpgrade(length: number, fork: number): Promise<boolean>;
		/** What is being made of messages that it told its length with. */
		readonly syncsProcessing: number;
		onsync(message: { readonly length: number }): Promise<void>;
		/** Asked for nothing any more. */
		readonly paused: boolean;
		/** It does not have what it was asked for. */
		onnodata(message: unknown): void;
		/** Tells the peer which blocks came, or went. */
		broadcastRange(start: number, length: number, gone: boolean): void;
		onrange(message: unknown): Promise<void>;
		_handleData(data: unknown): Promise<void>;
		/** What it asked for and was not answered. */
		readonly remoteRequests: Map<number, ProofRequest["msg"]>;
		readonly wireNoData: {
			send(message: {
				readonly request: number;
				readonly reason: number;
			}): void;
		};
		/** Answers; rejects where the disk does not have what it takes. */
		_fulfillRequest(request: ProofRequest, unasked: boolean): Promise<void>;
		/** Asks the peer for a block. */
		_sendBlockRequest(request: unknown, block: unknown): void;
	}
	const Replicator: { readonly Peer: { readonly prototype: Peer } };
	export default Replicator;
	export type { Peer, ProofRequest };
}
