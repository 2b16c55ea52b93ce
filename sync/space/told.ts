/**
 * What each member is known to hold for good: the base of every decision to forget something. It counts only what this
 * node has caught up with itself, so that all a member did before it told (a copy it made, a joiner it admitted) is here
 * when something is forgotten because of what it told. Knows no time but what it is given.
 */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import {
	covers,
	decodeVector,
	encodeVector,
	type Vector,
} from "../log/record.ts";
import { prefixEnd, type Store, type StoreWrite } from "../ports/store.ts";

/** As of one moment, by the member's own word. */
export interface Told {
	readonly vector: Vector;
	/** Per origin: the bodies that its changes up to there name are held. */
	readonly bodies: Vector;
}

export interface OtherMember {
	readonly node: NodeId;
	readonly joinedMilliseconds: number;
}

/** What may be forgotten now. */
export interface Stable {
	/** Held by every member. */
	readonly all: Vector;
	/** Held by every member that is not away for too long. */
	readonly present: Vector;
	/** Members that are away for too long: what they told last. */
	readonly away: readonly Told[];
}

interface Known {
	/** This node has all that the member had then. */
	settled: Told;
	/** Told later, and not caught up with yet. */
	unsettled: Told | undefined;
	latest: Told | undefined;
	/** Wall clock, when it was last heard. */
	atMilliseconds: number;
}

const PREFIX = "told/";
const NOTHING: Told = { vector: new Map(), bodies: new Map() };

export class ToldByMembers {
	readonly #known = new Map<NodeId, Known>();
	readonly #kept = new Map<NodeId, string>();

	constructor(store: Store) {
		for (const [key, value] of store.range(PREFIX, prefixEnd(PREFIX))) {
			const [vector, bodies, atMilliseconds] = JSON.parse(value as string);
			this.#known.set(key.slice(PREFIX.length) as NodeId, {
				settled: {
					vector: decodeVector(vector),
					bodies: decodeVector(bodies),
				},
				unsettled: undefined,
				latest: undefined,
				atMilliseconds,
			});
		}
	}

	/** A link begins: a member that has less than before was restored from an old copy, and what it told is void. */
	hello(node: NodeId, told: Told, nowMilliseconds: number): void {
		const known = this.#known.get(node);
		if (known !== undefined && !covers(told.vector, known.settled.vector))
			this.#known.delete(node);
		this.heard(node, told, nowMilliseconds);
	}

	heard(node: NodeId, told: Told, nowMilliseconds: number): void {
		const known = this.#known.get(node) ?? {
			settled: NOTHING,
			unsettled: undefined,
			latest: undefined,
			atMilliseconds: nowMilliseconds,
		};
		this.#known.set(node, known);
		known.atMilliseconds = nowMilliseconds;
		known.unsettled ??= told;
		known.latest = told;
	}

	/** Takes note of what this node has caught up with. */
	settle(own: Vector): void {
		for (const known of this.#known.values()) {
			if (known.latest !== undefined && covers(own, known.latest.vector))
				known.unsettled = known.latest;
			const { unsettled } = known;
			if (unsettled === undefined || !covers(own, unsettled.vector)) continue;
			known.settled = unsettled;
			// On a busy node the latest is always a little ahead: it is the next to be caught up with.
			known.unsettled = known.latest === unsettled ? undefined : known.latest;
		}
	}

	/** What may be forgotten; `isAway` says who is away for too long, by when it was last heard. */
	stable(
		own: Vector,
		others: readonly OtherMember[],
		isAway: (lastHeardMilliseconds: number) => boolean,
	): Stable {
		this.settle(own);
		const all = new Map(own);
		const present = new Map(own);
		const away: Told[] = [];
		for (const { node, joinedMilliseconds } of others) {
			const known = this.#known.get(node);
			const told = known?.settled ?? NOTHING;
			lower(all, told.vector);
			if (isAway(known?.atMilliseconds ?? joinedMilliseconds)) away.push(told);
			else lower(present, told.vector);
		}
		return { all, present, away };
	}

	/** Whether the member was heard since this process began, and this node has all that it told. */
	isSettled(node: NodeId, own: Vector): boolean {
		const latest = this.#known.get(node)?.latest;
		return latest !== undefined && covers(own, latest.vector);
	}

	/** What changed since the last call, as it is kept in the store; and what of removed members is not kept any more. */
	marks(others: readonly OtherMember[]): StoreWrite[] {
		const members = new Set(others.map(({ node }) => node));
		const writes: StoreWrite[] = [];
		for (const [node, { settled, atMilliseconds }] of this.#known) {
			if (!members.has(node)) continue;
			const text = JSON.stringify([
				encodeVector(settled.vector),
				encodeVector(settled.bodies),
				atMilliseconds,
			]);
			if (this.#kept.get(node) === text) continue;
			this.#kept.set(node, text);
			writes.push([`${PREFIX}${node}`, text]);
		}
		return writes;
	}
}

/** Cuts `vector` down to what `other` has too. */
function lower(vector: Map<Origin, Sequence>, other: Vector): void {
	for (const [origin, sequence] of vector) {
		const theirs = other.get(origin);
		if (theirs === undefined) vector.delete(origin);
		else if (theirs < sequence) vector.set(origin, theirs);
	}
}

/** Whether all these operations (origin → highest number) are in the vector. */
export function holds(
	vector: Vector,
	operations: Readonly<Record<string, number>>,
): boolean {
	for (const origin in operations)
		if ((vector.get(origin as Origin) ?? 0) < (operations[origin] as number))
			return false;
	return true;
}
