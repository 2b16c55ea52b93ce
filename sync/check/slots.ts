/** UID slots: each belongs to one incarnation (mailbox-consistency.md rule 1). Pure. */
import type { Origin } from "../ids.ts";
import { SLOTS, type SlotRange } from "../mailbox/slots.ts";
import type { Flaw } from "./flaws.ts";

export function* checkSlots(
	ranges: Iterable<readonly [Origin, SlotRange | undefined]>,
): Generator<Flaw> {
	const owners = new Map<number, Origin>();
	const stampers = new Map<number, Origin>();
	for (const [origin, range] of ranges) {
		if (range === undefined) continue;
		const { low, high, stampSlot } = range;
		const sound =
			[low, high, stampSlot].every(Number.isSafeInteger) &&
			0 <= low &&
			low <= high &&
			high <= SLOTS &&
			0 <= stampSlot &&
			stampSlot < SLOTS;
		if (!sound) {
			yield slots(`the slots of ${origin} make no sense: ${low} to ${high}`);
			continue;
		}
		const shared = new Set<Origin>();
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

const slots = (what: string): Flaw => ({ kind: "slots", what });
