/** One node's simulated body store and its disk; what the nodes share is in bodies.ts. */
import { createHash } from "node:crypto";
import {
	blocksOf,
	checkReference,
	clampRange,
	placeKey,
} from "../bodies/reference.ts";
import { bodyHash, type NodeId } from "../ids.ts";
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
import { StoreFailed, StoreFull } from "../ports/store.ts";
import type { SimBodiesWorld } from "./bodies.ts";
import {
	bytesOn,
	clearOn,
	DAMAGED,
	driveOf,
	heldOn,
	lyingOn,
	type SimBlob,
	type SimDisk,
	wholeOn,
} from "./body-disk.ts";
import { BodyLife } from "./body-life.ts";
import { BodySearch } from "./body-search.ts";
import { BodySyncs } from "./body-syncs.ts";
import { SimWriter } from "./body-writer.ts";

export class SimBodies implements ReclaimableBodies {
	readonly drive: string;
	/** What was said last. */
	packs = false;
	readonly node: NodeId;
	readonly #world: SimBodiesWorld;
	readonly #disk: SimDisk;
	readonly #life: BodyLife;
	readonly #syncs: BodySyncs;
	readonly #search: BodySearch<SimBodies>;
	/** By drive: whose it is. */
	#owners: ReadonlyMap<string, NodeId> = new Map();
	/** Written after the last durable block, in order. */
	#appendedBlocks: number;
	#appendedBytes: number;
	#onAppended: (appended: AppendedBodies) => void = () => {};
	/** What members sent unasked is taken one after the other. */
	#taking: Promise<unknown> = Promise.resolve();
	/** By place: bodies that are being taken. */
	readonly #coming = new Map<string, Promise<boolean>>();

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
		this.#life = new BodyLife(clock);
		this.#syncs = new BodySyncs(
			this.#life,
			() => world.options.syncMilliseconds?.(node) ?? 1,
			() => world.arrived(),
		);
		this.#search = new BodySearch({
			clock,
			life: this.#life,
			holder: (reference) => world.holder(node, reference),
			mayCome: (reference) => this.#mayCome(reference),
		});
	}

	create(): BodyWriter {
		if (!this.#life.isOpen) throw new StoreFailed("the body store is closed");
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
		return lyingOn(this.#disk, reference) === undefined ? "missing" : "damaged";
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
		if (!this.#life.isOpen) await this.#life.ended();
		if (this.blob(reference) !== undefined) return;
		const hash = createHash("sha256");
		const chunks: Uint8Array[] = [];
		for await (const chunk of bytes) {
			hash.update(chunk);
			chunks.push(Uint8Array.from(chunk));
		}
		if (!this.#life.isOpen) await this.#life.ended();
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
		if (this.#life.isDead) return new Promise(() => {});
		const [body] = bodies;
		const [bytes] = blocks;
		if (!this.#life.isOpen || body === undefined || bytes === undefined)
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
		if (!this.#life.isOpen) await this.#life.ended();
		clearOn(this.#disk, drive, ranges);
	}

	async held(drive: string): Promise<readonly BlockRange[]> {
		return heldOn(this.#disk, drive);
	}

	async copiedLengths(): Promise<ReadonlyMap<string, number>> {
		const { drives } = this.#disk;
		const copied = [...drives].filter(([drive]) => drive !== this.drive);
		return new Map(
			copied.map(([drive, { lengthBlocks }]) => [drive, lengthBlocks]),
		);
	}

	async compact(): Promise<void> {}

	async diskBytes(): Promise<number> {
		return bytesOn(this.#disk);
	}

	async close(): Promise<void> {
		if (!this.#life.isOpen) return;
		this.#life.close();
		await this.#syncs.idle();
		this.#life.end();
		this.#world.closed(this.node);
	}

	/** For the world: as crash(). */
	die(): void {
		this.#syncs.drop();
		this.#life.die();
	}

	/** For the world: what lies here durably as the reference says, with the right hash. */
	blob(reference: BodyRef): SimBlob | undefined {
		return wholeOn(this.#disk, reference);
	}

	/** For the world: something arrived somewhere. */
	look(): void {
		this.#search.look();
	}

	async #append(bytes: Uint8Array): Promise<BodyRef> {
		if (!this.#life.isOpen) await this.#life.ended();
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
		await this.#syncs.durable(() => {
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

	async #ensure(reference: BodyRef, urgent: boolean): Promise<void> {
		checkReference(reference);
		if (!this.#life.isOpen) await this.#life.ended();
		if (this.blob(reference) !== undefined) return;
		await this.#coming.get(placeKey(reference.drive, reference.blob[1]));
		if (this.blob(reference) !== undefined) return;
		const lying = lyingOn(this.#disk, reference);
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
			const holder = await this.#search.find(reference, deadline, urgent);
			const bytes = holder.blob(reference)?.bytes;
			await this.#life.wait(
				(delayMilliseconds?.(this.node, holder.node) ?? 1) +
					(delayMilliseconds?.(holder.node, this.node) ?? 1),
			);
			if (!this.#life.isOpen) await this.#life.ended();
			// Cut on the way: what was asked for does not arrive, and is asked for again.
			if (bytes !== undefined && this.#reaches(holder)) {
				await this.#keep(reference, bytes, holder.lengthOf(reference.drive));
				return;
			}
		}
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
			holder.#life.isOpen &&
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
		await this.#syncs.durable(() => {
			const drive = driveOf(this.#disk, reference.drive);
			drive.lengthBlocks = Math.max(drive.lengthBlocks, lengthBlocks);
			drive.blobs.set(reference.blob[1], { hash: reference.hash, bytes });
		});
	}
}
