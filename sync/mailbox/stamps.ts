/** Gives mod-sequences (rule 10). Its counter lives in the store and moves only with a batch. */
import type { ModSeq } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Clock } from "../ports/clock.ts";
import type { BoxRow } from "./rows.ts";
import { clockCounter, type SlotRange, stampOf } from "./slots.ts";

interface Counter {
	/** Highest counter given or heard. */
	c: number;
	/** How far the stamps of others were ahead of the own clock, at most. */
	lead: number;
}
const KEY = "meta/stamps";

export class Stamps {
	readonly #clock: Clock;
	readonly #slots: () => SlotRange;

	constructor(clock: Clock, slots: () => SlotRange) {
		this.#clock = clock;
		this.#slots = slots;
	}

	#counter(batch: Batch): Counter {
		return batch.object<Counter>(KEY) ?? { c: 0, lead: 0 };
	}

	/** A new stamp, above all given and heard; becomes the mailbox's HIGHESTMODSEQ. */
	give(batch: Batch, box: BoxRow): ModSeq {
		const counter = this.#counter(batch);
		counter.c = Math.max(
			counter.c + 1,
			clockCounter(this.#clock.now()) + counter.lead,
		);
		batch.change(KEY, counter);
		box.H = stampOf(counter.c, this.#slots());
		return box.H as ModSeq;
	}

	/** Another node, or a client on its behalf, named a stamp with this counter. */
	heard(batch: Batch, c: number): void {
		const counter = this.#counter(batch);
		const lead = c - clockCounter(this.#clock.now());
		if (c <= counter.c && lead <= counter.lead) return;
		counter.c = Math.max(counter.c, c);
		counter.lead = Math.max(counter.lead, lead);
		batch.change(KEY, counter);
	}

	/** The highest counter given or heard, for telling others. */
	highest(batch: Batch): number {
		return this.#counter(batch).c;
	}
}
