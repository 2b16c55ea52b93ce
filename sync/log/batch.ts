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

	/** Takes back what this batch put under a key that the store does not have. */
	unput(key: string): void {
		this.#writes.delete(key);
	}

	/** A JSON value to be changed in place; call `change` for it to be written. */
	object<T>(key: string): T | undefined {
		if (this.#objects.has(key)) return this.#objects.get(key) as T | undefined;
		const text = this.get(key);
		const value =
			text === undefined ? undefined : (JSON.parse(text as string) as T);
		this.#objects.set(key, value);
		return value;
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
