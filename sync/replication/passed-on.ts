/**
 * What members refuse of what others made, on its way to these: to the maker where this node is linked to it, else to all
 * other links. Each member passes a refusal on to another once, and once that it is over, whatever ways there are between
 * them; so it comes to the maker along any chain of links, and none goes round for ever.
 */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import { REFUSALS_PASSED_ON_MAX } from "../limits.ts";
import type { Vector } from "../log/record.ts";
import type { Frame } from "./frames.ts";
import type { Session } from "./session.ts";

export type RefusesFrame = Extract<Frame, { type: "refuses" }>;

/** Since when it is passed on. */
const VERSION = 6;
/** Passed on as the reason: it takes now what it had refused. */
export const TAKEN = "";

export interface PassedOnOptions {
	readonly isMember: (node: NodeId) => boolean;
	/** The link to whoever writes under the origin now. */
	readonly makerOf: (origin: Origin) => Session | undefined;
	readonly sessions: () => Iterable<Session>;
	/** Whether the change is damaged here: then it is that which is refused, and its maker has nothing to do with it. */
	readonly isDamaged: (origin: Origin, sequence: Sequence) => boolean;
}

interface Passing {
	/** The latest; with the reason TAKEN it is over, and kept so that it does not come back by a longer way. */
	readonly frame: RefusesFrame & { readonly by: NodeId };
	/** Who is not told of it, since it told this node, and who was told. */
	readonly known: Set<NodeId>;
}

export class PassedOn {
	readonly #options: PassedOnOptions;
	/** By who refuses, and whose change; the oldest are forgotten. */
	readonly #passing = new Map<string, Passing>();

	constructor(options: PassedOnOptions) {
		this.#options = options;
	}

	/** The member says it of itself, or passes it on. */
	heard(teller: NodeId, frame: RefusesFrame): void {
		const { isMember, isDamaged } = this.#options;
		const by = frame.by ?? teller;
		if (!isMember(by) || isDamaged(frame.origin, frame.sequence)) return;
		const before = this.#passing.get(keyOf(by, frame.origin));
		const isNew =
			before === undefined ? frame.reason !== TAKEN : isNews(before, frame);
		if (isNew) this.#pass({ ...frame, by }, teller);
		else before?.known.add(teller);
	}

	/** What the member holds now; on a new link it is told what others refuse. */
	heardHolds(peer: NodeId, vector: Vector): void {
		if (this.#passing.size === 0) return;
		for (const passing of [...this.#passing.values()]) {
			const { frame } = passing;
			const { by, origin, sequence, reason } = frame;
			const isTaken = by === peer && holds(vector, origin, sequence);
			if (isTaken && reason !== TAKEN)
				this.#pass({ ...frame, reason: TAKEN }, peer);
			else this.#tell(passing);
		}
	}

	/** What was told to it is told again on its next link: it has forgotten what it had from here. */
	closed(peer: NodeId): void {
		for (const { known } of this.#passing.values()) known.delete(peer);
	}

	#pass(frame: Passing["frame"], teller: NodeId): void {
		const key = keyOf(frame.by, frame.origin);
		const passing = { frame, known: new Set([teller]) };
		this.#passing.delete(key);
		this.#passing.set(key, passing);
		for (const oldest of this.#passing.keys()) {
			if (this.#passing.size <= REFUSALS_PASSED_ON_MAX) break;
			this.#passing.delete(oldest);
		}
		this.#tell(passing);
	}

	#tell({ frame, known }: Passing): void {
		const { makerOf, sessions } = this.#options;
		const maker = makerOf(frame.origin);
		for (const session of maker === undefined ? sessions() : [maker]) {
			const { peer, version } = session;
			if (version < VERSION || peer === frame.by || known.has(peer)) continue;
			known.add(peer);
			session.send(frame);
		}
	}
}

export const holds = (
	vector: Vector,
	origin: Origin,
	sequence: number,
): boolean => (vector.get(origin) ?? 0) >= sequence;

const keyOf = (by: NodeId, origin: Origin): string => `${by} ${origin}`;

/** A later change, or that the same one is taken. Who refuses says so itself where it refuses again what it had taken. */
function isNews({ frame }: Passing, news: RefusesFrame): boolean {
	if (news.sequence !== frame.sequence) return news.sequence > frame.sequence;
	const isTaken = news.reason === TAKEN;
	const wasTaken = frame.reason === TAKEN;
	return isTaken !== wasTaken && (isTaken || news.by === undefined);
}
