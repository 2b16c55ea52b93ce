/**
 * Gives mod-sequences (rule 10): above all given or heard, and not below the clock, which is taken by the millisecond
 * (clockCounter() says why). The counter lives in the store and moves only with a batch.
 */
import type { Milliseconds, ModSeq } from "../ids.ts";
import { TOKEN_AHEAD_SECONDS_MAX } from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import type { BoxRow } from "./rows.ts";
import {
	CLOCK_COUNTER_MAX,
	COUNTER_MAX,
	clockCounter,
	counterOf,
	SLOTS,
	type SlotRange,
	STAMPS_PER_SECOND,
	slotOf,
	stampOf,
	UNKEPT_SLOT,
} from "./slots.ts";

interface Counter {
	/** Highest counter given or heard. */
	c: number;
	/** How far the stamps and clocks of others were ahead of the own clock, at most. */
	lead: number;
}
const KEY = "meta/stamps";
/**
 * A lead that is so little larger (2 ms) is not taken over: two clocks of which each is now and then a little ahead of the
 * other, if only since they are read by the millisecond, would drive each other on and on.
 */
const LEAD_STEP = Math.ceil(STAMPS_PER_SECOND / 500);
/** A lead that grew by more (1 s) is kept at once. */
const LEAD_URGENT = STAMPS_PER_SECOND;

export class Stamps {
	readonly #clock: Clock;
	readonly #slots: () => SlotRange;
	readonly #rules: Rules;
	readonly #store: Store;
	/** Heard since the start and not in the store yet; goes there with the next stamp. */
	readonly #heard: Counter = { c: 0, lead: 0 };
	/** As committed, or given in the batch in the making. */
	#highest: number;
	#lead: number;
	/** The lead that was to be kept last, whether the disk took it or not. */
	#tried = 0;
	/** Where pace() was last, and when (monotonic). */
	#paced: { readonly counter: number; readonly at: Milliseconds } | undefined;

	constructor(
		store: Store,
		clock: Clock,
		slots: () => SlotRange,
		rules: Rules,
	) {
		this.#store = store;
		this.#clock = clock;
		this.#slots = slots;
		this.#rules = rules;
		const { c, lead } = this.#read();
		this.#highest = c;
		this.#lead = lead;
	}

	#read(): Counter {
		const text = this.#store.get(KEY) as string | undefined;
		return text === undefined
			? { c: 0, lead: 0 }
			: (JSON.parse(text) as Counter);
	}

	/** A new stamp, above all given and heard; becomes the mailbox's HIGHESTMODSEQ. */
	give(batch: Batch, box: BoxRow): ModSeq {
		const pace = this.pace();
		const counter = this.#counter(batch);
		counter.c = Math.max(
			counter.c + 1,
			// Perhaps one of another node, adopted, and its counter was not kept before a crash.
			counterOf(box.H) + 1,
			pace,
		);
		this.#keep(batch, counter);
		box.H = stampOf(counter.c, this.#slots());
		return box.H as ModSeq;
	}

	/**
	 * What can be told where nothing can be written down: above all given, heard, and `above`, and of no life's slot. The
	 * own stamp slot is in its counter, so that two nodes never tell the same one.
	 */
	unkept(above: number): number {
		const least = Math.max(this.highest, counterOf(above), this.pace());
		const { stampSlot } = this.#slots();
		this.#heard.c = Math.ceil((least + 1) / SLOTS) * SLOTS + stampSlot;
		return this.#heard.c * SLOTS + UNKEPT_SLOT;
	}

	/** Rule 9: moves on by so many, above all that may have been given in a former life. */
	leap(batch: Batch, by: number): void {
		const counter = this.#counter(batch);
		counter.c = Math.min(
			COUNTER_MAX,
			Math.max(counter.c, clockCounter(this.#clock.now())) + by,
		);
		this.#keep(batch, counter);
	}

	#counter(batch: Batch): Counter {
		const counter = batch.object<Counter>(KEY) ?? { c: 0, lead: 0 };
		counter.c = Math.max(counter.c, this.#heard.c);
		counter.lead = Math.max(counter.lead, this.#heard.lead);
		return counter;
	}
	#keep(batch: Batch, counter: Counter): void {
		batch.change(KEY, counter);
		this.#highest = Math.max(this.#highest, counter.c);
		this.#lead = Math.max(this.#lead, counter.lead);
	}

	/** Another node told a stamp with this counter. */
	heard(c: number): void {
		if (!this.#rules.heard || c > COUNTER_MAX) return;
		this.#heard.c = Math.max(this.#heard.c, c);
		this.#follow(c);
	}

	/** The stamps of another node do not stay below this from now on, by its clock, whether it gives any or not. */
	heardPace(c: number): void {
		if (this.#rules.pace && c <= COUNTER_MAX) this.#follow(c);
	}

	#follow(c: number): void {
		const lead = c - clockCounter(this.#clock.now());
		if (lead > this.#ahead + LEAD_STEP) this.#heard.lead = lead;
	}
	get #ahead(): number {
		return Math.max(this.#lead, this.#heard.lead);
	}

	/**
	 * Where the next stamp is at least, by the clock: goes on as the clock of the node that is ahead of all, and, where the
	 * own one is set back, as if it had not been.
	 */
	pace(): number {
		const { clock, lead, pace } = this.#rules;
		if (!clock) return 0;
		const at = this.#clock.monotonic();
		if (pace && this.#paced !== undefined) {
			const seconds = (at - this.#paced.at) / 1000;
			this.#follow(
				Math.floor(this.#paced.counter + seconds * STAMPS_PER_SECOND),
			);
		}
		const now = clockCounter(this.#clock.now());
		const counter = Math.min(now + (lead ? this.#ahead : 0), CLOCK_COUNTER_MAX);
		this.#paced = { counter, at };
		return counter;
	}

	/** Others are further ahead than is kept here, which would be forgotten with this process. A disk that refuses is left in peace. */
	get isUrgent(): boolean {
		return this.#heard.lead > Math.max(this.#lead, this.#tried) + LEAD_URGENT;
	}
	get isKept(): boolean {
		return this.#heard.lead <= this.#lead && this.#heard.c <= this.#highest;
	}

	/** What was heard, without a stamp: before a node serves, and now and then. */
	keepHeard(batch: Batch): void {
		this.#tried = this.#heard.lead;
		if (!this.isKept) this.#keep(batch, this.#counter(batch));
	}

	/** A client named a token that some node must have told (rule 8). No clock can be told from it. */
	named(token: number): void {
		this.#heard.c = Math.max(this.#heard.c, counterOf(token));
	}

	/** The highest counter given or heard, for telling others. */
	get highest(): number {
		return Math.max(this.#highest, this.#heard.c);
	}

	/**
	 * Rule 8: whether some node may have told it. Own ones are known. In a complete view so are all others; else it may be
	 * of a node that was not heard for long, but not be further ahead than a day of the fastest clock.
	 */
	believes(token: number, complete: boolean): boolean {
		const c = counterOf(token);
		if (this.isOwn(token)) return c <= this.highest;
		if (c > COUNTER_MAX) return false;
		if (c <= this.highest) return true;
		return (
			!complete &&
			c <=
				clockCounter(this.#clock.now()) +
					this.#ahead +
					TOKEN_AHEAD_SECONDS_MAX * STAMPS_PER_SECOND
		);
	}

	isOwn(token: number): boolean {
		return slotOf(token) === this.#slots().stampSlot;
	}

	/** The batch came to nothing. */
	rolledBack(): void {
		const { c, lead } = this.#read();
		this.#highest = c;
		this.#lead = lead;
	}
}
