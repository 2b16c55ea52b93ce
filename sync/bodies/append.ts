/**
 * The one writer of this incarnation's drive. Group commit: whatever waits is appended in one batch and synced once.
 * Members may not see a block before it is durable here: were it lost in a power cut and another appended in its place,
 * the drive would fork and close on every member. So nothing leaves this node (the gate) from append to sync.
 */
import type { FileHandle } from "node:fs/promises";
import type Hyperblobs from "hyperblobs";
import type { BlobId, BlobsBatch } from "hyperblobs";
import {
	BODY_APPEND_BYTES_MAX,
	PUSH_PIECE_BODIES_MAX,
	PUSH_PIECE_BYTES,
} from "../limits.ts";
import type { AppendedBodies, BodyRef } from "../ports/bodies.ts";
import { StoreFailed } from "../ports/store.ts";
import type { GroupSync } from "./durable.ts";
import type { Gate } from "./gate.ts";
import { packedBlocks, plainBlocks } from "./packing.ts";
import { BLOCK_BYTES } from "./reference.ts";
import type { DiskRoom } from "./room.ts";
import type { WholeBody } from "./writer.ts";

/** Bytes copied from spool to drive in one append. A whole number of blocks, as only the last block of a body is short. */
const COPY_BYTES = 16 * BLOCK_BYTES;

interface Waiting {
	readonly body: WholeBody;
	readonly resolve: (reference: BodyRef) => void;
	readonly reject: (error: unknown) => void;
}

interface Appended {
	readonly waiting: Waiting;
	readonly id: BlobId;
}

/** What went into the drive at once: small bodies, or a large one. */
interface Piece {
	readonly appended: readonly Appended[];
	/** Of small ones: what members can take as it is. */
	readonly small?: {
		readonly start: number;
		readonly blocks: readonly Uint8Array[];
		readonly signature: Uint8Array;
	};
}

export interface AppenderOptions {
	readonly room: DiskRoom;
	readonly blobs: Hyperblobs;
	readonly gate: Gate;
	readonly sync: GroupSync;
	/** Told of each body once it is durable; `bytes` where they are in memory. */
	readonly onDurable: (
		reference: BodyRef,
		bytes: Uint8Array | undefined,
	) => void;
	/** Told of all that went in at once when it is durable, before those who wait for it. */
	readonly onAppended: (appended: AppendedBodies) => void;
	/** No write or sync can be trusted any more; told once. */
	readonly onBroken: (error: Error) => void;
}

export class Appender {
	readonly #options: AppenderOptions;
	#queue: Waiting[] = [];
	#working: Promise<void> | undefined;
	/** Why nothing is taken any more. */
	#refusal: Error | undefined;
	/** Whether blocks are packed: all members can read them so. */
	packs = false;
	#lengthBlocks: number;
	#sizeBytes: number;

	constructor(options: AppenderOptions) {
		this.#options = options;
		this.#lengthBlocks = options.blobs.core.length;
		this.#sizeBytes = options.blobs.core.byteLength;
	}

	/** Durable blocks of the drive. */
	get lengthBlocks(): number {
		return this.#lengthBlocks;
	}
	get sizeBytes(): number {
		return this.#sizeBytes;
	}

	/** Resolves when the body is in the drive and durable; rejects with StoreFull or StoreFailed, and it is not there. */
	append(body: WholeBody): Promise<BodyRef> {
		return new Promise((resolve, reject) => {
			if (this.#refusal !== undefined) {
				reject(this.#refusal);
				return;
			}
			this.#queue.push({ body, resolve, reject });
			this.#working ??= this.#work();
		});
	}

	/** Takes no more; resolves when what was taken is durable. */
	async close(): Promise<void> {
		this.#refusal ??= new StoreFailed("the body store is closed");
		await this.#working;
	}

	async #work(): Promise<void> {
		// Whoever calls in this turn goes along in the first group.
		await Promise.resolve();
		while (this.#queue.length > 0) await this.#group();
		this.#working = undefined;
	}

	/** The small bodies that wait, up to a bound, and the first large one. */
	#take(): Waiting[] {
		const taken: Waiting[] = [];
		const left: Waiting[] = [];
		let bytes = 0;
		let large = false;
		for (const one of this.#queue) {
			const spooled = !(one.body.content instanceof Uint8Array);
			const fits = spooled ? !large : bytes < BODY_APPEND_BYTES_MAX;
			(fits ? taken : left).push(one);
			if (spooled) large = true;
			else bytes += one.body.sizeBytes;
		}
		this.#queue = left;
		return taken;
	}

