/**
 * What is held in memory of the messages that were asked about last, by their place in the question: their notes, one after
 * the other in one stretch of memory, as a question is asked of each of them.
 */
import { mayHold } from "./signature.ts";

/** Where the body begins in the text, in a note before the signature. */
export const BODY_AT_BYTES = 4;
const ROOM_BYTES_MIN = 64 * 1024;
/** Beside its note a place takes so much. */
const PLACE_BYTES = 12;

export class Notes {
	#bytes = Buffer.alloc(0);
	#used = 0;
	#count = 0;
	/** Of each place where its note begins, and how long it is: 0 where there is none. */
	#starts = new Float64Array(0);
	#lengths = new Uint32Array(0);

	get bytes(): number {
		return this.#bytes.length + this.#starts.length * PLACE_BYTES;
	}

	/** Has so many places from now on; of so many rows in all the notes take so many bytes. */
	reach(count: number, rows: number, rowsBytes: number): void {
		const more = count - this.#count;
		if (more <= 0) return;
		this.#count = count;
		if (count > this.#starts.length) {
			const room = this.#starts.length === 0 ? count : count + (count >> 3);
			const starts = new Float64Array(room);
			starts.set(this.#starts);
			this.#starts = starts;
			const lengths = new Uint32Array(room);
			lengths.set(this.#lengths);
			this.#lengths = lengths;
		}
		if (rows > 0)
			this.#reserve(Math.ceil((Math.min(more, rows) / rows) * rowsBytes));
	}

	/** Places without a note. */
	*unknown(): Generator<number> {
		for (let at = 0; at < this.#count; at++)
			if (this.#lengths[at] === 0) yield at;
	}

	/** At all these places. */
	add(places: readonly number[], note: Uint8Array): void {
		this.#reserve(note.length);
		this.#bytes.set(note, this.#used);
		for (const at of places) {
			this.#starts[at] = this.#used;
			this.#lengths[at] = note.length;
		}
		this.#used += note.length;
	}

	#reserve(bytes: number): void {
		if (this.#used + bytes <= this.#bytes.length) return;
		const more = Math.max(bytes, this.#used >> 3, ROOM_BYTES_MIN);
		const larger = Buffer.allocUnsafeSlow(this.#used + more);
		larger.set(this.#bytes.subarray(0, this.#used));
		this.#bytes = larger;
	}

	/** False: it is not here, or its text is too large to be kept. */
	hasSignature(at: number): boolean {
		return (this.#lengths[at] as number) > BODY_AT_BYTES;
	}
	bodyAt(at: number): number {
		return this.#bytes.readUInt32LE(this.#starts[at] as number);
	}
	/** False: the text at this place does not hold what is sought. */
	mayHold(at: number, trigrams: Uint32Array): boolean {
		return mayHold(
			this.#bytes,
			trigrams,
			(this.#starts[at] as number) + BODY_AT_BYTES,
			(this.#lengths[at] as number) - BODY_AT_BYTES,
		);
	}
}
