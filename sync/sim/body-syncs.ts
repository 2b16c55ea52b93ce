/** Group commit of a simulated body store: what is written becomes durable with the next sync, all that waits at once. */
import type { Milliseconds } from "../ids.ts";
import type { BodyLife } from "./body-life.ts";

/** A write to disk that the next sync makes durable. */
interface Unsynced {
	readonly apply: () => void;
	readonly resolve: () => void;
}

export class BodySyncs {
	readonly #life: BodyLife;
	/** How long a sync takes now. */
	readonly #milliseconds: () => Milliseconds;
	/** After each. */
	readonly #synced: () => void;
	#unsynced: Unsynced[] = [];
	#syncing: Promise<void> | undefined;

	constructor(
		life: BodyLife,
		milliseconds: () => Milliseconds,
		synced: () => void,
	) {
		this.#life = life;
		this.#milliseconds = milliseconds;
		this.#synced = synced;
	}

	/** Resolves after a sync that started after the call; `apply` runs when it is done. */
	durable(apply: () => void): Promise<void> {
		const written = new Promise<void>((resolve) =>
			this.#unsynced.push({ apply, resolve }),
		);
		this.#syncing ??= this.#sync();
		return written;
	}

	/** When nothing waits any more. */
	async idle(): Promise<void> {
		await this.#syncing;
	}

	/** What was not synced is gone. */
	drop(): void {
		this.#unsynced = [];
	}

	async #sync(): Promise<void> {
		while (this.#unsynced.length > 0) {
			const group = this.#unsynced;
			this.#unsynced = [];
			await new Promise<void>((resolve) => {
				this.#life.after(this.#milliseconds(), resolve);
			});
			for (const { apply, resolve } of group) {
				apply();
				resolve();
			}
			this.#synced();
		}
		this.#syncing = undefined;
	}
}
