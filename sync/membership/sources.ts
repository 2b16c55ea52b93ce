/** Which member a node without documents asks for them: one at a time, the next one when nothing comes. */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { PeerAddress } from "../ports/network.ts";

/** Silence after which another member is asked: far above what a dial and the first documents take. */
const SILENT_MILLISECONDS_MAX = 15_000;

export class Sources {
	readonly #addresses: readonly PeerAddress[];
	readonly #clock: Clock;
	readonly #changed: () => void;
	#at = 0;
	#cancel: Cancel = () => {};

	constructor(
		addresses: readonly PeerAddress[],
		clock: Clock,
		changed: () => void,
	) {
		this.#addresses = addresses;
		this.#clock = clock;
		this.#changed = changed;
		this.heard();
	}

	/** The one that is asked now. */
	get current(): readonly PeerAddress[] {
		return this.#addresses.slice(this.#at, this.#at + 1);
	}

	/** Something came from it. */
	heard(): void {
		this.#cancel();
		if (this.#addresses.length < 2) return;
		this.#cancel = this.#clock.after(SILENT_MILLISECONDS_MAX, () => {
			this.#at = (this.#at + 1) % this.#addresses.length;
			this.heard();
			this.#changed();
		});
	}

	stop(): void {
		this.#cancel();
	}
}
