/** UID and stamp arithmetic (mailbox-consistency rules 1, 3 and 10). Pure. */
import { type ModSeq, UID_GIVEN_MAX, type Uid } from "../ids.ts";

/** Slots there are; UID u belongs to slot u mod SLOTS, and so does a stamp. */
export const SLOTS = 1024;
/** No life stamps with this slot: tokens that carry it are worth nothing (unkept.ts). */
export const UNKEPT_SLOT = SLOTS - 1;

/** Slots [low, high). */
export type SlotSpan = readonly [low: number, high: number];

/** The slots [low, high) of an origin, and the one that its stamps carry. */
export interface SlotRange {
	readonly low: number;
	readonly high: number;
	readonly stampSlot: number;
	/** Further slots, which came back from former lives (rule 9). */
	readonly more?: readonly SlotSpan[];
}
export const ALL_SLOTS: SlotRange = { low: 0, high: SLOTS, stampSlot: 0 };

/** All slots of a range, largest span first. */
export const spansOf = ({ low, high, more = [] }: SlotRange): SlotSpan[] =>
	[[low, high] as const, ...more]
		.filter((span) => sizeOf(span) > 0)
		.sort((a, b) => sizeOf(b) - sizeOf(a) || a[0] - b[0]);
const sizeOf = ([low, high]: SlotSpan): number => high - low;
export const slotCount = (range: SlotRange): number =>
	spansOf(range).reduce((sum, span) => sum + sizeOf(span), 0);

/** Spans as a range; neighbours become one. */
export function rangeOf(
	spans: readonly SlotSpan[],
	stampSlot: number,
): SlotRange {
	const joined: [number, number][] = [];
	for (const [low, high] of [...spans].sort((a, b) => a[0] - b[0])) {
		const last = joined.at(-1);
		if (last !== undefined && last[1] === low) last[1] = high;
		else if (low < high) joined.push([low, high]);
	}
	joined.sort((a, b) => sizeOf(b) - sizeOf(a) || a[0] - b[0]);
	const [[low, high] = [0, 0], ...more] = joined;
	return { low, high, stampSlot, ...(more.length > 0 && { more }) };
}

/**
 * Rule 1: about half of the slots go to a joiner, without the own stamp slot, and with a stamp slot that no life ever had
 * (`used`): tokens name their giver by it. Undefined when there is nothing left to give.
 */
export function halve(
	range: SlotRange,
	used: ReadonlySet<number> = new Set(),
): { kept: SlotRange; given: SlotRange } | undefined {
	const spans = spansOf(range);
	for (let first = 0; first < spans.length; first++) {
		const { kept, given } = halvesOf(spans.slice(first), range);
		const stampSlot = freeSlot(given, used);
		const left = rangeOf([...spans.slice(0, first), ...kept], range.stampSlot);
		if (stampSlot === undefined || spansOf(left).length === 0) continue;
		return { kept: left, given: rangeOf(given, stampSlot) };
	}
	return undefined;
}

function halvesOf(
	spans: readonly SlotSpan[],
	range: SlotRange,
): { kept: SlotSpan[]; given: SlotSpan[] } {
	const kept: SlotSpan[] = [];
	const given: SlotSpan[] = [];
	let left = slotCount(range) / 2;
	for (const span of spans) {
		const part = left > 0 ? partOf(span, range.stampSlot, left) : undefined;
		const [low, high] = part ?? [span[1], span[1]];
		if (part !== undefined) given.push(part);
		kept.push([span[0], low], [high, span[1]]);
		left -= high - low;
	}
	return { kept, given };
}

/** So many slots of spans, or all. */
export function takeSome(
	spans: readonly SlotSpan[],
	count: number,
): { taken: SlotSpan[]; left: SlotSpan[] } {
	const taken: SlotSpan[] = [];
	const left: SlotSpan[] = [];
	let wanted = count;
	for (const [low, high] of spans) {
		const middle = Math.min(high, low + wanted);
		taken.push([low, middle]);
		left.push([middle, high]);
		wanted -= middle - low;
	}
	return { taken, left };
}

/** What of a span may go: about `most` slots at most, and not the stamp slot. */
function partOf(
	[low, high]: SlotSpan,
	stampSlot: number,
	most: number,
): SlotSpan | undefined {
	const holdsStamp = stampSlot >= low && stampSlot < high;
	if (!holdsStamp && high - low <= most) return [low, high];
	if (high - low < 2) return undefined;
	const middle = (low + high) >> 1;
	const size = Math.ceil(most);
	return holdsStamp && stampSlot >= middle
		? [low, Math.min(middle, low + size)]
		: [Math.max(middle, high - size), high];
}

/** The lowest slot of the spans that is not in `used`. */
export function freeSlot(
	spans: readonly SlotSpan[],
	used: ReadonlySet<number>,
): number | undefined {
	for (const [low, high] of spans)
		for (let slot = low; slot < high; slot++) if (!used.has(slot)) return slot;
	return undefined;
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
	let smallest =
		range.low < range.high
			? nextIn(above, [range.low, range.high])
			: Number.POSITIVE_INFINITY;
	for (const span of range.more ?? [])
		smallest = Math.min(smallest, nextIn(above, span));
	return smallest > UID_GIVEN_MAX ? undefined : (smallest as Uid);
}

function nextIn(above: number, [low, high]: SlotSpan): number {
	const next = above + 1;
	const slot = next % SLOTS;
	if (slot < low) return next + low - slot;
	return slot >= high ? next + SLOTS - slot + low : next;
}

/** 2025-01-01T00:00:00Z. */
const EPOCH_MILLISECONDS = 1_735_689_600_000;
export const STAMPS_PER_SECOND = 2 ** 11;
/** A clock that is years ahead takes at most the lower half; from there stamps just count. */
export const CLOCK_COUNTER_MAX = (2 ** 31 - 1) * STAMPS_PER_SECOND;
/** Stamps stay below 2^53 (RFC 7162 §3.1.1), also after many more. */
export const COUNTER_MAX = 2 ** 43 - 2 ** 30;

/**
 * Rule 10: the counter that the wall clock asks for, below 2^42. Finer than seconds: of two nodes apart the one that gave
 * more in the same second would tell higher stamps than the other does later, and some programs take a lower one for
 * "nothing new".
 */
export function clockCounter(nowMilliseconds: number): number {
	const seconds = Math.max(0, nowMilliseconds - EPOCH_MILLISECONDS) / 1000;
	return Math.min(Math.floor(seconds * STAMPS_PER_SECOND), CLOCK_COUNTER_MAX);
}

export const stampOf = (counter: number, range: SlotRange): ModSeq =>
	(counter * SLOTS + range.stampSlot) as ModSeq;
export const slotOf = (stamp: number): number => stamp % SLOTS;
export const counterOf = (stamp: number): number => Math.floor(stamp / SLOTS);
