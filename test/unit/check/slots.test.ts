import { expect, it } from "vitest";
import { whatOf } from "../../../sync/check/flaws.ts";
import { checkSlots } from "../../../sync/check/slots.ts";
import { origin } from "../../../sync/ids.ts";
import {
	ALL_SLOTS,
	halve,
	type SlotRange,
	slotCount,
} from "../../../sync/mailbox/slots.ts";

const a = origin("a".repeat(16));
const b = origin("b".repeat(16));
const faults = (...ranges: [typeof a, SlotRange | undefined][]): string =>
	[...checkSlots(ranges)].map(whatOf).join("\n");

it("slots that were halved are sound; shared, mad or equal stamp slots are not", () => {
	const halves = halve(ALL_SLOTS);
	if (halves === undefined) throw new Error("not halved");
	const { kept, given } = halves;
	expect(faults([a, kept], [b, given])).toBe("");
	expect(faults([a, kept], [b, undefined])).toBe("");
	expect(faults([a, ALL_SLOTS], [b, { ...given, stampSlot: 7 }])).toMatch(
		/share UID slots/,
	);
	expect(
		faults([a, kept], [b, { ...given, more: [[kept.low, kept.low + 1]] }]),
	).toMatch(/share UID slots/);
	expect(
		faults([a, kept], [b, { ...given, stampSlot: kept.stampSlot }]),
	).toMatch(/share a stamp slot/);
	expect(faults([a, { low: 0, high: 5_000, stampSlot: 0 }])).toMatch(
		/make no sense/,
	);
});

it("half of slots that lie in many pieces is about half of them all, without the own stamp slot", () => {
	const more = Array.from({ length: 40 }, (_, i): [number, number] => [
		100 + i * 20,
		105 + i * 20,
	]);
	const range: SlotRange = { low: 0, high: 5, stampSlot: 2, more };
	const halves = halve(range, new Set([2, 100]));
	if (halves === undefined) throw new Error("not halved");
	const { kept, given } = halves;
	expect(faults([a, kept], [b, given])).toBe("");
	expect(slotCount(kept) + slotCount(given)).toBe(205);
	expect(Math.abs(slotCount(kept) - slotCount(given))).toBeLessThan(6);
	expect(given.stampSlot).not.toBe(100);
	expect(faults([a, { low: 2, high: 3, stampSlot: 9 }], [b, given])).toBe("");
});
