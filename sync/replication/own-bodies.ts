/** Own changes that name bodies: how many of them too few members hold. Rebuilt from the log, kept as they are made. */
import type { Origin } from "../ids.ts";
import { RECORD_BATCH_BYTES, RECORD_BATCH_COUNT } from "../limits.ts";
import { type ChangeLog, unframe } from "../log/log.ts";
import { decodeRecord } from "../log/record.ts";
import { lowerBound } from "../ranges.ts";

export class OwnBodies {
	/** Ascending. */
	#sequences: number[] = [];
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
				if (namesBody(decodeRecord(unframe(one)).keys))
					this.#sequences.push(from + i);
			from += framed.length;
		}
	}

	/** Within a batch: own change `sequence` names a body. */
	named(sequence: number): void {
		if (this.#staged.at(-1) !== sequence) this.#staged.push(sequence);
	}
	committed(): void {
		for (const sequence of this.#staged.splice(0))
			if (this.#sequences.at(-1) !== sequence) this.#sequences.push(sequence);
	}
	rolledBack(): void {
		this.#staged = [];
	}

	/** How many lie at `first` or beyond; the others are forgotten. */
	countFrom(first: number): number {
		const at = lowerBound(this.#sequences, first);
		if (at > 0) this.#sequences.splice(0, at);
		return this.#sequences.length;
	}
}

const namesBody = (keys: readonly string[]): boolean =>
	keys.some((key) => key.startsWith("e:"));
