/**
 * Claims that some node finds too low, until a higher one comes (rule 6). They are kept now and then, in the same commit as
 * what members are known to have had: whoever runs anew after it heard one, and then grants slots to the next life of the
 * node that asked, must still know what the former one never showed (rule 9).
 */
import type { EntryId, MailboxId } from "../ids.ts";
import { WANTS_MAX } from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { rowKey } from "./rows.ts";

/** Rule 6: "this claim is too low here, please claim again", as it travels. */
export interface Want {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	/** The highest claim, which is not above E where it was asked. */
	readonly claim: number;
}

const PREFIX = "want/";
const keyOf = ({ mailbox, entry }: Want): string => rowKey(mailbox, entry);
/** Of `ent/mailbox/entry`. */
const storeKey = (key: string): string =>
	`${PREFIX}${key.slice("ent/".length)}`;

export class Wanted {
	/** By the key of the entry's row. */
	readonly #wants = new Map<string, Want>();
	/** Claims as they lie in the store. */
	readonly #kept = new Map<string, number>();
	/** What may lie there otherwise. */
	readonly #unkept = new Set<string>();
	readonly #max: number;
	/** What the batch in the making writes. */
	#keeping: (readonly [string, number | undefined])[] = [];

	/** At most so many. */
	constructor(max = WANTS_MAX) {
		this.#max = max;
	}

	get size(): number {
		return this.#wants.size;
	}
	/** So much room that it is worth looking for those that found none. */
	get isHalfEmpty(): boolean {
		return 2 * this.#wants.size <= this.#max;
	}
	get(key: string): Want | undefined {
		return this.#wants.get(key);
	}
	has(key: string): boolean {
		return this.#wants.has(key);
	}
	values(): Iterable<Want> {
		return this.#wants.values();
	}

	/** Whether there was room for it. */
	set(want: Want): boolean {
		const key = keyOf(want);
		if (this.#wants.size >= this.#max && !this.#wants.has(key)) return false;
		this.#wants.set(key, want);
		this.#unkept.add(key);
		return true;
	}

	delete(key: string): void {
		this.#wants.delete(key);
		if (this.#kept.has(key)) this.#unkept.add(key);
		else this.#unkept.delete(key);
	}

	// ------------------------------------------------------------------ what outlives this process

	/** What was kept; `isSettled`: a higher claim came before that was taken away again. */
	load(store: Store, isSettled: (want: Want) => boolean): void {
		for (const [key, text] of store.range(PREFIX, prefixEnd(PREFIX))) {
			const [, mailbox, entry] = key.split("/") as [string, MailboxId, EntryId];
			const want = { mailbox, entry, claim: Number(text) };
			this.#kept.set(keyOf(want), want.claim);
			if (isSettled(want)) this.#unkept.add(keyOf(want));
			else this.#wants.set(keyOf(want), want);
		}
	}

	get isKept(): boolean {
		return this.#unkept.size === 0;
	}

	keep(batch: Batch): void {
		for (const key of this.#unkept) {
			const claim = this.#wants.get(key)?.claim;
			this.#keeping.push([key, claim]);
			if (claim !== this.#kept.get(key))
				batch.put(storeKey(key), claim?.toString());
		}
	}

	committed(): void {
		for (const [key, claim] of this.#keeping.splice(0)) {
			if (claim === undefined) this.#kept.delete(key);
			else this.#kept.set(key, claim);
			// It may have changed in the rest of the batch.
			if (this.#wants.get(key)?.claim === claim) this.#unkept.delete(key);
			else this.#unkept.add(key);
		}
	}

	rolledBack(): void {
		this.#keeping = [];
	}
}
