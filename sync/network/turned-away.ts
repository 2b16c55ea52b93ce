/**
 * Tells the operators of both ends why two nodes do not meet that take each other, or one the other, for strangers. Nobody
 * is let in for what he says of himself: the slots of a member that nobody here knows (rule 1) may have been given away again.
 */
import {
	STRANGERS_TOLD_MAX,
	STRANGERS_TOLD_MILLISECONDS,
	TURNED_AWAY_MIN,
} from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PeerStatus } from "../ports/network.ts";

export const TURNED_AWAY =
	'members turn this node away as a stranger: they were put back to copies from before it joined, or it was removed while it was away. Put back: this node has what they lost; "pmnode remove" them here, and join each anew with an empty data folder and a link of "pmnode invite" from here. Removed: join this node anew with an empty data folder';
export const STRANGER =
	'turns a node away that is no member here. Did it join after the copy was made that this node was put back to, it has what is lost here: "pmnode remove" this node there, and join it anew with an empty data folder and a link of "pmnode invite" from there. Was it removed, stop it';

export class TurnedAway {
	readonly #clock: Clock;
	readonly #log: Log;
	/** How often each came that is no member. */
	readonly #strangers = new Map<string, number>();
	#nextLine = 0;
	#told = false;

	constructor(clock: Clock, log: Log) {
		this.#clock = clock;
		this.#log = log;
	}

	/** One that was not let in: told once for each that comes again and again. */
	stranger(node: string): void {
		const count = (this.#strangers.get(node) ?? 0) + 1;
		if (count === 1 && this.#strangers.size >= STRANGERS_TOLD_MAX) {
			const [first = ""] = this.#strangers.keys();
			this.#strangers.delete(first);
		}
		const now = this.#clock.monotonic();
		if (count === TURNED_AWAY_MIN && now < this.#nextLine) return;
		this.#strangers.set(node, count);
		if (count !== TURNED_AWAY_MIN) return;
		this.#nextLine = now + STRANGERS_TOLD_MILLISECONDS;
		this.#log.warn(STRANGER, { node });
	}

	/** Told once, where one turns this node away and none takes it; who is taken in by any hears of the rest from that. */
	peers(peers: readonly PeerStatus[]): void {
		const away = peers.filter(({ turnsAway }) => turnsAway);
		if (peers.some(({ state }) => state === "up")) this.#told = false;
		else if (away.length > 0 && !this.#told) {
			this.#told = true;
			this.#log.warn(TURNED_AWAY, {
				members: away.map(({ node }) => node).join(" "),
			});
		}
	}
}
