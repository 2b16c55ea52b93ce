import type { BlockRange, BodyRef } from "../ports/bodies.ts";
import { placeKey } from "./reference.ts";

/** Bodies that were found to lie here, durably and right. Forgets the oldest beyond a bound. */
export class KnownBodies {
	readonly #max: number;
	/** Where one lies → what it is. */
	readonly #bodies = new Map<string, string>();

	constructor(max: number) {
		this.#max = max;
	}

	has(reference: BodyRef): boolean {
		return this.#bodies.get(keyOf(reference)) === textOf(reference);
	}

	add(reference: BodyRef): void {
		// An empty body lies nowhere, in particular not where the next one does.
		if (reference.sizeBytes === 0) return;
		this.#bodies.set(keyOf(reference), textOf(reference));
		for (const oldest of this.#bodies.keys()) {
			if (this.#bodies.size <= this.#max) return;
			this.#bodies.delete(oldest);
		}
	}

	delete(reference: BodyRef): void {
		this.#bodies.delete(keyOf(reference));
	}

	/** Forgets all that begin in these blocks. */
	deleteRange(drive: string, { start, end }: BlockRange): void {
		for (let block = start; block < end; block++)
			this.#bodies.delete(placeKey(drive, block));
	}
}

const keyOf = ({ drive, blob }: BodyRef): string => placeKey(drive, blob[1]);
const textOf = ({ hash, sizeBytes }: BodyRef): string => `${hash}:${sizeBytes}`;
