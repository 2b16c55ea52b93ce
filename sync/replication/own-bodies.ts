/** Own changes that name bodies: how many messages of them too few members hold; one change brings many (group commit). Rebuilt from the log, kept as they are made. */
import type { Origin } from "../ids.ts";
import { RECORD_BATCH_BYTES, RECORD_BATCH_COUNT } from "../limits.ts";
import { type ChangeLog, unframe } from "../log/log.ts";
import { decodeRecord } from "../log/record.ts";
import { lowerBound } from "../ranges.ts";

export class OwnBodies {
	/** Of changes that name bodies, ascending. */
	readonly #sequences: number[] = [];
	/** How many bodies each of them names. */
	readonly #counts: number[] = [];
	/** Of all of them. */
	#bodies = 0;
	#staged: number[] = [];

	/** Reads the log from `first` on: what lies before is known to be held by enough. */
	load(log: ChangeLog, origin: Origin, first: number): void {
		for (let from = first; ; ) {
			const framed = log.readFramed(
				origin,
				from,
				RECORD_BATCH_COUNT,
				RECORD_BATCH_BYTES,
			);
			if (framed.length === 0) return;
			for (const [i, one] of framed.entries())
				this.#add(from + i, bodiesNamed(decodeRecord(unframe(one)).keys));
			from += framed.length;
		}
	}

	#add(sequence: number, bodies: number): void {
		if (bodies === 0) return;
		this.#bodies += bodies;
		const last = this.#sequences.length - 1;
		if (this.#sequences[last] === sequence)
			this.#counts[last] = (this.#counts[last] as number) + bodies;
		else {
			this.#sequences.push(sequence);
			this.#counts.push(bodies);
		}
	}

	/** Within a batch: own change `sequence` names a body. */
	named(sequence: number): void {
		this.#staged.push(sequence);
	}
	committed(): void {
		for (const sequence of this.#staged) this.#add(sequence, 1);
		this.#staged = [];
	}
	rolledBack(): void {
		this.#staged = [];
	}

	/** How many bodies are named at `first` or beyond; the others are forgotten. */
	countFrom(first: number): number {
		const at = lowerBound(this.#sequences, first);
		if (at > 0) {
			this.#sequences.splice(0, at);
			for (const bodies of this.#counts.splice(0, at)) this.#bodies -= bodies;
		}
		return this.#bodies;
	}
}

const bodiesNamed = (keys: readonly string[]): number => {
	let count = 0;
	for (const key of keys) if (key.startsWith("e:")) count++;
	return count;
};
