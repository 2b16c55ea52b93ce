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
	/** Heard since the start and not in the store yet; goes there with the next stamp. */
	readonly #heard: Counter = { c: 0, lead: 0 };
	#highest = 0;

	constructor(clock: Clock, slots: () => SlotRange) {
		this.#clock = clock;
		this.#slots = slots;
	}

	/** A new stamp, above all given and heard; becomes the mailbox's HIGHESTMODSEQ. */
	give(batch: Batch, box: BoxRow): ModSeq {
		const counter = batch.object<Counter>(KEY) ?? { c: 0, lead: 0 };
		counter.lead = Math.max(counter.lead, this.#heard.lead);
		counter.c = Math.max(
			counter.c + 1,
			this.#heard.c + 1,
			clockCounter(this.#clock.now()) + counter.lead,
		);
		batch.change(KEY, counter);
		this.#highest = counter.c;
		box.H = stampOf(counter.c, this.#slots());
		return box.H as ModSeq;
	}

	/** Another node, or a client on its behalf, named a stamp with this counter. */
	heard(c: number): void {
		const lead = c - clockCounter(this.#clock.now());
		this.#heard.c = Math.max(this.#heard.c, c);
		this.#heard.lead = Math.max(this.#heard.lead, lead);
	}

	/** The highest counter given or heard since the start, for telling others. */
	get highest(): number {
		return Math.max(this.#highest, this.#heard.c);
	}
}
