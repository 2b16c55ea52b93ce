/** Which member a node without documents asks for them: one at a time, the next one when nothing comes. */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PeerAddress } from "../ports/network.ts";

/** Silence after which another member is asked: far above what a dial and the first documents take. */
const SILENT_MILLISECONDS_MAX = 15_000;

export const NO_SOURCE =
	'no member that this node knows sends it the documents of the cluster: start one that has them and lists this node in its "pmnode status"; is there none any more, stop this node, empty its data folder and join with a link of "pmnode invite" from a member';

export class Sources {
	readonly #addresses: readonly PeerAddress[];
	readonly #clock: Clock;
	readonly #changed: () => void;
	readonly #diary: Log;
	#at = 0;
	/** Asked in vain, one after another. */
	#silent = 0;
	#cancel: Cancel = () => {};

	constructor(
		addresses: readonly PeerAddress[],
		clock: Clock,
		diary: Log,
		changed: () => void,
	) {
		this.#addresses = addresses;
		this.#clock = clock;
		this.#diary = diary;
		this.#changed = changed;
		this.#wait();
	}

	/** The one that is asked now. */
	get current(): readonly PeerAddress[] {
		return this.#addresses.slice(this.#at, this.#at + 1);
	}

	/** Members that are asked later, or were in vain. */
	get others(): readonly PeerAddress[] {
		return this.#addresses.toSpliced(this.#at, 1);
	}

	/** Something came from it. */
	heard(): void {
		this.#silent = 0;
		this.#wait();
	}

	#wait(): void {
		this.#cancel();
		const { length } = this.#addresses;
		if (length === 0) return;
		this.#cancel = this.#clock.after(SILENT_MILLISECONDS_MAX, () => {
			if (++this.#silent === length) this.#diary.warn(NO_SOURCE);
			this.#at = (this.#at + 1) % length;
			this.#wait();
			if (length > 1) this.#changed();
		});
	}

	stop(): void {
		this.#cancel();
	}
}
