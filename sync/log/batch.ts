/** Writes that will be committed together, readable before they are: the overlay that a flush works in. */
import type { Store, StoreValue, StoreWrite } from "../ports/store.ts";
import type { Recent } from "./recent.ts";

export class Batch {
	readonly #store: Store;
	readonly #writes = new Map<string, StoreValue | undefined>();
	/** The first letters of their keys. */
	readonly #putKinds = new Set<number>();
	/** Values taken apart already: a row that several steps of one flush touch is parsed and written once. */
	readonly #cells = new Map<string, Cell>();
	readonly #dirty: Cell[] = [];
	/** What was read of the store at once, until it is asked for. */
	readonly #read = new Map<string, StoreValue | undefined>();
	readonly #recent: Recent | undefined;
	/** That of the last key of each kind, by its first letter: most steps ask for the same ones in turn again. */
	readonly #lastKeys: string[] = new Array(KINDS).fill("");
	readonly #lastCells: (Cell | undefined)[] = new Array(KINDS).fill(undefined);

	/** `recent`: what the batches before this one wrote. */
	constructor(store: Store, recent?: Recent) {
		this.#store = store;
		this.#recent = recent;
	}

	get(key: string): StoreValue | undefined {
		if (this.#writes.has(key)) return this.#writes.get(key);
		return this.#read.has(key) ? this.#read.get(key) : this.#store.get(key);
	}

	/** These keys will be asked for: they are read at once. */
	expect(keys: readonly string[]): void {
		if (keys.length < EXPECTED_MIN) return;
		const unread = keys.filter(
			(key) =>
				!this.#cells.has(key) &&
				!this.#read.has(key) &&
				this.#recent?.has(key) !== true,
		);
		const values = this.#store.getAll(unread);
		for (let i = 0; i < unread.length; i++)
			this.#read.set(unread[i] as string, values[i]);
	}

	/** Keys from `from` on and before `to`, in no order, also of what this batch adds. */
	keys(from: string, to: string): string[] {
		const found = new Set<string>();
		const note = (key: string, value: unknown) => {
			if (key < from || key >= to) return;
			if (value === undefined) found.delete(key);
			else found.add(key);
		};
		for (const [key] of this.#store.range(from, to)) found.add(key);
		for (const [key, value] of this.#writes) note(key, value);
		for (const [key, { value }] of this.#cells) note(key, value);
		return [...found];
	}

	put(key: string, value: StoreValue | undefined): void {
		this.#writes.set(key, value);
		this.#putKinds.add(key.charCodeAt(0));
	}

	putAll(writes: readonly StoreWrite[]): void {
		for (const [key, value] of writes) this.put(key, value);
	}

	/** A JSON value to be changed in place; call `change` for it to be written. */
	object<T>(key: string): T | undefined {
		const held = this.#cell(key);
		if (held !== undefined) return held.value as T | undefined;
		const value = this.#recentValue<T>(key) ?? this.#parsed<T>(key);
		this.#keep(key, value);
		return value;
	}

	#parsed<T>(key: string): T | undefined {
		const text = this.get(key);
		return text === undefined ? undefined : (JSON.parse(text as string) as T);
	}
	#recentValue<T>(key: string): T | undefined {
		// What was put as text counts.
		if (this.#recent === undefined || this.#writes.has(key)) return undefined;
		return this.#recent.take(key) as T | undefined;
	}

	#cell(key: string): Cell | undefined {
		const kind = key.charCodeAt(0) % KINDS;
		if (key !== this.#lastKeys[kind]) {
			this.#lastKeys[kind] = key;
			this.#lastCells[kind] = this.#cells.get(key);
		}
		return this.#lastCells[kind];
	}
	#keep(key: string, value: unknown): Cell {
		const cell = { key, value, isDirty: false };
		this.#cells.set(key, cell);
		const kind = key.charCodeAt(0) % KINDS;
		this.#lastKeys[kind] = key;
		this.#lastCells[kind] = cell;
		return cell;
	}

	/** Whether object() was asked for this key, or change() told of it. */
	holds(key: string): boolean {
		if (this.#cells.size === 0) return false;
		return this.#cell(key) !== undefined;
	}

	/** The caller has made the key by chance: nobody need look for it in the store. */
	isNew(key: string): void {
		if (!this.holds(key)) this.#keep(key, undefined);
	}

	/** Sets a JSON value, or marks the one got from object() as changed. */
	change<T>(key: string, value: T | undefined): void {
		const cell = this.#cell(key) ?? this.#keep(key, undefined);
		cell.value = value;
		if (cell.isDirty) return;
		cell.isDirty = true;
		this.#dirty.push(cell);
	}

	get isEmpty(): boolean {
		return this.#writes.size === 0 && this.#dirty.length === 0;
	}

	/** It is in the store. `keeps`: those that come next will look at the same, so that it stays taken apart. */
	committed(keeps: boolean): void {
		const recent = this.#recent;
		if (recent === undefined || (!keeps && recent.isEmpty)) return;
		for (const key of this.#writes.keys()) recent.take(key);
		for (const { key, value } of this.#dirty)
			recent.put(key, keeps ? value : undefined);
	}

	writes(): StoreWrite[] {
		// Rows are hardly ever put as text too.
		for (let i = 0; i < this.#dirty.length; i++) {
			const { key } = this.#dirty[i] as Cell;
			if (this.#putKinds.has(key.charCodeAt(0))) this.#writes.delete(key);
		}
		const writes: StoreWrite[] = [...this.#writes];
		for (let i = 0; i < this.#dirty.length; i++) {
			const { key, value } = this.#dirty[i] as Cell;
			writes.push([
				key,
				value === undefined ? undefined : JSON.stringify(value),
			]);
		}
		return writes;
	}
}

/** Kinds of keys that are told apart: `ent/`, `box/`, `meta/` and `head/` are. */
const KINDS = 16;
/** Fewer are read one by one. */
const EXPECTED_MIN = 4;

/** `undefined` as a value: there is none. */
interface Cell {
	readonly key: string;
	value: unknown;
	isDirty: boolean;
}
