/**
 * Message bodies in hyperdrives: one drive for each incarnation of a node, written only by it, copied by the others
 * body by body. A body is found by its reference alone (core, blocks, hash), never by a path. Whatever is told to have
 * been stored here has been synced to disk before. What mail is, or who may read it, must never be known here.
 */

import { join } from "node:path";
import type { NodeId } from "../ids.ts";
import {
	BODIES_KNOWN_MAX,
	BODIES_MEMORY_BYTES_MAX,
	BODIES_RECENT_BYTES_MAX,
	BODY_COPY_MILLISECONDS_MAX,
	BODY_FETCH_MILLISECONDS_MAX,
} from "../limits.ts";
import type { StreamSource } from "../network/streams.ts";
import {
	type AppendedBodies,
	type BlockRange,
	type BodyPiece,
	type BodyRef,
	type BodyState,
	BodyUnavailable,
	type BodyWriter,
	type ReclaimableBodies,
} from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { StoreFailed } from "../ports/store.ts";
import { Appender } from "./append.ts";
import { Compaction } from "./compaction.ts";
import { mayComeFromPeers } from "./content.ts";
import { Downloads } from "./downloads.ts";
import { Drives } from "./drives.ts";
import { GroupSync, type SyncToDisk } from "./durable.ts";
import { DriveCut, DriveShort, storeFault } from "./faults.ts";
import { FetchQueue } from "./fetch.ts";
import { Gate } from "./gate.ts";
import { Hope } from "./hope.ts";
import { KnownBodies } from "./known.ts";
import { LocalBodies } from "./local.ts";
import { openParts, type Parts } from "./parts.ts";
import { RecentBodies } from "./recent.ts";
import { databaseBytes } from "./reclaim.ts";
import {
	BLOCK_BYTES,
	checkReference,
	clampRange,
	isSane,
} from "./reference.ts";
import { DiskRoom } from "./room.ts";
import { Replication } from "./streams.ts";
import { Takings } from "./taking.ts";
import { DriveWriter, MemoryBudget, type WriterHost } from "./writer.ts";

export { DriveCut, DriveShort };

export interface OpenBodiesOptions {
	/** Folder of the body store; made when it is not there. */
	readonly directory: string;
	readonly drive: {
		/** One for each incarnation, for instance its origin id. */
		readonly name: string;
		/** What lengthBlocks() said last, as the caller kept it durably; 0 for a new drive. */
		readonly lengthBlocksAtLeast: number;
	};
	readonly streams: StreamSource;
	readonly clock: Clock;
	readonly log: Log;
	/** For tests: stands in front of the sync of RocksDB's log. */
	readonly wrapSync?: (sync: SyncToDisk) => SyncToDisk;
}

/**
 * Opens the body store and this incarnation's drive in it. Rejects with DriveShort when the drive has lost its tail
 * (open again with another name), with StoreFailed when the folder cannot be used, with StoreFull when there is no room.
 */
export async function openBodies(
	options: OpenBodiesOptions,
): Promise<DriveBodies> {
	return new DriveBodies(options, await openParts(options));
}

export class DriveBodies implements ReclaimableBodies {
	readonly drive: string;
	/** What was damaged when the store was opened, so that bodies may be gone that were here; undefined where nothing was. */
	readonly dropped: string | undefined;
	/** Which of its files of values are shorter than they were, or gone: any body may be in them. */
	readonly cutFiles: readonly string[];
	readonly #options: OpenBodiesOptions;
	readonly #parts: Parts;
	readonly #sync: GroupSync;
	readonly #gate = new Gate();
	readonly #room: DiskRoom;
	readonly #drives: Drives;
	readonly #local: LocalBodies;
	readonly #appender: Appender;
	readonly #fetches: FetchQueue;
	readonly #takings: Takings;
	#onAppended: (appended: AppendedBodies) => void = () => {};
	readonly #replication: Replication;
	/** By drive: whose it is. */
	#owners: ReadonlyMap<string, NodeId> = new Map();
	/** As said last, durably. */
	#copied: ReadonlyMap<string, number> = new Map();
	readonly #known = new KnownBodies(BODIES_KNOWN_MAX);
	readonly #recent = new RecentBodies(BODIES_RECENT_BYTES_MAX, BLOCK_BYTES);
	readonly #compaction: Compaction;
	readonly #writerHost: WriterHost;
	/** What is being cleared: whoever looks for a body waits for it. */
	#clearing: Promise<void> = Promise.resolve();
	#closing: Promise<void> | undefined;

