/** One node's simulated body store and its disk; what the nodes share is in bodies.ts. */
import { createHash } from "node:crypto";
import { Hope } from "../bodies/hope.ts";
import {
	blocksOf,
	checkReference,
	clampRange,
	placeKey,
} from "../bodies/reference.ts";
import { bodyHash, type Milliseconds, type NodeId } from "../ids.ts";
import {
	BODY_COPY_MILLISECONDS_MAX,
	BODY_FETCH_MILLISECONDS_MAX,
	BODY_MEMORY_BYTES_MAX,
} from "../limits.ts";
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
import type { Cancel } from "../ports/clock.ts";
import { StoreFailed, StoreFull } from "../ports/store.ts";
import type { SimBodiesWorld } from "./bodies.ts";
import { SimWriter } from "./body-writer.ts";

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

/** How often a fetch looks again whether someone connected has the body. */
const LOOK_AGAIN_MILLISECONDS = 100;

/** The drive with this key on the disk, made when it is not there. */
export function driveOf(disk: SimDisk, key: string): SimDrive {
	let drive = disk.drives.get(key);
	if (drive === undefined) {
		drive = { blobs: new Map(), lengthBlocks: 0, sizeBytes: 0 };
		disk.drives.set(key, drive);
	}
	return drive;
}

/** A write to disk that the next sync makes durable. */
interface Unsynced {
	readonly apply: () => void;
	readonly resolve: () => void;
	readonly reject: (error: Error) => void;
}

/** A fetch that waits for someone to have the body. */
interface Looking {
	readonly reference: BodyRef;
	readonly found: (holder: SimBodies) => void;
}

export class SimBodies implements ReclaimableBodies {
	readonly drive: string;
	/** What was said last. */
	packs = false;
	readonly node: NodeId;
	readonly #world: SimBodiesWorld;
	readonly #disk: SimDisk;
	readonly #timers = new Set<Cancel>();
	readonly #looking = new Set<Looking>();
	readonly #hope: Hope;
	/** By drive: whose it is. */
	#owners: ReadonlyMap<string, NodeId> = new Map();
	/** Ends what waits, at close(). */
	readonly #endings = new Set<(error: Error) => void>();
	/** Written after the last durable block, in order. */
	#appendedBlocks: number;
	#appendedBytes: number;
	#unsynced: Unsynced[] = [];
	#syncing: Promise<void> | undefined;
	#onAppended: (appended: AppendedBodies) => void = () => {};
	/** What members sent unasked is taken one after the other. */
	#taking: Promise<unknown> = Promise.resolve();
	/** By place: bodies that are being taken. */
	readonly #coming = new Map<string, Promise<boolean>>();
	#state: "open" | "closed" | "dead" = "open";