	async #group(): Promise<void> {
		const group = this.#take();
		const { gate, sync } = this.#options;
		gate.hold();
		const pieces: Piece[] = [];
		let failure: Error | undefined;
		try {
			await this.#appendAll(group, pieces);
		} catch (error) {
			failure = await this.#options.room.fault(error);
		}
		try {
			// Also after a failure: a part may have been appended, and will be seen.
			await sync.durable();
			gate.release();
		} catch (error) {
			// The gate stays shut: what is in memory may not be on the disk.
			this.#break(await this.#options.room.fault(error), group);
			return;
		}
		const { core } = this.#options.blobs;
		this.#lengthBlocks = core.length;
		this.#sizeBytes = core.byteLength;
		for (const piece of pieces) this.#settle(piece);
		// Harmless for those that were resolved.
		if (failure !== undefined) for (const one of group) one.reject(failure);
	}

	#settle({ appended, small }: Piece): void {
		const drive = this.#options.blobs.core.key.toString("hex");
		const bodies = appended.map(({ waiting, id }) =>
			referenceOf(waiting.body, drive, id),
		);
		for (const [i, { waiting }] of appended.entries()) {
			const { content } = waiting.body;
			this.#options.onDurable(
				bodies[i] as BodyRef,
				content instanceof Uint8Array ? content : undefined,
			);
		}
		const piece = small && { drive, ...small, bodies };
		this.#options.onAppended({ bodies, ...(piece && { piece }) });
		for (const [i, { waiting }] of appended.entries())
			waiting.resolve(bodies[i] as BodyRef);
	}

	#break(error: Error, group: readonly Waiting[]): void {
		this.#refusal = error;
		for (const one of [...group, ...this.#queue]) one.reject(error);
		this.#queue = [];
		this.#options.onBroken(error);
	}

	/** Fills `pieces` with what is in the drive; on a failure they hold what came before it. */
	async #appendAll(group: readonly Waiting[], pieces: Piece[]): Promise<void> {
		const { room } = this.#options;
		let some: Waiting[] = [];
		let bytes = 0;
		for (const waiting of group) {
			if (!(waiting.body.content instanceof Uint8Array)) continue;
			some.push(waiting);
			bytes += waiting.body.sizeBytes;
			if (bytes < PUSH_PIECE_BYTES && some.length < PUSH_PIECE_BODIES_MAX)
				continue;
			pieces.push(await this.#appendSmall(some, bytes));
			some = [];
			bytes = 0;
		}
		if (some.length > 0) pieces.push(await this.#appendSmall(some, bytes));
		for (const waiting of group) {
			const { content, sizeBytes } = waiting.body;
			if (content instanceof Uint8Array) continue;
			await room.check(sizeBytes);
			const id = await this.#copy(content, sizeBytes);
			pieces.push({ appended: [{ waiting, id }] });
		}
	}

	async #appendSmall(some: readonly Waiting[], bytes: number): Promise<Piece> {
		const { blobs, room } = this.#options;
		const { core } = blobs;
		const start = core.length;
		const batch = blobs.batch();
		const appended: Appended[] = [];
		const all: Uint8Array[] = [];
		for (const waiting of some) {
			const { content } = waiting.body;
			if (!(content instanceof Uint8Array)) continue;
			const blocks = await this.#blocksOf(content);
			appended.push({ waiting, id: await putAll(batch, blocks) });
			all.push(...blocks);
		}
		await room.check(bytes);
		await batch.flush();
		const { signature } = core.core.state;
		// Nothing is appended by others: this is the signature of just these blocks and what lies before them.
		if (signature === null || all.length === 0) return { appended };
		return { appended, small: { start, blocks: all, signature } };
	}

	#blocksOf(content: Uint8Array): Promise<Uint8Array[]> | Uint8Array[] {
		return this.packs ? packedBlocks(content) : plainBlocks(content);
	}

	async #copy(file: FileHandle, sizeBytes: number): Promise<BlobId> {
		let whole: BlobId | undefined;
		for (let at = 0; at < sizeBytes; at += COPY_BYTES) {
			const chunk = Buffer.allocUnsafe(Math.min(COPY_BYTES, sizeBytes - at));
			await readFully(file, chunk, at);
			const batch = this.#options.blobs.batch();
			const part = await putAll(batch, await this.#blocksOf(chunk));
			await batch.flush();
			whole = whole === undefined ? part : joined(whole, part);
		}
		if (whole === undefined) throw new Error("an empty body was spooled");
		return whole;
	}
}

/** As one blob. */
async function putAll(
	batch: BlobsBatch,
	blocks: readonly Uint8Array[],
): Promise<BlobId> {
	const [first = Buffer.alloc(0), ...others] = blocks;
	let whole = await batch.put(first);
	for (const block of others) whole = joined(whole, await batch.put(block));
	return whole;
}

const joined = (before: BlobId, after: BlobId): BlobId => ({
	...before,
	blockLength: before.blockLength + after.blockLength,
	byteLength: before.byteLength + after.byteLength,
});

const referenceOf = (
	{ hash, sizeBytes }: WholeBody,
	drive: string,
	id: BlobId,
): BodyRef => ({
	hash,
	sizeBytes,
	drive,
	blob: [id.byteOffset, id.blockOffset, id.blockLength, id.byteLength],
});

async function readFully(
	file: FileHandle,
	into: Buffer,
	position: number,
): Promise<void> {
	for (let at = 0; at < into.length; ) {
		const { bytesRead } = await file.read(
			into,
			at,
			into.length - at,
			position + at,
		);
		if (bytesRead === 0) throw new Error("the spooled body is cut short");
		at += bytesRead;
	}
}
