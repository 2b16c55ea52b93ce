/**
 * A member that refuses a change of this node takes nothing that follows it either: whoever runs this node must hear of it,
 * for all looks well here. So members say what they refuse, and it stands in the log, once, and in the status until they take it.
 * Who has it by way of another member tells that one, which passes it on to its maker.
 */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import { REFUSAL_TEXT_MAX } from "../limits.ts";
import type { Refusal } from "../log/inbound.ts";
import type { Vector } from "../log/record.ts";
import type { Log } from "../ports/log.ts";
import type { PeerFacts } from "./facts.ts";
import type { Frame } from "./frames.ts";
import type { Session } from "./session.ts";

export type RefusesFrame = Extract<Frame, { type: "refuses" }>;

/** Since when members say so, and since when it is passed on. */
const VERSION = 5;
const VERSION_PASSED_ON = 6;
/** Passed on as the reason: it takes now what it had refused. */
const TAKEN = "";

export interface RefusalsOptions {
	/** Of this node. */
	readonly origin: Origin;
	readonly diary: Log;
	readonly facts: (node: NodeId) => PeerFacts;
	readonly isMember: (node: NodeId) => boolean;
	/** The link to whoever writes under the origin now. */
	readonly makerOf: (origin: Origin) => Session | undefined;
	/** Whether what it says comes here. */
	readonly hears: (node: NodeId) => boolean;
	/** Whether the change is damaged here: then it is that which is refused, and its maker has nothing to do with it. */
	readonly isDamaged: (origin: Origin, sequence: Sequence) => boolean;
	/** Something of the facts changed. */
	readonly changed: () => void;
}

export class Refusals {
	readonly #options: RefusalsOptions;
	/** What linked members refuse, as passed on to its makers. */
	readonly #passedOn = new Map<NodeId, RefusesFrame>();
	/** Members that are not heard here and refuse something, and who says so. */
	readonly #heardBy = new Map<NodeId, NodeId>();

	constructor(options: RefusalsOptions) {
		this.#options = options;
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
			if (by === undefined) this.#passOn(teller, frame);
			return;
		}
		if (by === undefined) {
			this.#heardBy.delete(teller);
			this.#note(teller, frame);
			return;
		}
		// Who can says so itself.
		if (!isMember(by) || hears(by)) return;
		this.#heardBy.set(by, teller);
		if (frame.reason === TAKEN) this.#taken(by);
		else this.#note(by, frame);
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

	/** Once only: whoever has it from this node heard of it here, and its maker from nobody else. */
	#passOn(by: NodeId, frame: RefusesFrame): void {
		const { makerOf, isDamaged } = this.#options;
		const maker = makerOf(frame.origin);
		if (maker === undefined || maker.version < VERSION_PASSED_ON) return;
		if (isDamaged(frame.origin, frame.sequence)) return;
		this.#passedOn.set(by, frame);
		maker.send({ ...frame, by });
	}

	/** What it holds now. */
	heardHolds(peer: NodeId, vector: Vector): void {
		const { facts, origin, makerOf } = this.#options;
		const { refuses } = facts(peer);
		if (refuses !== undefined && holds(vector, origin, refuses.sequence))
			this.#taken(peer);
		const passedOn = this.#passedOn.get(peer);
		if (passedOn === undefined) return;
		if (!holds(vector, passedOn.origin, passedOn.sequence)) return;
		this.#passedOn.delete(peer);
		makerOf(passedOn.origin)?.send({ ...passedOn, reason: TAKEN, by: peer });
	}

	#taken(peer: NodeId): void {
		const { facts, diary, changed } = this.#options;
		this.#heardBy.delete(peer);
		if (facts(peer).refuses === undefined) return;
		facts(peer).refuses = undefined;
		diary.info("a member takes what it had refused", { peer });
		changed();
	}

	/** The link to it closed. What it had passed on is heard again, by another way, if it is so still. */
	closed(teller: NodeId): void {
		this.#passedOn.delete(teller);
		for (const [peer, by] of this.#heardBy) {
			if (by !== teller) continue;
			this.#heardBy.delete(peer);
			this.#options.facts(peer).refuses = undefined;
		}
	}
}

const holds = (vector: Vector, origin: Origin, sequence: number): boolean =>
	(vector.get(origin) ?? 0) >= sequence;
