/** The slots of a node's lives (rules 1 and 9): what a new life takes where nobody can grant it any, and what comes back to it. */
import {
	type ClusterState,
	writeEnded,
	writeIncarnation,
	writeSlots,
} from "../directory/cluster.ts";
import type { NodeId, Origin } from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import {
	ALL_SLOTS,
	freeSlot,
	rangeOf,
	type SlotRange,
	type SlotSpan,
	spansOf,
} from "../mailbox/slots.ts";
import type { Random } from "../ports/random.ts";
import type { Contact } from "./lives.ts";

export interface OwnLife {
	readonly self: NodeId;
	readonly origin: Origin;
	readonly drive: string;
}

/** Nobody to ask: the slots of the former lives are its own, and a stamp slot among them that none had. */
export function takeAlone(
	state: ClusterState,
	{ self, origin, drive }: OwnLife,
	random: Random,
): (tx: Transaction) => void {
	const former = state.formerLives(self, origin);
	const spans = former.flatMap((one) => {
		const range = state.slots(one);
		return range === undefined ? [] : spansOf(range);
	});
	return (tx) => {
		const own = spans.length > 0 ? spans : spansOf(ALL_SLOTS);
		const stampSlot = randomSlot(own, state.stampSlots(), random);
		writeIncarnation(tx, { origin, node: self, drive });
		writeSlots(tx, origin, rangeOf(own, stampSlot));
		for (const one of former) {
			writeEnded(tx, one, origin);
			emptySlots(tx, state, one);
		}
	};
}

/** Former lives of the node that still have slots. */
export const endedWithSlots = (
	state: ClusterState,
	self: NodeId,
	origin: Origin,
): Origin[] =>
	state
		.formerLives(self, origin)
		.filter((one) => spansOf(state.slots(one) ?? NONE).length > 0);

/**
 * Slots of former lives return once all others are in touch, and none knows more of those lives than is known here: what
 * they claimed is heard then, or lies below the leap.
 */
export const mayReturn = (
	ended: readonly Origin[],
	others: readonly Pick<Contact, "linked" | "serves" | "vector">[],
	here: Vector,
): boolean =>
	others.every(
		({ linked, serves, vector }) =>
			linked &&
			serves &&
			ended.every((one) => (vector.get(one) ?? 0) <= (here.get(one) ?? 0)),
	);

/** All slots of former lives as those of a new one. Undefined where no stamp slot is left among them that none ever had. */
export function asOne(
	state: ClusterState,
	ended: readonly Origin[],
): SlotRange | undefined {
	const spans = ended.flatMap((one) => spansOf(state.slots(one) ?? NONE));
	const stampSlot = freeSlot(spans, state.stampSlots());
	return stampSlot === undefined ? undefined : rangeOf(spans, stampSlot);
}

/** Slots of these lives become those of the present one. */
export function takeBackSlots(
	tx: Transaction,
	state: ClusterState,
	origin: Origin,
	ended: readonly Origin[],
): void {
	const own = state.slots(origin) ?? NONE;
	const spans: SlotSpan[] = [...spansOf(own)];
	for (const one of ended) spans.push(...spansOf(state.slots(one) ?? NONE));
	writeSlots(tx, origin, rangeOf(spans, own.stampSlot));
	for (const one of ended) emptySlots(tx, state, one);
}

const NONE = { low: 0, high: 0, stampSlot: -1 };

/** The slots are gone from a life that has ended; which stamp slot it had stays known. */
export function emptySlots(
	tx: Transaction,
	state: ClusterState,
	origin: Origin,
): void {
	const range = state.slots(origin);
	if (range !== undefined) writeSlots(tx, origin, rangeOf([], range.stampSlot));
}

/** A slot that no life ever stamped with; where there is none, any: old tokens are then taken for what they are not. */
function randomSlot(
	spans: readonly SlotSpan[],
	used: ReadonlySet<number>,
	random: Random,
): number {
	const free = spans.flatMap(([low, high]) =>
		Array.from({ length: high - low }, (_, i) => low + i).filter(
			(slot) => !used.has(slot),
		),
	);
	const [a = 0, b = 0] = random.bytes(2);
	const found = free[(a * 256 + b) % Math.max(1, free.length)];
	return found ?? freeSlot(spans, new Set()) ?? 0;
}
