/**
 * A member that refuses a change of this node takes nothing that follows it either: whoever runs this node must hear of it,
 * for all looks well here. So members say what they refuse, and it stands in the log, once, and in the status until they take it.
 * Who has it by way of other members tells the last of those, and it is passed on from one to the next (passed-on.ts).
 */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import { REFUSAL_TEXT_MAX } from "../limits.ts";
import type { Refusal } from "../log/inbound.ts";
import type { Vector } from "../log/record.ts";
import type { Log } from "../ports/log.ts";
import type { PeerFacts } from "./facts.ts";
import { holds, PassedOn, type RefusesFrame, TAKEN } from "./passed-on.ts";
import type { Session } from "./session.ts";

/** Since when members say so. */
const VERSION = 5;

export interface RefusalsOptions {
	/** Of this node. */
	readonly origin: Origin;
	readonly diary: Log;
	readonly facts: (node: NodeId) => PeerFacts;
	readonly isMember: (node: NodeId) => boolean;
	/** The link to whoever writes under the origin now. */
	readonly makerOf: (origin: Origin) => Session | undefined;
	/** Links on which something comes. */
	readonly sessions: () => Iterable<Session>;
	/** Whether what it says comes here. */
	readonly hears: (node: NodeId) => boolean;
	/** Whether the change is damaged here: then it is that which is refused, and its maker has nothing to do with it. */
	readonly isDamaged: (origin: Origin, sequence: Sequence) => boolean;
	/** Something of the facts changed. */
	readonly changed: () => void;
}

export class Refusals {
	readonly #options: RefusalsOptions;
	/** What members refuse that others made. */
	readonly #passedOn: PassedOn;
	/** Members that are not heard here and refuse something, and who say so. */
	readonly #heardBy = new Map<NodeId, Set<NodeId>>();

	constructor(options: RefusalsOptions) {
		this.#options = options;
		this.#passedOn = new PassedOn(options);
	}

	/** To the member that sent it, which may not be the one that made it. */
	tell(
		session: Session | undefined,
		origin: Origin,
		{ sequence, reason }: Refusal,
	): void {
		if (session === undefined || session.version < VERSION) return;
		session.send({
			type: "refuses",
			origin,
			sequence,
			reason: reason.slice(0, REFUSAL_TEXT_MAX),
		});
	}

	heard(teller: NodeId, frame: RefusesFrame): void {
		const { origin, isMember, hears } = this.#options;
		const { by } = frame;
		if (frame.origin !== origin) {
			this.#passedOn.heard(teller, frame);
			return;
		}
		if (by === undefined) {
			this.#heardBy.delete(teller);
			this.#note(teller, frame);
			return;
		}
		// Who can says so itself.
		if (!isMember(by) || hears(by)) return;
		if (frame.reason === TAKEN) {
			const { refuses } = this.#options.facts(by);
			// Where it comes by two ways, it may refuse the next one by now.
			if (refuses?.sequence === frame.sequence) this.#taken(by);
			return;
		}
		const tellers = this.#heardBy.get(by) ?? new Set();
		this.#heardBy.set(by, tellers.add(teller));
		this.#note(by, frame);
	}

	#note(peer: NodeId, { sequence, reason }: RefusesFrame): void {
		const { facts: factsOf, diary, changed } = this.#options;
		const facts = factsOf(peer);
		const isKnown = facts.refuses?.sequence === sequence;
		facts.refuses = { sequence, reason };
		if (isKnown) return;
		diary.error(
			"a member refuses a change of this node, and takes nothing that is made here from then on",
			{ peer, sequence, reason },
		);
		changed();
	}

	/** What it holds now. */
	heardHolds(peer: NodeId, vector: Vector): void {
		const { facts, origin } = this.#options;
		const { refuses } = facts(peer);
		if (refuses !== undefined && holds(vector, origin, refuses.sequence))
			this.#taken(peer);
		this.#passedOn.heardHolds(peer, vector);
	}

	#taken(peer: NodeId): void {
		const { facts, diary, changed } = this.#options;
		this.#heardBy.delete(peer);
		if (facts(peer).refuses === undefined) return;
		facts(peer).refuses = undefined;
		diary.info("a member takes what it had refused", { peer });
		changed();
	}

	/** The link to it closed. What it had passed on is heard again, by another way or a new link, if it is so still. */
	closed(teller: NodeId): void {
		this.#passedOn.closed(teller);
		for (const [peer, tellers] of this.#heardBy) {
			if (!tellers.delete(teller) || tellers.size > 0) continue;
			this.#heardBy.delete(peer);
			this.#options.facts(peer).refuses = undefined;
		}
	}
}
