/** UID and stamp arithmetic (mailbox-consistency rules 1, 3 and 10). Pure. */
import { type ModSeq, UID_MAX, type Uid } from "../ids.ts";

/** Slots there are; UID u belongs to slot u mod SLOTS, and so does a stamp. */
export const SLOTS = 1024;

/** The slots [low, high) of an origin, and the one of them that its stamps carry. */
export interface SlotRange {
	readonly low: number;
	readonly high: number;
	readonly stampSlot: number;
}
export const ALL_SLOTS: SlotRange = { low: 0, high: SLOTS, stampSlot: 0 };

/** Rule 1: the half without the own stamp slot goes to a joiner. Undefined when there is nothing left to halve. */
export function halve(
	range: SlotRange,
): { kept: SlotRange; given: SlotRange } | undefined {
	if (range.high - range.low < 2) return undefined;
	const middle = (range.low + range.high) >> 1;
	const [kept, given] =
		range.stampSlot >= middle
			? [
					{ ...range, low: middle },
					{ low: range.low, high: middle, stampSlot: range.low },
				]
			: [
					{ ...range, high: middle },
					{ low: middle, high: range.high, stampSlot: middle },
				];
	return { kept, given };
}

/** Where rule 1 is switched off: what looks unused from here, which another side of a split may hand out as well. */
export function takeLowestUnused(
	range: SlotRange,
	members: number,
): { kept: SlotRange; given: SlotRange } {
	const low = SLOTS / 2 + members * 8;
	return {
		kept: { ...range, high: Math.min(range.high, SLOTS / 2) },
		given: { low, high: low + 8, stampSlot: low },
	};
}

/** Rule 3: the smallest number above `above` in an own slot. Undefined when the 32 bits are used up. */
export function nextUid(above: number, range: SlotRange): Uid | undefined {
	const next = above + 1;
	const slot = next % SLOTS;
	const found =
		slot < range.low
			? next + range.low - slot
			: slot >= range.high
				? next + SLOTS - slot + range.low
				: next;
	return found > UID_MAX ? undefined : (found as Uid);
}

/** 2025-01-01T00:00:00Z. */
const EPOCH_MILLISECONDS = 1_735_689_600_000;
export const STAMPS_PER_SECOND = 2 ** 11;
/** A clock that is years ahead takes at most the lower half; from there stamps just count. */
export const CLOCK_COUNTER_MAX = (2 ** 31 - 1) * STAMPS_PER_SECOND;
/** Stamps stay below 2^53 (RFC 7162 §3.1.1), also after many more. */
export const COUNTER_MAX = 2 ** 43 - 2 ** 30;

/** Rule 10: the counter that the wall clock asks for, below 2^42. */
export function clockCounter(nowMilliseconds: number): number {
	const seconds = Math.floor((nowMilliseconds - EPOCH_MILLISECONDS) / 1000);
	return Math.min(Math.max(seconds, 0) * STAMPS_PER_SECOND, CLOCK_COUNTER_MAX);
}

export const stampOf = (counter: number, range: SlotRange): ModSeq =>
	(counter * SLOTS + range.stampSlot) as ModSeq;
export const slotOf = (stamp: number): number => stamp % SLOTS;
export const counterOf = (stamp: number): number => Math.floor(stamp / SLOTS);
