/**
 * The body store's exact twin in memory, for a whole cluster: drives of one incarnation each, group commit with a
 * simulated sync, copies fetched from connected nodes after a delay. A crash loses what was not synced; a lost disk all.
 * No wall clock, no randomness of its own: a run depends on nothing but its seed.
 */
import { createHash } from "node:crypto";
import { DriveShort } from "../bodies/faults.ts";
import { blocksOf } from "../bodies/reference.ts";
import type { Milliseconds, NodeId } from "../ids.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { StoreFailed } from "../ports/store.ts";
import { DAMAGED, driveOf, type SimDisk } from "./body-disk.ts";
import { SimBodies } from "./body-store.ts";

export interface SimBodiesOptions {
	readonly clock: Clock;
	readonly random: Random;
	/** Whether bytes pass between two nodes now. Asked again and again. */
	readonly connected: (a: NodeId, b: NodeId) => boolean;
	/** False: nobody brings another one anything but of its own drive, as if hypercore could never prove where it lies. */
	readonly proves?: boolean;
	/** One way, default 1 ms. */
	readonly delayMilliseconds?: (from: NodeId, to: NodeId) => Milliseconds;
	/** How long a sync takes, default 1 ms. */
	readonly syncMilliseconds?: (node: NodeId) => Milliseconds;
}

export class SimBodiesWorld {
	readonly options: SimBodiesOptions;
	readonly #disks = new Map<NodeId, SimDisk>();
	readonly #running = new Map<NodeId, SimBodies>();

	constructor(options: SimBodiesOptions) {
		this.options = options;
	}

	/** As openBodies(): throws DriveShort, and StoreFailed when the node's store is open already. */
	open(
		node: NodeId,
		drive: { readonly name: string; readonly lengthBlocksAtLeast: number },
	): SimBodies {
		if (this.#running.has(node))
			throw new StoreFailed(`the body store of ${node} is in use`);
		const disk = this.#disk(node);
		const key = createHash("sha256")
			.update(disk.seed)
			.update(drive.name)
			.digest("hex");
		const { lengthBlocks } = driveOf(disk, key);
		if (lengthBlocks < drive.lengthBlocksAtLeast)
			throw new DriveShort(lengthBlocks, drive.lengthBlocksAtLeast);
		const bodies = new SimBodies(this, node, disk, key);
		this.#running.set(node, bodies);
		return bodies;
	}

	/** The process dies at once: what was not synced is gone, and its promises never settle, as those of the dead. */
	crash(node: NodeId): void {
		this.#running.get(node)?.die();
		this.#running.delete(node);
	}

	/** The disk of a crashed or closed node is gone. */
	loseDisk(node: NodeId): void {
		this.#disks.delete(node);
	}

	/** An independent copy of all that lies on the disk. */
	copyDisk(node: NodeId): SimDisk {
		return copyOf(this.#disk(node));
	}

	/** The disk of a crashed or closed node is replaced by a copy. */
	putDisk(node: NodeId, disk: SimDisk): void {
		this.#disks.set(node, copyOf(disk));
	}

	/** Commits and fetches of the node fail with StoreFull while it is full. */
	setFull(node: NodeId, full: boolean): void {
		this.#disk(node).full = full;
	}

	/** Whether the node's disk has the body, running or not. */
	holds(node: NodeId, { drive, blob, hash, sizeBytes }: BodyRef): boolean {
		if (sizeBytes === 0) return true;
		const lying = this.#disk(node).drives.get(drive)?.blobs.get(blob[1]);
		return lying?.hash === hash;
	}

	/** The bytes of a body cannot be read any more, as after damage to the disk; `lost`: there is no trace of it. */
	damage(node: NodeId, reference: BodyRef, how: "damaged" | "lost"): void {
		const blobs = this.#disk(node).drives.get(reference.drive)?.blobs;
		const lying = blobs?.get(reference.blob[1]);
		if (blobs === undefined || lying === undefined)
			throw new Error(`${node} does not have the body`);
		if (how === "lost") blobs.delete(reference.blob[1]);
		else blobs.set(reference.blob[1], { ...lying, hash: DAMAGED });
	}

	/** Cuts the tail off a drive, as damage would: the last `blocks` blocks. */
	truncate(node: NodeId, drive: string, blocks: number): void {
		const cut = driveOf(this.#disk(node), drive);
		cut.lengthBlocks = Math.max(0, cut.lengthBlocks - blocks);
		for (const [offset, { bytes }] of cut.blobs) {
			if (offset + blocksOf(bytes.length) <= cut.lengthBlocks) continue;
			cut.blobs.delete(offset);
			cut.sizeBytes -= bytes.length;
		}
	}

	/** For SimBodies: left the world by close(). */
	closed(node: NodeId): void {
		this.#running.delete(node);
	}

	/** For SimBodies: the open store of a node. */
	running(node: NodeId): SimBodies | undefined {
		return this.#running.get(node);
	}

	/** For SimBodies: runs, and is connected. */
	isReached(of: NodeId, node: NodeId): boolean {
		return (
			node !== of && this.#running.has(node) && this.options.connected(of, node)
		);
	}

	/** For SimBodies: a running, connected node that has the body durably. */
	holder(of: NodeId, reference: BodyRef): SimBodies | undefined {
		const { connected, proves = true } = this.options;
		for (const [node, bodies] of this.#running)
			if (
				node !== of &&
				connected(of, node) &&
				(proves || bodies.drive === reference.drive) &&
				bodies.blob(reference) !== undefined
			)
				return bodies;
		return undefined;
	}

	/** For SimBodies: fetches that wait look again. */
	arrived(): void {
		for (const bodies of this.#running.values()) bodies.look();
	}

	#disk(node: NodeId): SimDisk {
		let disk = this.#disks.get(node);
		if (disk === undefined) {
			const seed = this.options.random.bytes(16);
			disk = { seed, drives: new Map(), full: false };
			this.#disks.set(node, disk);
		}
		return disk;
	}
}

const copyOf = ({ seed, drives, full }: SimDisk): SimDisk => ({
	seed,
	drives: new Map(
		[...drives].map(([key, drive]) => [
			key,
			{ ...drive, blobs: new Map(drive.blobs) },
		]),
	),
	full,
});