	/** Use SimBodiesWorld.open(). */
	constructor(
		world: SimBodiesWorld,
		node: NodeId,
		disk: SimDisk,
		drive: string,
	) {
		this.#world = world;
		this.node = node;
		this.#disk = disk;
		this.drive = drive;
		const own = driveOf(disk, drive);
		this.#appendedBlocks = own.lengthBlocks;
		this.#appendedBytes = own.sizeBytes;
		const { clock } = world.options;
		this.#hope = new Hope(
			{
				monotonic: () => clock.monotonic(),
				after: (milliseconds, run) => this.#after(milliseconds, run),
			},
			(reference) => this.#mayCome(reference),
		);
	}

	create(): BodyWriter {
		if (this.#state !== "open")
			throw new StoreFailed("the body store is closed");
		return new SimWriter((bytes) => this.#append(bytes));
	}

	async has(reference: BodyRef): Promise<boolean> {
		try {
			checkReference(reference);
		} catch {
			return false;
		}
		return this.blob(reference) !== undefined;
	}

	async verify(reference: BodyRef): Promise<BodyState> {
		if (await this.has(reference)) return "whole";
		return this.#lying(reference) === undefined ? "missing" : "damaged";
	}

	fetch(reference: BodyRef): Promise<void> {
		return this.#ensure(reference, false);
	}

	async isStuck(reference: BodyRef): Promise<boolean> {
		return this.#world.holder(this.node, reference) === undefined;
	}

	async takeIn(
		reference: BodyRef,
		bytes: AsyncIterable<Uint8Array>,
	): Promise<void> {
		checkReference(reference);
		if (this.#state !== "open") await this.#ended();
		if (this.blob(reference) !== undefined) return;
		const hash = createHash("sha256");
		const chunks: Uint8Array[] = [];
		for await (const chunk of bytes) {
			hash.update(chunk);
			chunks.push(Uint8Array.from(chunk));
		}
		if (this.#state !== "open") await this.#ended();
		const whole = Buffer.concat(chunks);
		if (
			whole.length !== reference.sizeBytes ||
			hash.digest("hex") !== reference.hash
		)
			throw new BodyUnavailable("the body is not what its hash says");
		await this.#keep(reference, whole, 0);
	}

	onAppended(run: (appended: AppendedBodies) => void): void {
		this.#onAppended = run;
	}

	lengthAt(node: NodeId): number | undefined {
		if (!this.#world.isReached(this.node, node)) return undefined;
		return this.#world.running(node)?.lengthOf(this.drive);
	}

	/** For the world: blocks of a drive that are known here. */
	lengthOf(drive: string): number {
		return driveOf(this.#disk, drive).lengthBlocks;
	}

	take(from: NodeId, piece: BodyPiece): Promise<boolean> {
		const { drive, bodies } = piece;
		if (this.#owners.get(drive) !== from || drive === this.drive)
			return Promise.resolve(false);
		const taken = this.#taking.then(() => this.#take(piece));
		this.#taking = taken;
		for (const { blob } of bodies)
			this.#coming.set(placeKey(drive, blob[1]), taken);
		void taken.then(() => {
			for (const { blob } of bodies)
				if (this.#coming.get(placeKey(drive, blob[1])) === taken)
					this.#coming.delete(placeKey(drive, blob[1]));
		});
		return taken;
	}

	async #take({ drive, start, blocks, bodies }: BodyPiece): Promise<boolean> {
		if (this.#state === "dead") return new Promise(() => {});
		const [body] = bodies;
		const [bytes] = blocks;
		if (this.#state === "closed" || body === undefined || bytes === undefined)
			return false;
		if (this.lengthOf(drive) !== start || this.#disk.full) return false;
		if (createHash("sha256").update(bytes).digest("hex") !== body.hash)
			return false;
		await this.#keep(body, bytes, start + blocksOf(bytes.length));
		return true;
	}

	async read(
		reference: BodyRef,
		start?: number,
		end?: number,
	): Promise<Uint8Array> {
		await this.#ensure(reference, true);
		const range = clampRange(reference, start, end);
		const bytes = this.blob(reference)?.bytes;
		if (bytes === undefined) throw new BodyUnavailable("the body is gone");
		return bytes.slice(range.start, range.end);
	}

	async *stream(
		reference: BodyRef,
		start?: number,
		end?: number,
	): AsyncGenerator<Uint8Array> {
		const { start: from, end: to } = clampRange(reference, start, end);
		await this.#ensure(reference, true);
		for (let at = from; at < to; at += 64 * 1024)
			yield await this.read(reference, at, Math.min(to, at + 64 * 1024));
	}

	/** Every node serves what it has, whatever is listed. */
	setDrives(drives: readonly { node: NodeId; drive: string }[]): void {
		this.#owners = new Map(drives.map(({ node, drive }) => [drive, node]));
	}

	/** Bodies lie here as they are, whatever was said. */
	setPacking(packs: boolean): void {
		this.packs = packs;
	}

	lengthBlocks(): number {
		return driveOf(this.#disk, this.drive).lengthBlocks;
	}

	sizeBytes(): number {
		return driveOf(this.#disk, this.drive).sizeBytes;
	}

	async clear(drive: string, ranges: readonly BlockRange[]): Promise<void> {
		if (this.#state !== "open") await this.#ended();
		const blobs = this.#disk.drives.get(drive)?.blobs;
		for (const [offset, { bytes }] of blobs ?? [])
			if (
				ranges.some(
					({ start, end }) =>
						start < offset + blocksOf(bytes.length) && offset < end,
				)
			)
				blobs?.delete(offset);
	}

	async held(drive: string): Promise<readonly BlockRange[]> {
		const blobs = this.#disk.drives.get(drive)?.blobs;
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

	async compact(): Promise<void> {}

	async diskBytes(): Promise<number> {
		let bytes = 0;
		for (const { blobs } of this.#disk.drives.values())
			for (const blob of blobs.values()) bytes += blob.bytes.length;
		return bytes;
	}

	async close(): Promise<void> {
		if (this.#state !== "open") return;
		this.#state = "closed";
		await this.#syncing;
		for (const end of [...this.#endings])
			end(new BodyUnavailable("the body store is closed"));
		this.#stopTimers();
		this.#world.closed(this.node);
	}

	/** For the world: as crash(). */
	die(): void {
		this.#state = "dead";
		this.#unsynced = [];
		this.#stopTimers();
	}

	/** For the world: what lies here durably as the reference says, with the right hash. */
	blob(reference: BodyRef): SimBlob | undefined {
		// No block holds an empty body: it is everywhere.
		if (reference.hash === EMPTY.hash && reference.sizeBytes === 0)
			return EMPTY;
		const blob = this.#lying(reference);
		return blob?.hash === reference.hash &&
			blob.bytes.length === reference.sizeBytes
			? blob
			: undefined;
	}

	/** For the world: something arrived somewhere. */
	look(): void {
		for (const looking of this.#looking) {
			const holder = this.#world.holder(this.node, looking.reference);
			if (holder !== undefined) looking.found(holder);
		}
	}

	#lying({ drive, blob }: BodyRef): SimBlob | undefined {
		return this.#disk.drives.get(drive)?.blobs.get(blob[1]);
	}

	async #append(bytes: Uint8Array): Promise<BodyRef> {
		if (this.#state !== "open") await this.#ended();
		const hash = createHash("sha256").update(bytes).digest("hex");
		const blockOffset = this.#appendedBlocks;
		const byteOffset = this.#appendedBytes;
		const blocks = blocksOf(bytes.length);
		if (this.#disk.full) throw new StoreFull("the simulated disk is full");
		this.#appendedBlocks += blocks;
		this.#appendedBytes += bytes.length;
		const reference: BodyRef = {
			hash: bodyHash(hash),
			sizeBytes: bytes.length,
			drive: this.drive,
			blob: [byteOffset, blockOffset, blocks, bytes.length],
		};
		await this.#durable(() => {
			const own = driveOf(this.#disk, this.drive);
			if (blocks > 0) own.blobs.set(blockOffset, { hash, bytes });
			own.lengthBlocks = blockOffset + blocks;
			own.sizeBytes = byteOffset + bytes.length;
			this.#tell(reference, bytes);
		});
		return reference;
	}

	/** As one block, whatever its size; the signature is of no account here. */
	#tell(body: BodyRef, bytes: Uint8Array): void {
		const bodies = [body];
		if (bytes.length === 0 || bytes.length > BODY_MEMORY_BYTES_MAX) {
			this.#onAppended({ bodies });
			return;
		}
		const { drive } = this;
		const signature = new Uint8Array(64);
		const start = body.blob[1];
		const piece = { drive, start, blocks: [bytes], signature, bodies };
		this.#onAppended({ bodies, piece });
	}

	/** Resolves after a sync that started after the call; `apply` runs when it is done. */
	#durable(apply: () => void): Promise<void> {
		const written = new Promise<void>((resolve, reject) =>
			this.#unsynced.push({ apply, resolve, reject }),
		);
		this.#syncing ??= this.#sync();
		return written;
	}

	async #sync(): Promise<void> {
		while (this.#unsynced.length > 0) {
			const group = this.#unsynced;
			this.#unsynced = [];
			const milliseconds =
				this.#world.options.syncMilliseconds?.(this.node) ?? 1;
			await new Promise<void>((resolve) => {
				this.#after(milliseconds, resolve);
			});
			for (const { apply, resolve } of group) {
				apply();
				resolve();
			}
			this.#world.arrived();
		}
		this.#syncing = undefined;
	}

	async #ensure(reference: BodyRef, urgent: boolean): Promise<void> {
		checkReference(reference);
		if (this.#state !== "open") await this.#ended();
		if (this.blob(reference) !== undefined) return;
		await this.#coming.get(placeKey(reference.drive, reference.blob[1]));
		if (this.blob(reference) !== undefined) return;
		const lying = this.#lying(reference);
		// What cannot be read is cleared before it is fetched again.
		if (lying?.hash === DAMAGED)
			this.#disk.drives.get(reference.drive)?.blobs.delete(reference.blob[1]);
		else if (lying !== undefined)
			throw new BodyUnavailable("the body is wrong at every member");
		const { clock, delayMilliseconds } = this.#world.options;
		const deadline =
			clock.monotonic() +
			(urgent ? BODY_FETCH_MILLISECONDS_MAX : BODY_COPY_MILLISECONDS_MAX);
		for (;;) {
			const holder = await this.#find(reference, deadline, urgent);
			const bytes = holder.blob(reference)?.bytes;
			await this.#wait(
				(delayMilliseconds?.(this.node, holder.node) ?? 1) +
					(delayMilliseconds?.(holder.node, this.node) ?? 1),
			);
			if (this.#state !== "open") await this.#ended();
			// Cut on the way: what was asked for does not arrive, and is asked for again.
			if (bytes !== undefined && this.#reaches(holder)) {
				await this.#keep(reference, bytes, holder.lengthOf(reference.drive));
				return;
			}
		}
	}

	/** Rejects when closed; for the dead it never settles. */
	#ended(): Promise<never> {
		if (this.#state === "dead") return new Promise(() => {});
		return Promise.reject(new BodyUnavailable("the body store is closed"));
	}

	#mayCome(reference: BodyRef): boolean {
		const owner = this.#owners.get(reference.drive);
		return (
			(owner !== undefined && this.#world.isReached(this.node, owner)) ||
			this.#world.holder(this.node, reference) !== undefined
		);
	}

	#reaches(holder: SimBodies): boolean {
		return (
			holder.#state === "open" &&
			this.#world.options.connected(this.node, holder.node)
		);
	}

	/** With it becomes known how long the drive is. */
	async #keep(
		reference: BodyRef,
		bytes: Uint8Array,
		lengthBlocks: number,
	): Promise<void> {
		if (this.#disk.full) throw new StoreFull("the simulated disk is full");
		await this.#durable(() => {
			const drive = driveOf(this.#disk, reference.drive);
			drive.lengthBlocks = Math.max(drive.lengthBlocks, lengthBlocks);
			drive.blobs.set(reference.blob[1], { hash: reference.hash, bytes });
		});
	}

	/** Someone connected who has the body; rejects with BodyUnavailable at the deadline. */
	#find(
		reference: BodyRef,
		deadline: Milliseconds,
		urgent: boolean,
	): Promise<SimBodies> {
		const now = this.#world.holder(this.node, reference);
		if (now !== undefined) return Promise.resolve(now);
		return new Promise((resolve, reject) => {
			let stop: Cancel = () => {};
			let unwatch: Cancel = () => {};
			const end = () => {
				stop();
				unwatch();
				this.#looking.delete(looking);
				this.#endings.delete(fail);
			};
			const fail = (error: Error) => {
				end();
				reject(error);
			};
			const looking: Looking = {
				reference,
				found: (holder) => {
					end();
					resolve(holder);
				},
			};
			const lookAgain = () => {
				const holder = this.#world.holder(this.node, reference);
				const left = deadline - this.#world.options.clock.monotonic();
				if (holder !== undefined) looking.found(holder);
				else if (left <= 0)
					fail(new BodyUnavailable("no connected member has the body"));
				else
					stop = this.#after(
						Math.min(left, LOOK_AGAIN_MILLISECONDS),
						lookAgain,
					);
			};
			this.#looking.add(looking);
			this.#endings.add(fail);
			if (urgent)
				unwatch = this.#hope.watch(reference, () =>
					fail(new BodyUnavailable("no connected member has the body")),
				);
			lookAgain();
		});
	}

	/** Rejects when the store is closed meanwhile. */
	#wait(milliseconds: Milliseconds): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#endings.add(reject);
			this.#after(milliseconds, () => {
				this.#endings.delete(reject);
				resolve();
			});
		});
	}

	/** A timer that dies with the process. */
	#after(milliseconds: Milliseconds, run: () => void): Cancel {
		const cancel = this.#world.options.clock.after(milliseconds, () => {
			this.#timers.delete(cancel);
			run();
		});
		this.#timers.add(cancel);
		return () => {
			cancel();
			this.#timers.delete(cancel);
		};
	}

	#stopTimers(): void {
		for (const cancel of this.#timers) cancel();
		this.#timers.clear();
	}
}
