/** What lies here of bodies, in their drives or as members handed it over. */
import type { Hypercore } from "hypercore";
import type { BlockRange, BodyRef, BodyState } from "../ports/bodies.ts";
import {
	isPresent,
	isRight,
	isStranded,
	readChecked,
	readRange,
} from "./content.ts";
import type { Drives } from "./drives.ts";
import { type HandedBodies, joined } from "./handed.ts";
import { clearBlocks, heldBlocks } from "./reclaim.ts";
import type { ByteRange } from "./reference.ts";

export class LocalBodies {
	readonly #drives: Pick<Drives, "get" | "opened">;
	readonly #handed: HandedBodies;

	constructor(drives: Pick<Drives, "get" | "opened">, handed: HandedBodies) {
		this.#drives = drives;
		this.#handed = handed;
	}

	/** Reads all of it. Rejects where the drive does not open, or cannot be read. */
	async state(reference: BodyRef): Promise<BodyState> {
		const wasHanded = this.#handed.has(reference);
		if (wasHanded && (await this.#handed.isRight(reference))) return "whole";
		const core = await this.#drives.get(reference.drive);
		if (await isPresent(core, reference))
			return (await isRight(core, reference)) ? "whole" : "damaged";
		return wasHanded ? "damaged" : "missing";
	}

	/** Whether it was handed over and is right; one that is damaged is removed, so that it comes anew. */
	async wasHanded(reference: BodyRef): Promise<boolean> {
		if (!this.#handed.has(reference)) return false;
		if (await this.#handed.isRight(reference).catch(() => false)) return true;
		await this.#handed.remove(reference);
		return false;
	}

	/** Whether connected members have it, and none can have hypercore bring it. */
	async isStranded(reference: BodyRef): Promise<boolean> {
		return isStranded(await this.#drives.get(reference.drive), reference);
	}

	/** Whether nothing of its drive is on its way here. */
	async isStuck({ drive }: BodyRef): Promise<boolean> {
		// Of a drive that does not open nothing comes.
		const core = await this.#drives.get(drive).catch(() => undefined);
		return core?.peers.every(({ inflight }) => inflight === 0) ?? true;
	}

	/** Bytes of a body that lies here. Rejects with BodyUnavailable where some are gone. */
	async *read(
		reference: BodyRef,
		range: ByteRange,
	): AsyncGenerator<Uint8Array> {
		if (this.#handed.has(reference)) yield* this.#handed.read(reference, range);
		else
			yield* readRange(
				await this.#drives.get(reference.drive),
				reference,
				range,
			);
	}

	/** Whether a body of one block lies in its drive, right or not; false also where the drive is not open yet. */
	lies({ drive, blob }: BodyRef): boolean {
		const core = this.#drives.opened(drive);
		return core?.core.bitfield.get(blob[1]) ?? false;
	}

	/** The bytes of a body of one block in its drive, if they lie here and are right. Rejects as state() does. */
	async whole(reference: BodyRef): Promise<Uint8Array | undefined> {
		if (this.#handed.has(reference)) return undefined;
		return readChecked(await this.#drives.get(reference.drive), reference);
	}

	async clear(drive: string, ranges: readonly BlockRange[]): Promise<void> {
		await this.#handed.clear(drive, ranges);
		await clearBlocks(await this.#drives.get(drive), ranges);
	}

	/** Ascending, with gaps between them. */
	async held(drive: string): Promise<readonly BlockRange[]> {
		const core: Hypercore = await this.#drives.get(drive);
		return joined(heldBlocks(core), this.#handed.held(drive));
	}
}
