/** What was read lately: bounded, and only as long as it may be believed. */
import { expect, it } from "vitest";
import { RecentBodies } from "../../../sync/bodies/recent.ts";
import { bodyHash } from "../../../sync/ids.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";

const drive = "d".repeat(64);
const reference = (number: number, sizeBytes: number): BodyRef => ({
	hash: bodyHash(number.toString(16).padStart(64, "0")),
	sizeBytes,
	drive,
	blob: [0, number, 1, sizeBytes],
});
const bytes = (number: number, sizeBytes: number) =>
	new Uint8Array(sizeBytes).fill(number);

it("gives the range that is asked for, cut to what there is", () => {
	const recent = new RecentBodies(100, 10);
	const whole = Uint8Array.from([1, 2, 3, 4]);
	expect(recent.get(reference(1, 4))).toBeUndefined();
	expect([...recent.add(reference(1, 4), whole, 1, 3)]).toEqual([2, 3]);
	expect([...(recent.get(reference(1, 4), 2) ?? [])]).toEqual([3, 4]);
	expect([...(recent.get(reference(1, 4), 3, 9) ?? [])]).toEqual([4]);
	// The same place with another hash is another body.
	const other = { ...reference(1, 4), hash: reference(2, 4).hash };
	expect(recent.get(other)).toBeUndefined();
});

it("holds what was used last within its bound, and nothing large", () => {
	const recent = new RecentBodies(100, 10);
	expect(recent.takes(reference(1, 11))).toBe(false);
	expect(recent.takes(reference(1, 0))).toBe(false);
	expect(recent.takes(reference(1, 10))).toBe(true);
	for (let number = 1; number <= 50; number++) {
		recent.add(reference(number, 10), bytes(number, 10));
		expect(recent.get(reference(1, 10))?.[0]).toBe(1);
	}
	const held = Array.from({ length: 50 }, (_, index) =>
		recent.get(reference(index + 1, 10)),
	).filter((one) => one !== undefined);
	expect(held.length).toBeLessThanOrEqual(10);
	expect(recent.get(reference(50, 10))?.[0]).toBe(50);
});

it("forgets all when something went or was wrong", () => {
	const recent = new RecentBodies(100, 10);
	for (let number = 1; number <= 8; number++)
		recent.add(reference(number, 10), bytes(number, 10));
	recent.clear();
	for (let number = 1; number <= 8; number++)
		expect(recent.get(reference(number, 10))).toBeUndefined();
});
