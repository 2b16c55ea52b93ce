/**
 * Asks members for what is missing here: each origin of one member at a time, of its own node first, and of others where that
 * is not linked, or where what it sent was refused.
 */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Clock } from "../ports/clock.ts";
import type { Session } from "./session.ts";

export interface PullingOptions {
	readonly ledger: Ledger;
	readonly clock: Clock;
	readonly joining: () => boolean;
	readonly sessions: () => Iterable<Session>;
	/** Whether a linked member writes under this origin now. */
	readonly isLinkedOrigin: (origin: Origin) => boolean;
}

/** A linked origin pushes its own changes; others are asked only if that takes longer. */
const GRACE_MILLISECONDS = 300;
const AGAIN_MILLISECONDS = 3_000;
const DISTRUST_MILLISECONDS = 5_000;

export class Pulling {
	readonly #options: PullingOptions;
	#scheduled = false;
	/** Origin → whom it was asked of, up to where, until when that is waited for. */
	readonly #asked = new Map<
		Origin,
		{ peer: NodeId; upTo: number; until: number }
	>();
	/** "origin peer" → until when the origin is rather asked of others, as what the peer sent of it was refused. */
	readonly #distrusted = new Map<string, number>();
	/** When it was first seen that an origin is ahead here. */
	readonly #behindSince = new Map<Origin, number>();
	#stopped = false;

	constructor(options: PullingOptions) {
		this.#options = options;
	}

	schedule(afterMilliseconds = 0): void {
		if (this.#scheduled || this.#stopped) return;
		this.#scheduled = true;
		this.#options.clock.after(afterMilliseconds, () => {
			this.#scheduled = false;
			this.#pull();
		});
	}

	#pull(): void {
		if (this.#options.joining() || this.#stopped) return;
		const { ledger, clock } = this.#options;
		const now = clock.monotonic();
		const asks = new Map<Session, [Origin, Sequence][]>();
		let again = false;
		for (const [origin, best] of this.#ahead()) {
			const expected = ledger.expected(origin);
			const asked = this.#asked.get(origin);
			if (best.sequence <= expected) {
				this.#behindSince.delete(origin);
				this.#asked.delete(origin);
				continue;
			}
			again = true;
			if (asked !== undefined && now < asked.until && expected < asked.upTo)
				continue;
			if (!this.#mayPull(origin, now)) continue;
			this.#asked.set(origin, {
				peer: best.session.peer,
				upTo: best.sequence,
				until: now + AGAIN_MILLISECONDS,
			});
			const list = asks.get(best.session) ?? [];
			asks.set(best.session, list);
			list.push([origin, (expected + 1) as Sequence]);
		}
		for (const [session, from] of asks) session.send({ type: "pull", from });
		if (again) this.schedule(GRACE_MILLISECONDS);
	}

	/** Per origin of which a linked member holds more than is here: who holds most. */
	*#ahead(): Iterable<[Origin, { session: Session; sequence: number }]> {
		const best = new Map<Origin, { session: Session; sequence: number }>();
		const { ledger, sessions } = this.#options;
		const { vector } = ledger.log;
		for (const session of sessions())
			for (const [origin, sequence] of session.vector ?? [])
				if (
					origin !== ledger.origin &&
					!this.#isDistrusted(origin, session.peer) &&
					sequence > (vector.get(origin) ?? 0) &&
					sequence > (best.get(origin)?.sequence ?? 0)
				)
					best.set(origin, { session, sequence });
		yield* best;
	}

	#isDistrusted(origin: Origin, peer: NodeId): boolean {
		const key = `${origin} ${peer}`;
		const until = this.#distrusted.get(key);
		if (until === undefined) return false;
		if (this.#options.clock.monotonic() < until) return true;
		this.#distrusted.delete(key);
		return false;
	}

	#mayPull(origin: Origin, now: number): boolean {
		const since = this.#behindSince.get(origin) ?? now;
		this.#behindSince.set(origin, since);
		return (
			!this.#options.isLinkedOrigin(origin) || now - since >= GRACE_MILLISECONDS
		);
	}

	/** What the peer sent of the origin was damaged or forged: others are asked first, and the peer after a while. */
	refused(origin: Origin, peer: NodeId): void {
		this.#askOthers(origin, peer);
		this.schedule(GRACE_MILLISECONDS);
	}

	/** Its log does not reach back to what this node asked for: others are asked, and it sends all if they cannot help. */
	lacks({ peer }: Session, origins: readonly Origin[]): void {
		for (const origin of origins) this.#askOthers(origin, peer);
		this.schedule();
	}

	#askOthers(origin: Origin, peer: NodeId): void {
		const until = this.#options.clock.monotonic() + DISTRUST_MILLISECONDS;
		this.#distrusted.set(`${origin} ${peer}`, until);
		this.#asked.delete(origin);
	}

	/** What was asked of it will not come. */
	closed({ peer }: Session): void {
		for (const [origin, asked] of this.#asked)
			if (asked.peer === peer) this.#asked.delete(origin);
		this.schedule();
	}

	stop(): void {
		this.#stopped = true;
	}
}
