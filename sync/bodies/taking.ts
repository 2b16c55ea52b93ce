/**
 * Takes bodies that a member sends unasked as they come to its drive, and so spares them the way of a question. They are
 * appended to the copy of the drive here as the owner did, under its signature; where the copy is not as long as the
 * owner's was then, nothing is taken, and the bodies are fetched as any others.
 */
import { createHash } from "node:crypto";
import { PUSH_UNCONFIRMED_BYTES_MAX } from "../limits.ts";
import type { BodyPiece, BodyRef } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import type { Drives } from "./drives.ts";
import { unpackedBlock } from "./packing.ts";
import { checkReference, placeKey, plainBytesOf } from "./reference.ts";
import type { DiskRoom } from "./room.ts";

export interface TakingsParts {
	readonly drives: Pick<Drives, "get">;
	readonly room: Pick<DiskRoom, "checkSome">;
	readonly log: Log;
	/** Resolves when all that was written is synced. */
	readonly durable: () => Promise<void>;
	/** Told of each body that was taken, with its bytes. */
	readonly onDurable: (reference: BodyRef, bytes: Uint8Array) => void;
}

/** What is being taken of one drive. */
interface Lane {
	bytes: number;
	/** Ends when the last piece of it is written: each one follows what came before. */
	written: Promise<unknown>;
}

export class Takings {
	readonly #parts: TakingsParts;
	readonly #lanes = new Map<string, Lane>();
	/** By place: bodies that are being taken. */
	readonly #coming = new Map<string, Promise<boolean>>();

	constructor(parts: TakingsParts) {
		this.#parts = parts;
	}

	/** Whether it was taken: all is right and durable here then. Never rejects. */
	take(piece: BodyPiece): Promise<boolean> {
		const plain = plainBodies(piece);
		if (plain === undefined) {
			this.#parts.log.error("a member sent bodies that are not what they say", {
				drive: piece.drive,
			});
			return Promise.resolve(false);
		}
		let bytes = 0;
		for (const block of piece.blocks) bytes += block.length;
		const lane = this.#lanes.get(piece.drive) ?? {
			bytes: 0,
			written: Promise.resolve(),
		};
		// Who keeps to what it was told of what has come never gets here.
		if (lane.bytes + bytes > PUSH_UNCONFIRMED_BYTES_MAX)
			return Promise.resolve(false);
		this.#lanes.set(piece.drive, lane);
		lane.bytes += bytes;
		const written = lane.written.then(() => this.#append(piece));
		lane.written = written;
		const taken = this.#finish(piece, plain, written).finally(() => {
			lane.bytes -= bytes;
			if (lane.bytes === 0) this.#lanes.delete(piece.drive);
		});
		this.#announce(piece, taken);
		return taken;
	}

	/** Where the body is just coming: whether it came. */
	coming({ drive, blob }: BodyRef): Promise<boolean> | undefined {
		return this.#coming.get(placeKey(drive, blob[1]));
	}

	#announce({ drive, bodies }: BodyPiece, taken: Promise<boolean>): void {
		const places = bodies
			.filter(({ blob }) => blob[2] > 0)
			.map(({ blob }) => placeKey(drive, blob[1]));
		for (const place of places) this.#coming.set(place, taken);
		void taken.then(() => {
			for (const place of places)
				if (this.#coming.get(place) === taken) this.#coming.delete(place);
		});
	}

	/** Never rejects. */
	async #append({
		drive,
		start,
		blocks,
		signature,
	}: BodyPiece): Promise<boolean> {
		try {
			const core = await this.#parts.drives.get(drive);
			if (core.length !== start) return false;
			await this.#parts.room.checkSome();
			const end = start + blocks.length;
			await core.append(blocks, { signature, maxLength: end });
			return await core.has(start, end);
		} catch (error) {
			this.#parts.log.warn("what a member sent unasked could not be taken", {
				drive,
				error,
			});
			return false;
		}
	}

	/** Never rejects. */
	async #finish(
		{ bodies }: BodyPiece,
		plain: readonly Uint8Array[],
		written: Promise<boolean>,
	): Promise<boolean> {
		if (!(await written)) return false;
		try {
			await this.#parts.durable();
		} catch (error) {
			this.#parts.log.warn("what a member sent unasked is not durable", {
				error,
			});
			return false;
		}
		for (const [i, body] of bodies.entries())
			this.#parts.onDurable(body, plain[i] as Uint8Array);
		return true;
	}
}

/** The bytes of the bodies, checked against their hashes; undefined where the piece is not made of just these. */
function plainBodies(piece: BodyPiece): Uint8Array[] | undefined {
	const plain: Uint8Array[] = [];
	let next = piece.start;
	for (const body of piece.bodies) {
		if (!isOf(piece, body, next)) return undefined;
		const blocks: Uint8Array[] = [];
		for (let index = 0; index < body.blob[2]; index++) {
			const block = piece.blocks[next + index - piece.start];
			const bytes = block && unpackedBlock(block, plainBytesOf(body, index));
			if (bytes === undefined) return undefined;
			blocks.push(bytes);
		}
		const [first] = blocks;
		const whole = blocks.length === 1 && first ? first : Buffer.concat(blocks);
		if (createHash("sha256").update(whole).digest("hex") !== body.hash)
			return undefined;
		plain.push(whole);
		next += body.blob[2];
	}
	const isAll = next === piece.start + piece.blocks.length;
	return isAll && piece.blocks.length > 0 ? plain : undefined;
}

/** Whether the body lies in the piece's drive from this block on, as far as its reference says. */
function isOf({ drive }: BodyPiece, body: BodyRef, block: number): boolean {
	try {
		checkReference(body);
	} catch {
		return false;
	}
	return (
		body.drive === drive && (body.sizeBytes === 0 || body.blob[1] === block)
	);
}
