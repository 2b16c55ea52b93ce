/** UID slots: each belongs to one incarnation (mailbox-consistency.md rule 1). Pure. */
import type { Origin } from "../ids.ts";
import {
	SLOTS,
	type SlotRange,
	type SlotSpan,
	spansOf,
} from "../mailbox/slots.ts";
import type { Flaw } from "./flaws.ts";

export function* checkSlots(
	ranges: Iterable<readonly [Origin, SlotRange | undefined]>,
): Generator<Flaw> {
	const owners = new Map<number, Origin>();
	const stampers = new Map<number, Origin>();
	for (const [origin, range] of ranges) {
		if (range === undefined) continue;
		const { stampSlot } = range;
		const spans = spansOf(range);
		if (!isSound(spans, stampSlot)) {
			yield slots(`the slots of ${origin} make no sense`);
			continue;
		}
		const shared = new Set<Origin>();
		for (const [low, high] of spans)
			for (let slot = low; slot < high; slot++) {
				const other = owners.get(slot);
				if (other !== undefined) shared.add(other);
				owners.set(slot, origin);
			}
		for (const other of shared)
			yield slots(
				`origins ${other} and ${origin} share UID slots: they could give one UID to two messages`,
			);
		const stamper = stampers.get(stampSlot);
		if (stamper !== undefined)
			yield slots(`origins ${stamper} and ${origin} share a stamp slot`);
		stampers.set(stampSlot, origin);
	}
}

const isSound = (spans: readonly SlotSpan[], stampSlot: number): boolean =>
	[...spans.flat(), stampSlot].every(Number.isSafeInteger) &&
	spans.every(([low, high]) => 0 <= low && low <= high && high <= SLOTS) &&
	0 <= stampSlot &&
	stampSlot < SLOTS;

const slots = (what: string): Flaw => ({ kind: "slots", what });
