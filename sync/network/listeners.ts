/** A list of callbacks, each with its cancel. */
import type { Cancel } from "../ports/clock.ts";

export class Listeners<Args extends readonly unknown[]> {
	readonly #runs = new Set<(...args: Args) => void>();

	add(run: (...args: Args) => void): Cancel {
		// A wrapper, so that the same function may be added twice.
		const wrapped = (...args: Args): void => run(...args);
		this.#runs.add(wrapped);
		return () => this.#runs.delete(wrapped);
	}

	get size(): number {
		return this.#runs.size;
	}

	emit(...args: Args): void {
		for (const run of [...this.#runs]) run(...args);
	}
}
