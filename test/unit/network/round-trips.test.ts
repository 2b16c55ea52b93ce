import { expect, test } from "vitest";
import { ROUND_TRIPS_REMEMBERED } from "../../../sync/limits.ts";
import { RoundTrips } from "../../../sync/network/round-trips.ts";

test("nothing is known before the first heartbeat is back", () => {
	const trips = new RoundTrips();
	expect([trips.smoothed, trips.shortest]).toEqual([undefined, undefined]);
});

test("a busy member is as near as its quickest heartbeat says", () => {
	const trips = new RoundTrips();
	for (const rtt of [150, 2, 150, 150]) trips.add(rtt);
	expect(trips.shortest).toBe(2);
	expect(trips.smoothed).toBeGreaterThan(80);
});

test("a line that has become longer is known when the last short one is forgotten", () => {
	const trips = new RoundTrips();
	trips.add(2);
	for (let i = 1; i < ROUND_TRIPS_REMEMBERED; i++) trips.add(100);
	expect(trips.shortest).toBe(2);
	trips.add(100);
	expect(trips.shortest).toBe(100);
});
