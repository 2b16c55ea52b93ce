/**
 * Changes of a document that lie in the log and not in Automerge yet. Automerge takes 0.1 to 0.5 ms for a change by itself
 * and a fifth of that for each of many, so they wait for others. What lies under the keys that they touch is mostly known;
 * otherwise whoever reads there has them applied first.
 */
import {
	LARGE_CHANGE_BYTES,
	UNSETTLED_CHANGES_MAX,
	UNSETTLED_PUTS_MAX,
} from "../limits.ts";

/** What lies under a key once the changes that wait are applied. */
export interface Known {
	/** The operations whose values it holds. */
	readonly ids: readonly string[];
	readonly values: readonly (string | boolean)[];
	/** So only where the document has nothing there: whoever made the change took the key for new. */
	readonly isNew: boolean;
}

export class Unapplied {
	#changes: Uint8Array[] = [];
	#largeCount = 0;
	/** By key that a waiting change touches; undefined for "ask the document". */
	readonly #keys = new Map<string, Known | undefined>();
	readonly #apply: (changes: Uint8Array[]) => void;

	constructor(apply: (changes: Uint8Array[]) => void) {
		this.#apply = apply;
	}

	get isEmpty(): boolean {
		return this.#changes.length === 0;
	}

	/** One of another node, which was not asked what these keys held before. */
	addForeign(change: Uint8Array, known: ReadonlyMap<string, Known>): void {
		this.#add(change);
		for (const [key, what] of known)
			this.#keys.set(key, this.#keys.has(key) ? undefined : what);
	}

	/** One that was made with a view to what its keys hold. */
	add(change: Uint8Array, known: ReadonlyMap<string, Known>): void {
		this.#add(change);
		for (const [key, what] of known) this.#keys.set(key, what);
	}

	#add(change: Uint8Array): void {
		this.#changes.push(change);
		if (isLarge(change)) this.#largeCount++;
	}

	/** Whether another one of this size may wait. */
	hasRoom(bytes: number): boolean {
		return bytes >= LARGE_CHANGE_BYTES
			? this.#largeCount < UNSETTLED_CHANGES_MAX
			: this.#changes.length - this.#largeCount < UNSETTLED_PUTS_MAX;
	}

	/** Whether a waiting change touches the key. */
	touches(key: string): boolean {
		return this.#keys.has(key);
	}
	known(key: string): Known | undefined {
		return this.#keys.get(key);
	}

	/** Applies all. */
	settle(): void {
		while (this.#changes.length > 0) this.settleSome();
	}

	/** Applies the next small ones, or the next large one. */
	settleSome(): void {
		const [portion] = portions(this.#changes);
		if (portion === undefined) return;
		this.#changes.splice(0, portion.length);
		if (portion.some(isLarge)) this.#largeCount--;
		if (this.#changes.length === 0) this.#keys.clear();
		this.#apply(portion);
	}
}

const isLarge = (change: Uint8Array): boolean =>
	change.length >= LARGE_CHANGE_BYTES;

/**
 * As they are best applied: small ones together, large ones alone, since two large ones that go between each other's keys
 * take ten times as long together.
 */
export function* portions(
	changes: readonly Uint8Array[],
): Iterable<Uint8Array[]> {
	for (let from = 0; from < changes.length; ) {
		const large = changes.findIndex(
			(change, i) => i >= from && isLarge(change),
		);
		const to = large === from ? from + 1 : large < 0 ? changes.length : large;
		yield changes.slice(from, to);
		from = to;
	}
}
