/**
 * A member that refuses a change of this node takes nothing that follows it either: whoever runs this node must hear of it,
 * for all looks well here. So members say what they refuse, and it stands in the log, once, and in the status until they take it.
 */
import type { NodeId, Origin } from "../ids.ts";
import { REFUSAL_TEXT_MAX } from "../limits.ts";
import type { Refusal } from "../log/inbound.ts";
import type { Vector } from "../log/record.ts";
import type { Log } from "../ports/log.ts";
import type { PeerFacts } from "./facts.ts";
import type { Frame } from "./frames.ts";
import type { Session } from "./session.ts";

export type RefusesFrame = Extract<Frame, { type: "refuses" }>;

/** Since when members say so. */
const VERSION = 5;

export class Refusals {
	readonly #origin: Origin;
	readonly #diary: Log;
	readonly #facts: (node: NodeId) => PeerFacts;
	readonly #changed: () => void;

	/** `origin`: of this node. `changed`: something of the facts did. */
	constructor(
		origin: Origin,
		diary: Log,
		facts: (node: NodeId) => PeerFacts,
		changed: () => void,
	) {
		this.#origin = origin;
		this.#diary = diary;
		this.#facts = facts;
		this.#changed = changed;
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

	heard(peer: NodeId, { origin, sequence, reason }: RefusesFrame): void {
		if (origin !== this.#origin) return;
		const facts = this.#facts(peer);
		const isKnown = facts.refuses?.sequence === sequence;
		facts.refuses = { sequence, reason };
		if (isKnown) return;
		this.#diary.error(
			"a member refuses a change of this node, and takes nothing that is made here from then on",
			{ peer, sequence, reason },
		);
		this.#changed();
	}

	/** What it holds now. */
	heardHolds(peer: NodeId, vector: Vector): void {
		const facts = this.#facts(peer);
		const { refuses } = facts;
		if (refuses === undefined) return;
		if ((vector.get(this.#origin) ?? 0) < refuses.sequence) return;
		facts.refuses = undefined;
		this.#diary.info("a member takes what it had refused", { peer });
		this.#changed();
	}
}
