/** The Store's exact twin in memory. What commit() returned from survives a crash; nothing else exists. */
import {
	type RangeOptions,
	type Store,
	StoreFull,
	type StoreValue,
	type StoreWrite,
} from "../ports/store.ts";
import { lowerBound } from "../ranges.ts";

/** Beyond this a splice moves so many keys that sorting once, when they are next asked for, is cheaper. */
const SPLICED_KEYS_MAX = 100_000;

export class MemoryStore implements Store {
	#values = new Map<string, StoreValue>();
	#sorted: string[] | undefined = [];
	/** The next commits fail with StoreFull while this is set. */
	full = false;

	get(key: string): StoreValue | undefined {
		return this.#values.get(key);
	}

	getAll(keys: readonly string[]): (StoreValue | undefined)[] {
		return keys.map((key) => this.#values.get(key));
	}

	range(
		from: string,
		to: string,
		options: RangeOptions = {},
	): Iterable<readonly [string, StoreValue]> {
		this.#sorted ??= [...this.#values.keys()].sort();
		const start = lowerBound(this.#sorted, from);
		const end = lowerBound(this.#sorted, to);
		let keys = this.#sorted.slice(start, end);
		if (options.reverse) keys.reverse();
		if (options.limit !== undefined) keys = keys.slice(0, options.limit);
		return keys.map((key) => [key, this.#values.get(key) as StoreValue]);
	}

	commit(writes: readonly StoreWrite[]): void {
		if (this.full) throw new StoreFull("the simulated disk is full");
		for (const [key, value] of writes) {
			if (value === undefined) {
				if (this.#values.delete(key)) this.#resort(key, 1);
				continue;
			}
			if (!this.#values.has(key)) this.#resort(key, 0);
			this.#values.set(
				key,
				typeof value === "string" ? value : Uint8Array.from(value),
			);
		}
	}

	/** Keeps the order where one key comes (0) or goes (1): a splice is far cheaper than sorting all keys again. */
	#resort(key: string, remove: 0 | 1): void {
		if (this.#sorted === undefined) return;
		if (this.#sorted.length > SPLICED_KEYS_MAX) this.#sorted = undefined;
		else if (remove === 1)
			this.#sorted.splice(lowerBound(this.#sorted, key), 1);
		else this.#sorted.splice(lowerBound(this.#sorted, key), 0, key);
	}

	/** An independent copy, as a backup of the disk would be. */
	copy(): MemoryStore {
		const copy = new MemoryStore();
		copy.#values = new Map(this.#values);
		copy.#sorted = undefined;
		return copy;
	}

	/** Holds from now on what the other one holds. */
	become(other: MemoryStore): void {
		this.#values = new Map(other.#values);
		this.#sorted = undefined;
	}

	sizeBytes(): number {
		let sum = 0;
		for (const [key, value] of this.#values) sum += key.length + value.length;
		return sum;
	}

	close(): void {}
}
