/** Randomness from a seed: the same seed gives the same bytes, in every run and on every machine. */
import type { Random } from "../ports/random.ts";

/** `Random`, and the draws that simulations and tests want besides. */
export interface SimRandom extends Random {
	/** An integer from `min` to `max`, both included. */
	integer(min: number, max: number): number;
	/** A real number, 0 <= x < 1. */
	fraction(): number;
	/** True with this probability. */
	chance(probability: number): boolean;
	/** One of `items`; throws RangeError when there is none. */
	pick<T>(items: readonly T[]): T;
	/** The same items in another order. */
	shuffle<T>(items: readonly T[]): T[];
	/** An independent generator named by `label`; drawing from it leaves this one as it is. */
	fork(label: string): SimRandom;
}

/** FNV-1a, so that a label or a textual seed becomes 32 well spread bits. */
function hash32(text: string, start: number): number {
	let hash = start >>> 0;
	for (let i = 0; i < text.length; i++)
		hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193) >>> 0;
	return hash;
}

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes the usual statistical batteries. */
class Sfc32 implements SimRandom {
	readonly #seed: string;
	#a: number;
	#b: number;
	#c: number;
	#counter = 1;

	constructor(seed: string) {
		this.#seed = seed;
		this.#a = hash32(seed, 0x811c_9dc5);
		this.#b = hash32(seed, 0x9e37_79b9);
		this.#c = hash32(seed, 0x85eb_ca6b);
		for (let i = 0; i < 15; i++) this.#next();
	}

	#next(): number {
		const sum = (this.#a + this.#b + this.#counter) | 0;
		this.#counter = (this.#counter + 1) | 0;
		this.#a = this.#b ^ (this.#b >>> 9);
		this.#b = (this.#c + (this.#c << 3)) | 0;
		this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
		return sum >>> 0;
	}

	bytes(length: number): Uint8Array {
		const bytes = new Uint8Array(length);
		for (let i = 0; i < length; i += 4) {
			const word = this.#next();
			for (let j = 0; j < 4 && i + j < length; j++)
				bytes[i + j] = word >>> (8 * j);
		}
		return bytes;
	}

	fraction(): number {
		return (this.#next() >>> 5) * 2 ** -27;
	}

	integer(min: number, max: number): number {
		return min + Math.floor(this.fraction() * (max - min + 1));
	}

	chance(probability: number): boolean {
		return this.fraction() < probability;
	}

	pick<T>(items: readonly T[]): T {
		if (items.length === 0) throw new RangeError("nothing to pick from");
		return items[this.integer(0, items.length - 1)] as T;
	}

	shuffle<T>(items: readonly T[]): T[] {
		const shuffled = [...items];
		for (let i = shuffled.length - 1; i > 0; i--) {
			const j = this.integer(0, i);
			[shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
		}
		return shuffled;
	}

	fork(label: string): SimRandom {
		return new Sfc32(`${this.#seed}/${label}`);
	}
}

/** A generator from `seed`; the number 7 and the text "7" are the same seed. */
export const simRandom = (seed: number | string): SimRandom =>
	new Sfc32(String(seed));
