/** Writes that will be committed together, readable before they are: the overlay that a flush works in. */
import type { Store, StoreValue, StoreWrite } from "../ports/store.ts";

export class Batch {
	readonly #store: Store;
	readonly #writes = new Map<string, StoreValue | undefined>();
	/** Values taken apart already: a row that several steps of one flush touch is parsed and written once. */
	readonly #objects = new Map<string, unknown>();
	readonly #dirty = new Set<string>();

	constructor(store: Store) {
		this.#store = store;
	}

	get(key: string): StoreValue | undefined {
		return this.#writes.has(key) ? this.#writes.get(key) : this.#store.get(key);
	}

	/** Keys from `from` on and before `to`, in no order, also of what this batch adds. */
	keys(from: string, to: string): string[] {
		const found = new Set<string>();
		for (const [key] of this.#store.range(from, to)) found.add(key);
		for (const written of [this.#writes, this.#objects])
			for (const [key, value] of written as Map<string, unknown>)
				if (key >= from && key < to) {
					if (value === undefined) found.delete(key);
					else found.add(key);
				}
		return [...found];
	}

	put(key: string, value: StoreValue | undefined): void {
		this.#writes.set(key, value);
	}

	putAll(writes: readonly StoreWrite[]): void {
		for (const [key, value] of writes) this.#writes.set(key, value);
	}

	/** A JSON value to be changed in place; call `change` for it to be written. */
	object<T>(key: string): T | undefined {
		const held = this.#objects.get(key);
		if (held !== undefined || this.#objects.has(key))
			return held as T | undefined;
		const text = this.get(key);
		const value =
			text === undefined ? undefined : (JSON.parse(text as string) as T);
		this.#objects.set(key, value);
		return value;
	}

	/** Whether object() was asked for this key, or change() told of it. */
	holds(key: string): boolean {
		return this.#objects.has(key);
	}

	/** The caller has made the key by chance: nobody need look for it in the store. */
	isNew(key: string): void {
		if (!this.#objects.has(key)) this.#objects.set(key, undefined);
	}

	/** Sets a JSON value, or marks the one got from object() as changed. */
	change<T>(key: string, value: T | undefined): void {
		this.#objects.set(key, value);
		this.#dirty.add(key);
	}

	get isEmpty(): boolean {
		return this.#writes.size === 0 && this.#dirty.size === 0;
	}

	writes(): StoreWrite[] {
		for (const key of this.#dirty) {
			const value = this.#objects.get(key);
			this.#writes.set(
				key,
				value === undefined ? undefined : JSON.stringify(value),
			);
		}
		this.#dirty.clear();
		return [...this.#writes];
	}
}
