/**
 * A map bounded in bytes, from which the least recently used goes first. The order of use is a ring of links, as a FETCH of
 * a whole mailbox asks for each of its messages: taking keys out of a Map and putting them in again would cost more than
 * all else that is done for one.
 */
interface Held<Value> {
	readonly key: string;
	readonly value: Value;
	readonly bytes: number;
	newer: Held<Value>;
	older: Held<Value>;
}

/** Of those that are offered to a full map one is taken. */
const OFFERS_A_TAKE = 16;

export class ByteLru<Value> {
	readonly #bytesMax: number;
	readonly #values = new Map<string, Held<Value>>();
	/** Used last, and its `newer` the one used longest ago. */
	#newest: Held<Value> | undefined;
	#bytes = 0;
	#offered = 0;

	constructor(bytesMax: number) {
		this.#bytesMax = bytesMax;
	}

	get bytes(): number {
		return this.#bytes;
	}

	get isEmpty(): boolean {
		return this.#newest === undefined;
	}

	get(key: string): Value | undefined {
		const held = this.#values.get(key);
		if (held === undefined) return undefined;
		const newest = this.#newest as Held<Value>;
		if (held === newest) return held.value;
		// The one used longest ago stands where it should already.
		if (held !== newest.newer) {
			unlink(held);
			linkAfter(held, newest);
		}
		this.#newest = held;
		return held.value;
	}

	set(key: string, value: Value, bytes: number): void {
		this.#drop(this.#values.get(key));
		if (bytes > this.#bytesMax) return;
		const held = { key, value, bytes } as Held<Value>;
		held.newer = held;
		held.older = held;
		if (this.#newest !== undefined) linkAfter(held, this.#newest);
		this.#newest = held;
		this.#values.set(key, held);
		this.#bytes += bytes;
		while (this.#bytes > this.#bytesMax) this.#drop(this.#newest.newer);
	}

	/**
	 * As set(), for one of many that come by in turn, as when a whole mailbox is read that is larger than what is held:
	 * were each taken, none would be there when it is asked for again. So of those that would push out others few are taken.
	 */
	offer(key: string, value: Value, bytes: number): void {
		const isFull = this.#bytes + bytes > this.#bytesMax;
		if (isFull && ++this.#offered % OFFERS_A_TAKE !== 0) return;
		this.set(key, value, bytes);
	}

	delete(key: string): void {
		this.#drop(this.#values.get(key));
	}

	#drop(held: Held<Value> | undefined): void {
		if (held === undefined) return;
		if (held === this.#newest)
			this.#newest = held.older === held ? undefined : held.older;
		unlink(held);
		this.#values.delete(held.key);
		this.#bytes -= held.bytes;
	}
}

function unlink<Value>(held: Held<Value>): void {
	held.older.newer = held.newer;
	held.newer.older = held.older;
}

function linkAfter<Value>(held: Held<Value>, newest: Held<Value>): void {
	held.older = newest;
	held.newer = newest.newer;
	newest.newer.older = held;
	newest.newer = held;
}
