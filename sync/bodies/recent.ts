import type { BodyRef } from "../ports/bodies.ts";
import { clampRange, referenceKey } from "./reference.ts";

/**
 * Small bodies that were written or read lately, whole: a client that lists a mailbox reads header, structure and text of the same
 * message one after another, and several clients of one user read the same mail. Two generations, of which the older one
 * goes when the younger is full: nothing has to be moved at each use.
 */
export class RecentBodies {
	readonly #generationBytesMax: number;
	readonly #bodyBytesMax: number;
	#young = new Map<string, Uint8Array>();
	#old = new Map<string, Uint8Array>();
	#youngBytes = 0;

	constructor(bytesMax: number, bodyBytesMax: number) {
		this.#generationBytesMax = bytesMax / 2;
		this.#bodyBytesMax = bodyBytesMax;
	}

	/** Whether a body of this size is kept at all. */
	takes({ sizeBytes }: BodyRef): boolean {
		return sizeBytes > 0 && sizeBytes <= this.#bodyBytesMax;
	}

	/** The bytes, which must not be changed. */
	get(
		reference: BodyRef,
		start?: number,
		end?: number,
	): Uint8Array | undefined {
		const key = referenceKey(reference);
		let bytes = this.#young.get(key);
		if (bytes === undefined) {
			bytes = this.#old.get(key);
			if (bytes === undefined) return undefined;
			this.#old.delete(key);
			this.#keep(key, bytes);
		}
		return rangeOf(reference, bytes, start, end);
	}

	/** Takes the whole body in; returns the bytes that were asked for. */
	add(
		reference: BodyRef,
		bytes: Uint8Array,
		start?: number,
		end?: number,
	): Uint8Array {
		const key = referenceKey(reference);
		if (!this.#young.has(key)) this.#keep(key, bytes);
		return rangeOf(reference, bytes, start, end);
	}

	#keep(key: string, bytes: Uint8Array): void {
		if (this.#youngBytes + bytes.length > this.#generationBytesMax) {
			this.#old = this.#young;
			this.#young = new Map();
			this.#youngBytes = 0;
		}
		this.#young.set(key, bytes);
		this.#youngBytes += bytes.length;
	}

	/** Something was taken from the disk, or found to be wrong there: what is read next is read anew. */
	clear(): void {
		this.#young.clear();
		this.#old.clear();
		this.#youngBytes = 0;
	}
}

function rangeOf(
	reference: BodyRef,
	bytes: Uint8Array,
	start: number | undefined,
	end: number | undefined,
): Uint8Array {
	const range = clampRange(reference, start, end);
	return bytes.subarray(range.start, range.end);
}
