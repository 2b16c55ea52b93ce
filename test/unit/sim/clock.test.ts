import { expect, test } from "vitest";
import { SimClock } from "../../../sync/sim/clock.ts";
import { simRandom } from "../../../sync/sim/random.ts";

test("timers run in order of their due time, equal ones as they were set", async () => {
	const clock = new SimClock();
	const ran: string[] = [];
	for (const [name, delay] of [
		["d", 30],
		["a", 10],
		["b", 10],
		["c", 20],
		["e", 31],
	] as const)
		clock.after(delay, () => ran.push(`${name}@${clock.monotonic()}`));
	await clock.advance(30);
	expect(ran).toEqual(["a@10", "b@10", "c@20", "d@30"]);
	expect(clock.monotonic()).toBe(30);
	await clock.advance(5);
	expect(ran.at(-1)).toBe("e@31");
	expect(clock.monotonic()).toBe(35);
});

test("a cancelled timer does not run, nor hold back the next", async () => {
	const clock = new SimClock();
	const ran: string[] = [];
	const cancel = clock.after(5, () => ran.push("cancelled"));
	clock.after(7, () => ran.push("kept"));
	cancel();
	expect(clock.nextDue()).toBe(7);
	await clock.advance(10);
	expect(ran).toEqual(["kept"]);
});

test("promises run their course before the next timer", async () => {
	const clock = new SimClock();
	const ran: string[] = [];
	clock.after(1, async () => {
		for (let i = 0; i < 10; i++) await Promise.resolve();
		ran.push("settled");
		clock.after(0, () => ran.push("at once"));
	});
	clock.after(2, () => ran.push("next"));
	await clock.advance(2);
	expect(ran).toEqual(["settled", "at once", "next"]);
});

test("runUntil stops at the timer that made it true", async () => {
	const clock = new SimClock();
	let count = 0;
	const tick = (): void => {
		count++;
		clock.after(10, tick);
	};
	clock.after(10, tick);
	expect(await clock.runUntil(() => count === 3, 1_000)).toBe(true);
	expect(clock.monotonic()).toBe(30);
	expect(await clock.runUntil(() => count === 100, 50)).toBe(false);
	expect(clock.monotonic()).toBe(80);
});

test("a view has its own error, and a jump moves its wall clock only", async () => {
	const clock = new SimClock();
	const fast = clock.view({ skewMilliseconds: 500, driftPerMillion: 100_000 });
	const start = fast.now();
	expect(start - clock.now()).toBe(500);
	let ranAt = 0;
	fast.after(110, () => {
		ranAt = clock.monotonic();
	});
	await clock.advance(200);
	expect(ranAt).toBeCloseTo(100);
	expect(fast.monotonic()).toBeCloseTo(220);
	fast.jump(-10_000);
	expect(fast.now()).toBeCloseTo(start + 220 - 10_000);
	expect(fast.monotonic()).toBeCloseTo(220);
});

test("a seed gives the same draws again, and forks do not disturb each other", () => {
	const draws = (seed: number): unknown => {
		const random = simRandom(seed);
		const fork = random.fork("disk");
		return [random.bytes(7), fork.bytes(3), random.integer(1, 6)];
	};
	expect(draws(1)).toEqual(draws(1));
	expect(draws(1)).not.toEqual(draws(2));
	const one = simRandom(1);
	const other = simRandom(1);
	one.fork("x").bytes(100);
	expect(one.bytes(8)).toEqual(other.bytes(8));
	expect(one.fork("x").bytes(8)).not.toEqual(one.fork("y").bytes(8));
});

test("draws are spread evenly", () => {
	const random = simRandom("even");
	const counts = new Array<number>(6).fill(0);
	for (let i = 0; i < 6_000; i++) {
		const drawn = random.integer(0, 5);
		counts[drawn] = (counts[drawn] ?? 0) + 1;
	}
	for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
	expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
});
