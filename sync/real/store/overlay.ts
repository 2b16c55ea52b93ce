/**
 * Commits that are in a journal and not in the database yet: a map with ranges. Keys are held by their first two parts
 * (`log/<origin>/`), each group sorted only when somebody asks for a range of it.
 */
import type { StoreValue, StoreWrite } from "../../ports/store.ts";
import { lowerBound } from "../../ranges.ts";
import { plainBytes } from "./record.ts";

interface Group {
	readonly keys: string[];
	/** Whether `keys` ascend. */
	sorted: boolean;
}

export class Overlay {
	/** `null`: deleted. So one look tells that from what is not here. */
	readonly #values = new Map<string, StoreValue | null>();
	readonly #groups = new Map<string, Group>();
	#lastName = "";
	#last: Group | undefined;
	#bytes = 0;

	/** Of all that it took. */
	get bytes(): number {
		return this.#bytes;
	}
	get size(): number {
		return this.#values.size;
	}
	/** `null` where the key is deleted, `undefined` where only what lies below can tell. */
	get(key: string): StoreValue | null | undefined {
		return this.#values.get(key);
	}

	*writes(): Iterable<StoreWrite> {
		for (const [key, value] of this.#values) yield [key, value ?? undefined];
	}

	take(writes: readonly StoreWrite[]): void {
		this.#bytes += plainBytes(writes);
		for (let i = 0; i < writes.length; i++) {
			const write = writes[i] as StoreWrite;
			const key = write[0];
			const value = write[1];
			const { size } = this.#values;
			// The caller may go on to change its bytes.
			this.#values.set(
				key,
				value instanceof Uint8Array ? Uint8Array.from(value) : (value ?? null),
			);
			if (this.#values.size > size) this.#addKey(key);
		}
	}

	#addKey(key: string): void {
		const group = this.#groupOf(key);
		const last = group.keys.at(-1);
		if (last !== undefined && key < last) group.sorted = false;
		group.keys.push(key);
	}

	/** Most keys of a commit are of the same group as the one before. */
	#groupOf(key: string): Group {
		if (this.#last !== undefined && key.startsWith(this.#lastName))
			return this.#last;
		const name = groupOf(key);
		let group = this.#groups.get(name);
		if (group === undefined) {
			group = { keys: [], sorted: true };
			this.#groups.set(name, group);
		}
		this.#last = isWhole(name) ? group : undefined;
		this.#lastName = name;
		return group;
	}

	/** Keys with `from <= key < to`, ascending, also of those that are deleted. */
	keys(from: string, to: string): string[] {
		const name = groupOf(from);
		if (name === groupOf(to) && isWhole(name))
			return this.#keysOf(name, from, to);
		const found: string[] = [];
		for (const group of this.#groups.keys())
			if (group >= from ? group < to : from.startsWith(group))
				found.push(...this.#keysOf(group, from, to));
		return found.sort(compare);
	}

	#keysOf(name: string, from: string, to: string): string[] {
		const group = this.#groups.get(name);
		if (group === undefined) return [];
		if (!group.sorted) group.keys.sort(compare);
		group.sorted = true;
		return group.keys.slice(
			lowerBound(group.keys, from),
			lowerBound(group.keys, to),
		);
	}
}

/** By code unit, as the store orders. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The key up to and with its second slash, or its first; else "". */
function groupOf(key: string): string {
	const first = key.indexOf("/");
	const second = key.indexOf("/", first + 1);
	return key.slice(0, (second < 0 ? first : second) + 1);
}

/** With both slashes: all keys between two of the group are of it, too. */
const isWhole = (group: string): boolean =>
	group.indexOf("/") !== group.lastIndexOf("/");