	/** Use openBodies(). */
	constructor(options: OpenBodiesOptions, parts: Parts) {
		this.#options = options;
		this.#parts = parts;
		const { store, blobs, logs } = parts;
		this.drive = blobs.core.key.toString("hex");
		this.dropped = parts.dropped;
		this.cutFiles = parts.cutFiles;
		const sync: SyncToDisk = () => logs.sync();
		this.#sync = new GroupSync(options.wrapSync?.(sync) ?? sync);
		this.#drives = new Drives(
			store,
			blobs.core,
			options.clock,
			options.log,
			(error) => this.#refused(error),
		);
		this.#local = new LocalBodies(this.#drives, parts.handed);
		this.#room = new DiskRoom(options.directory, options.clock, () =>
			this.#resume(),
		);
		this.#appender = new Appender({
			room: this.#room,
			blobs,
			gate: this.#gate,
			sync: this.#sync,
			onDurable: (reference, bytes) => this.#came(reference, bytes),
			onAppended: (appended) => this.#onAppended(appended),
			onBroken: (error) => {
				options.log.error("the body store takes no more writes", { error });
				// The gate stays shut, so these would hang.
				this.#replication.close();
			},
		});
		const downloads = new Downloads({
			drives: this.#drives,
			room: this.#room,
			known: this.#known,
			log: options.log,
			clearing: () => this.#clearing,
			durable: () => this.#durable(),
		});
		this.#takings = new Takings({
			drives: this.#drives,
			room: this.#room,
			log: options.log,
			durable: () => this.#durable(),
			onDurable: (reference, bytes) => this.#came(reference, bytes),
		});
		const hope = new Hope(options.clock, (reference) =>
			this.#mayCome(reference),
		);
		this.#fetches = new FetchQueue(
			options.clock,
			async (reference, signal) => {
				if (await this.#local.wasHanded(reference)) this.#known.add(reference);
				else await downloads.download(reference, signal);
			},
			hope,
			(reference) => this.#local.isStranded(reference),
		);
		this.#replication = new Replication(
			store,
			options.streams,
			this.#gate,
			options.log,
			() => hope.renew(),
		);
		this.#compaction = new Compaction(parts.storage, this.#room, () =>
			this.diskBytes(),
		);
		let files = 0;
		this.#writerHost = {
			memory: new MemoryBudget(BODIES_MEMORY_BYTES_MAX),
			spoolFile: () => join(parts.spool, `${process.pid}-${files++}`),
			append: (body) => this.#appender.append(body),
		};
	}

	#came(reference: BodyRef, bytes: Uint8Array | undefined): void {
		this.#known.add(reference);
		// The index reads it next, and so does a client that was just told of it.
		if (bytes !== undefined && this.#recent.takes(reference))
			this.#recent.add(reference, bytes);
	}

	create(): BodyWriter {
		if (this.#closing !== undefined)
			throw new StoreFailed("the body store is closed");
		return new DriveWriter(this.#writerHost);
	}

	async has(reference: BodyRef): Promise<boolean> {
		await this.#clearing;
		if (this.#known.has(reference) && isSane(reference)) return true;
		if ((await this.#look(reference)) !== "whole") return false;
		// It may have come just now, in a fetch that was given up.
		await this.#durable();
		this.#known.add(reference);
		return true;
	}

	async verify(reference: BodyRef): Promise<BodyState> {
		const state = await this.#look(reference);
		if (state !== "whole") this.#forget(reference);
		return state;
	}

	async #look(reference: BodyRef): Promise<BodyState> {
		try {
			checkReference(reference);
			return await this.#local.state(reference);
		} catch (error) {
			const { hash } = reference;
			this.#options.log.warn("a body cannot be read here", { hash, error });
			return "damaged";
		}
	}

	async isStuck(reference: BodyRef): Promise<boolean> {
		return isSane(reference) && this.#local.isStuck(reference);
	}

	async takeIn(
		reference: BodyRef,
		bytes: AsyncIterable<Uint8Array>,
	): Promise<void> {
		if (this.#closing !== undefined)
			throw new StoreFailed("the body store is closed");
		if (await this.has(reference)) return;
		checkReference(reference);
		await this.#room.check(reference.sizeBytes);
		const { handed } = this.#parts;
		try {
			await handed.take(reference, bytes, this.#writerHost.spoolFile());
		} catch (error) {
			throw error instanceof BodyUnavailable
				? error
				: await this.#room.fault(error);
		}
		this.#known.add(reference);
		this.#fetches.arrived(reference);
	}

	async fetch(reference: BodyRef): Promise<void> {
		return this.#ensure(reference, false);
	}

	onAppended(run: (appended: AppendedBodies) => void): void {
		this.#onAppended = run;
	}

	lengthAt(node: NodeId): number | undefined {
		for (const peer of this.#parts.blobs.core.peers)
			if (this.#replication.memberOf(peer.stream) === node)
				return Math.max(peer.remoteLength, peer.pushedLength);
		return undefined;
	}

	async take(from: NodeId, piece: BodyPiece): Promise<boolean> {
		const isOwners = this.#owners.get(piece.drive) === from;
		if (!isOwners || piece.drive === this.drive || this.#closing !== undefined)
			return false;
		return this.#takings.take(piece);
	}

	async read(
		reference: BodyRef,
		start?: number,
		end?: number,
	): Promise<Uint8Array> {
		checkReference(reference);
		// What is forgotten as known may have been cleared, or be damaged.
		const held = this.#known.has(reference)
			? this.#recent.get(reference, start, end)
			: undefined;
		if (held !== undefined) return held;
		if (this.#recent.takes(reference)) {
			const whole =
				(await this.#readHere(reference)) ?? (await this.#readAll(reference));
			return this.#recent.add(reference, whole, start, end);
		}
		return this.#readAll(reference, start, end);
	}

	/**
	 * A small body that nobody has asked for since the start: what is read to check it is what is given. Undefined: it does
	 * not lie here, or not right, and is to be fetched.
	 */
	async #readHere(reference: BodyRef): Promise<Uint8Array | undefined> {
		if (this.#known.has(reference) || !this.#local.lies(reference))
			return undefined;
		await this.#clearing;
		const whole = await this.#local.whole(reference).catch((error) => {
			const { hash } = reference;
			this.#options.log.debug("a body cannot be read here", { hash, error });
			return undefined;
		});
		if (whole === undefined) return undefined;
		// As in has().
		await this.#durable();
		this.#known.add(reference);
		return whole;
	}

	async #readAll(
		reference: BodyRef,
		start?: number,
		end?: number,
	): Promise<Uint8Array> {
		const chunks: Uint8Array[] = [];
		for await (const chunk of this.stream(reference, start, end))
			chunks.push(chunk);
		return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
	}

	async *stream(
		reference: BodyRef,
		start?: number,
		end?: number,
	): AsyncGenerator<Uint8Array> {
		await this.#ensure(reference, true);
		try {
			yield* this.#local.read(reference, clampRange(reference, start, end));
		} catch (error) {
			// The next read looks again, and fetches it anew.
			this.#forget(reference);
			throw error instanceof BodyUnavailable
				? error
				: storeFault(error, this.#options.directory);
		}
	}

	/** It is not here, or not right. */
	#forget(reference: BodyRef): void {
		this.#known.delete(reference);
		this.#recent.clear();
	}

	setDrives(drives: readonly { node: NodeId; drive: string }[]): void {
		this.#owners = new Map(drives.map(({ node, drive }) => [drive, node]));
		this.#drives.set(drives.map(({ drive }) => drive));
	}

	setPacking(packs: boolean): void {
		this.#appender.packs = packs;
	}

	lengthBlocks(): number {
		return this.#appender.lengthBlocks;
	}

	sizeBytes(): number {
		return this.#appender.sizeBytes;
	}

	clear(drive: string, ranges: readonly BlockRange[]): Promise<void> {
		// What is known to lie here is forgotten before the first block goes.
		for (const range of ranges) this.#known.deleteRange(drive, range);
		this.#recent.clear();
		const cleared = this.#clearing.then(() => this.#clear(drive, ranges));
		this.#clearing = cleared.catch(() => {});
		return cleared;
	}

	async #clear(drive: string, ranges: readonly BlockRange[]): Promise<void> {
		try {
			await this.#local.clear(drive, ranges);
		} catch (error) {
			throw await this.#room.fault(error);
		}
	}

	async held(drive: string): Promise<readonly BlockRange[]> {
		return this.#local.held(drive);
	}

	async copiedLengths(): Promise<ReadonlyMap<string, number>> {
		const lengths = await this.#drives.lengths();
		const grew = [...lengths].some(
			([drive, length]) => this.#copied.get(drive) !== length,
		);
		if (grew) await this.#durable();
		this.#copied = lengths;
		return lengths;
	}

	/** What is shorter here than these drives were; undefined where nothing is. */
	async shortened(
		lengths: ReadonlyMap<string, number>,
	): Promise<string | undefined> {
		for (const [drive, length] of lengths) {
			const core = await this.#drives.get(drive).catch((error: Error) => error);
			if (core instanceof Error) return core.message;
			if (core.length < length)
				return `the copy of drive ${drive.slice(0, 16)} has ${core.length} blocks, and had ${length}`;
		}
		return undefined;
	}

	async diskBytes(): Promise<number> {
		const { database, handed } = this.#parts;
		return (await databaseBytes(database)) + handed.sizeBytes;
	}

	compact(): Promise<void> {
		return this.#compaction.run();
	}

	/** Waits for commits that have begun; fetches and reads that wait end with BodyUnavailable. */
	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await this.#appender.close();
		this.#fetches.close();
		await this.#clearing;
		// RocksDB must not be closed under it.
		await this.#compaction.ended();
		this.#replication.close();
		await this.#drives.close();
		await this.#parts.own.close();
		await this.#parts.store.close();
		// A fetch may just be syncing what it brought.
		await this.#sync.durable().catch(() => {});
		await this.#parts.logs.close();
	}

	async #ensure(reference: BodyRef, urgent: boolean): Promise<void> {
		checkReference(reference);
		if (this.#known.has(reference)) return;
		if ((await this.#takings.coming(reference)) && this.#known.has(reference))
			return;
		await this.#fetches.fetch(reference, {
			urgent,
			timeoutMilliseconds: urgent
				? BODY_FETCH_MILLISECONDS_MAX
				: BODY_COPY_MILLISECONDS_MAX,
		});
	}

	/** Its owner is connected, who had it before anybody heard of it, or members that have it. */
	async #mayCome(reference: BodyRef): Promise<boolean> {
		const owner = this.#owners.get(reference.drive);
		if (owner !== undefined && this.#replication.isJoined(owner)) return true;
		try {
			const core = await this.#drives.get(reference.drive);
			return mayComeFromPeers(core, reference);
		} catch (error) {
			if (error instanceof BodyUnavailable) return false;
			throw error;
		}
	}

	async #durable(): Promise<void> {
		try {
			await this.#sync.durable();
		} catch (error) {
			throw storeFault(error, this.#options.directory);
		}
	}

	#refused(error: unknown): void {
		// Remembers a full disk, so that it is noticed when there is room again.
		void this.#room.fault(error);
	}

	#resume(): void {
		this.#options.log.info("there is room on the disk again");
		void this.#drives.resume();
	}
}
