/**
 * Whether a client's read of a body that is not here has anybody to wait for. Where no connected member can have the body
 * (as its owner died with it), the wait is short, and whoever asks again soon does not wait at all.
 */
import type { Milliseconds } from "../ids.ts";
import {
	BODIES_FORSAKEN_MAX,
	BODY_FORSAKEN_MILLISECONDS,
	BODY_HOPE_MILLISECONDS,
} from "../limits.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { referenceKey } from "./reference.ts";

/** Whether some connected member has the body as far as is known now, or may get it first of all. */
type MayCome = (reference: BodyRef) => boolean | Promise<boolean>;

/** Looks within the grace, so that one that comes late after a stall of this process does not end it alone. */
const LOOKS = 4;

export class Hope {
	readonly #clock: Pick<Clock, "monotonic" | "after">;
	readonly #mayCome: MayCome;
	/** Bodies that nobody had → until when that is taken for granted. */
	readonly #forsaken = new Map<string, Milliseconds>();

	constructor(clock: Pick<Clock, "monotonic" | "after">, mayCome: MayCome) {
		this.#clock = clock;
		this.#mayCome = mayCome;
	}

	/** Runs `giveUp` once, as soon as there has been nobody to wait for long enough. */
	watch(reference: BodyRef, giveUp: () => void): Cancel {
		const key = referenceKey(reference);
		let over = false;
		let cancelTimer: Cancel = () => {};
		// One look decides where nobody had it a moment ago.
		let inVain = this.#isForsaken(key) ? LOOKS - 1 : 0;
		const again = () => {
			cancelTimer = this.#clock.after(
				BODY_HOPE_MILLISECONDS / LOOKS,
				() => void look(),
			);
		};
		const look = async () => {
			const mayCome = await this.#mayCome(reference);
			if (over) return;
			inVain = mayCome ? 0 : inVain + 1;
			if (mayCome) this.#forsaken.delete(key);
			if (inVain < LOOKS) return again();
			over = true;
			this.#forsake(key);
			giveUp();
		};
		if (inVain > 0) void look();
		else again();
		return () => {
			over = true;
			cancelTimer();
		};
	}

	/** A member came: it has yet to tell what it has. */
	renew(): void {
		this.#forsaken.clear();
	}

	#isForsaken(key: string): boolean {
		const until = this.#forsaken.get(key);
		if (until === undefined) return false;
		if (this.#clock.monotonic() < until) return true;
		this.#forsaken.delete(key);
		return false;
	}

	/** Asking again makes it last no longer, or who asks often would never give a member the time to tell. */
	#forsake(key: string): void {
		if (this.#forsaken.has(key)) return;
		this.#forsaken.set(
			key,
			this.#clock.monotonic() + BODY_FORSAKEN_MILLISECONDS,
		);
		for (const oldest of this.#forsaken.keys()) {
			if (this.#forsaken.size <= BODIES_FORSAKEN_MAX) return;
			this.#forsaken.delete(oldest);
		}
	}
}
