/**
 * Values that the last batches wrote, still taken apart: what a node does itself is shown when it has its second copy (rule
 * 7), by a batch that changes the same rows once more. A batch that changes one takes it out of here, so that nothing is
 * here but what lies in the store.
 */
import { RECENT_VALUES_MAX } from "../limits.ts";

export class Recent {
	readonly #values = new Map<string, unknown>();

	get isEmpty(): boolean {
		return this.#values.size === 0;
	}

	has(key: string): boolean {
		return this.#values.has(key);
	}

	take(key: string): unknown {
		const value = this.#values.get(key);
		if (value !== undefined) this.#values.delete(key);
		return value;
	}

	/** `undefined`: it is not there any more, or not to be kept. */
	put(key: string, value: unknown): void {
		if (value === undefined) {
			this.#values.delete(key);
			return;
		}
		this.#values.set(key, value);
		if (this.#values.size <= RECENT_VALUES_MAX) return;
		for (const [oldest] of this.#values) {
			this.#values.delete(oldest);
			break;
		}
	}

	clear(): void {
		this.#values.clear();
	}
}
