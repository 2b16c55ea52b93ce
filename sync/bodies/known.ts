import type { BodyRef } from "../ports/bodies.ts";
import { referenceKey } from "./reference.ts";

/** Bodies that were found to lie here, durably and right. Forgets the oldest beyond a bound. */
export class KnownBodies {
	readonly #max: number;
	readonly #keys = new Set<string>();

	constructor(max: number) {
		this.#max = max;
	}

	has(reference: BodyRef): boolean {
		return this.#keys.has(referenceKey(reference));
	}

	add(reference: BodyRef): void {
		this.#keys.add(referenceKey(reference));
		for (const oldest of this.#keys) {
			if (this.#keys.size <= this.#max) return;
			this.#keys.delete(oldest);
		}
	}

	delete(reference: BodyRef): void {
		this.#keys.delete(referenceKey(reference));
	}
}
