/**
 * Tells members, once for all that happens in a turn: what is held here durably, pairs and watermarks (rules 12 and 3), and
 * transactions whose 250 a client has seen.
 */
import type { NodeId, Origin } from "../ids.ts";
import {
	CONFIRMED_MAX,
	PAIRS_TOLD_MAX,
	WANTS_TOLD_MAX,
	WATERMARKS_TOLD_MAX,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Pair } from "../mailbox/pairs.ts";
import type { Want } from "../mailbox/wanted.ts";
import type { Watermark } from "../mailbox/watermarks.ts";
import type { Clock } from "../ports/clock.ts";
import type { Frame, Holds } from "./frames.ts";
import type { BodyNeeds } from "./needs.ts";
import type { PiecesTold } from "./pushing.ts";
import type { Session } from "./session.ts";

export interface TellingOptions {
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly needs: BodyNeeds;
	readonly clock: Clock;
	/** Whether this life has begun: it may write, and serves. */
	readonly alive: () => boolean;
	/** Whether its disk takes nothing. */
	readonly full: () => boolean;
	/** Whether this node has caught up and numbers. */
	readonly ready: () => boolean;
	readonly sessions: () => Iterable<Session>;
	/** The origin that a member writes under now. */
	readonly originOf: (node: NodeId) => Origin | undefined;
	/** What became of what the member sent unasked. */
	readonly pieces: (session: Session) => PiecesTold | undefined;
}

const HOLDS_INTERVAL_MILLISECONDS = 1;
/** Who sends the same message once more by another node takes longer, and so all 250s of a batch are told at once. */
const CONFIRM_MILLISECONDS = 20;

export class Telling {
	readonly #options: TellingOptions;
	#holdsScheduled = false;
	/** When members were last told (monotonic). */
	#toldMilliseconds = Number.NEGATIVE_INFINITY;
	/** Transactions whose 250 was seen by the client, here or on a peer; the oldest are forgotten. */
	readonly #confirmed = new Set<string>();
	#confirmations: string[] = [];
	#confirmsScheduled = false;
	/** Pairs of this turn (rule 12). */
	#pairs: Pair[] = [];

	constructor(options: TellingOptions) {
		this.#options = options;
	}

	/** Tells all members what is held, once for all that happens in this turn. */
	holds(): void {
		if (this.#holdsScheduled) return;
		this.#holdsScheduled = true;
		const { clock, sessions, ready, alive, full } = this.#options;
		const since = clock.monotonic() - this.#toldMilliseconds;
		clock.after(HOLDS_INTERVAL_MILLISECONDS - since, () => {
			this.#holdsScheduled = false;
			this.#toldMilliseconds = clock.monotonic();
			const isFull = full();
			for (const session of sessions()) {
				if (session.vector === undefined) continue;
				const pieces = this.#options.pieces(session);
				session.send({
					type: "holds",
					holds: this.heldFor(session),
					ready: ready(),
					serves: alive(),
					full: isFull,
					...(pieces && { pieces }),
				});
			}
			this.#sendConfirmations();
		});
	}

	/** What is held here, as far as it matters to that member. */
	heldFor(session: Session): Holds {
		const { ledger, needs, mailboxes, originOf } = this.#options;
		const { vector } = ledger.log;
		const bodies = needs.watermarks(vector);
		const theirs = originOf(session.peer);
		const extra =
			theirs === undefined
				? []
				: needs.beyond(
						theirs,
						vector.get(theirs) ?? 0,
						ledger.log.firstKept(theirs),
					);
		return {
			vector,
			bodies,
			extra,
			missingBodies: needs.count,
			counter: mailboxes.stamps.highest,
			pace: mailboxes.stamps.pace(),
		};
	}

	/** Before it is told that what they are of is held here (rule 9), on a new link too. */
	wants(wants: readonly Want[], sessions = this.#options.sessions()): void {
		for (const session of sessions)
			for (let i = 0; i < wants.length; i += WANTS_TOLD_MAX)
				session.send({
					type: "wants",
					wants: wants.slice(i, i + WANTS_TOLD_MAX),
				});
	}

	/** Rule 12: with what else this turn has to tell. */
	pair(pair: Pair): void {
		if (this.#pairs.push(pair) > 1) return;
		this.#options.clock.after(0, () => {
			const pairs = this.#pairs.splice(0);
			for (let i = 0; i < pairs.length; i += PAIRS_TOLD_MAX)
				this.#sendAll({
					type: "pairs",
					pairs: pairs.slice(i, i + PAIRS_TOLD_MAX),
				});
		});
	}

	/** Rule 3. */
	watermarks(watermarks: readonly Watermark[]): void {
		for (const frame of watermarkFrames(watermarks)) this.#sendAll(frame);
	}

	#sendAll(frame: Frame): void {
		for (const session of this.#options.sessions())
			if (session.vector !== undefined && !session.joining) session.send(frame);
	}

	/** A client here has seen the 250 of this transaction. */
	confirm(transaction: string): void {
		this.noteConfirmed(transaction);
		this.#confirmations.push(transaction);
		if (this.#confirmsScheduled) return;
		this.#confirmsScheduled = true;
		this.#options.clock.after(CONFIRM_MILLISECONDS, () => {
			this.#confirmsScheduled = false;
			this.#sendConfirmations();
		});
	}

	/** The node is being stopped: what waits to be told is told now. */
	stop(): void {
		this.#sendConfirmations();
	}
	wasConfirmed(transaction: string): boolean {
		return this.#confirmed.has(transaction);
	}
	noteConfirmed(transaction: string): void {
		this.#confirmed.add(transaction);
		for (const oldest of this.#confirmed) {
			if (this.#confirmed.size <= CONFIRMED_MAX) break;
			this.#confirmed.delete(oldest);
		}
	}
	#sendConfirmations(): void {
		const transactions = this.#confirmations.splice(0);
		if (transactions.length === 0) return;
		for (const session of this.#options.sessions())
			session.send({ type: "confirm", transactions });
	}
}

export function* watermarkFrames(
	watermarks: readonly Watermark[],
): Iterable<Frame> {
	for (let i = 0; i < watermarks.length; i += WATERMARKS_TOLD_MAX)
		yield {
			type: "watermarks",
			watermarks: watermarks.slice(i, i + WATERMARKS_TOLD_MAX),
		};
}
