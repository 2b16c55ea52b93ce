/**
 * When a peer is up, suspect or down: the rule, free of sockets and timers, so that the simulated network follows the
 * same one. Silence is counted in ticks of our own: a process that was stalled itself has not listened, and must not
 * take everybody else for dead.
 */
import {
	DOWN_MILLISECONDS,
	HEARTBEAT_MILLISECONDS,
	SUSPECT_MILLISECONDS,
} from "../limits.ts";
import type { PeerState } from "../ports/network.ts";

/** How often silence is measured. */
export const TICK_MILLISECONDS = HEARTBEAT_MILLISECONDS / 2;
/** A tick counts as no more than this, however late it comes. */
const TICK_COUNTED_MILLISECONDS_MAX = 2 * TICK_MILLISECONDS;

export class Liveness {
	#silentMilliseconds: number;
	#linked = false;
	#refused = false;

	/**
	 * `expected`: a member since before this process was started. It is as likely up as not, and gets the usual time to
	 * show; others are down until they are linked.
	 */
	constructor(expected = false) {
		this.#silentMilliseconds = expected
			? SUSPECT_MILLISECONDS
			: DOWN_MILLISECONDS;
	}

	/** Anything came from the peer. */
	heard(): void {
		this.#silentMilliseconds = 0;
	}

	/** A link was agreed: the peer is there. */
	linked(): void {
		this.#linked = true;
		this.#refused = false;
		this.#silentMilliseconds = 0;
	}

	unlinked(): void {
		this.#linked = false;
	}

	/** A dial was refused: nobody listens there, so the process is gone. Means nothing while a link is fresh. */
	refused(): void {
		this.#refused = true;
	}

	tick(elapsedMilliseconds: number): void {
		this.#silentMilliseconds += Math.min(
			Math.max(0, elapsedMilliseconds),
			TICK_COUNTED_MILLISECONDS_MAX,
		);
	}

	get silentMilliseconds(): number {
		return this.#silentMilliseconds;
	}

	/** A link is open and its peer was heard lately. */
	get fresh(): boolean {
		return this.#linked && this.#silentMilliseconds < SUSPECT_MILLISECONDS;
	}

	get state(): PeerState {
		if (this.fresh) return "up";
		if (this.#refused && !this.#linked) return "down";
		return this.#silentMilliseconds < DOWN_MILLISECONDS ? "suspect" : "down";
	}
}
