import { expect, test } from "vitest";
import { Rounds } from "../../../node/rounds.ts";
import {
	ROUND_ENOUGH,
	ROUND_FAR_COUNT_MAX,
	ROUND_FAR_GATHER_MILLISECONDS,
	ROUND_FAR_MILLISECONDS,
	ROUND_MILLISECONDS_MAX,
	ROUND_RETURN_MILLISECONDS_MAX,
} from "../../../sync/limits.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

interface Line {
	readonly wayMilliseconds: number;
	/** Until a body is in the drive. */
	readonly storeMilliseconds?: number;
}
const NEAR: Line = { wayMilliseconds: 0 };
const FAR: Line = { wayMilliseconds: ROUND_FAR_MILLISECONDS };

/** Deliveries that take `takesMilliseconds` each from when their body is here. */
function world(takesMilliseconds: number, line = NEAR) {
	const { wayMilliseconds, storeMilliseconds = 0 } = line;
	const clock = new SimClock();
	const rounds = new Rounds(clock, () => wayMilliseconds);
	const start = clock.monotonic();
	/** By time: how many went then. */
	const went = new Map<number, number>();
	const sleep = (milliseconds: number) =>
		new Promise<void>((done) => {
			clock.after(milliseconds, done);
		});
	const deliver = (takes = takesMilliseconds, stores = storeMilliseconds) =>
		rounds.go(
			async () => {
				const now = clock.monotonic() - start;
				went.set(now, (went.get(now) ?? 0) + 1);
				if (stores > 0) await sleep(stores);
			},
			() => sleep(takes),
		);
	/** Sends one message after the other, with a pause after each answer. */
	const sender = async (pauseMilliseconds: number, count: number) => {
		for (let i = 0; i < count; i++) {
			await deliver();
			await sleep(pauseMilliseconds);
		}
	};
	return { clock, rounds, went, sleep, deliver, sender };
}

test("one that is alone never waits, however fast it comes again", async () => {
	const { clock, went, sender } = world(10);
	void sender(1, 20);
	await clock.advance(1_000);
	expect([...went.keys()]).toEqual(
		Array.from({ length: 20 }, (_, i) => 11 * i),
	);
});

test("senders that come one after the other go together from the third round on, and stay together", async () => {
	const { clock, went, sender } = world(20);
	for (let i = 0; i < 10; i++) void sender(1 + i / 4, 50);
	await clock.advance(5_000);
	const sizes = [...went.values()];
	expect(sizes.reduce((sum, size) => sum + size)).toBe(500);
	expect(sizes.slice(2, 40).every((size) => size === 10)).toBe(true);
});

test("with what comes while others are on their way those go who were answered", async () => {
	const { clock, went, deliver } = world(20);
	const first = deliver();
	await clock.advance(5);
	void deliver();
	void first.then(() => clock.after(3, () => void deliver()));
	await clock.advance(100);
	expect([...went]).toEqual([
		[0, 1],
		[23, 2],
	]);
});

test("they are waited for as long as is said, and less each time they do not come", async () => {
	const { clock, went, deliver } = world(20);
	const waited: number[] = [];
	for (let i = 0; i < 6; i++) {
		void deliver();
		await clock.advance(5);
		const begun = [...went.keys()].at(-1) ?? 0;
		const second = deliver();
		await clock.advance(45);
		waited.push(([...went.keys()].at(-1) ?? 0) - begun - 20);
		await second;
		await clock.advance(1_000);
	}
	expect(waited[0]).toBe(ROUND_RETURN_MILLISECONDS_MAX);
	for (const [i, now] of waited.slice(1).entries())
		expect(now).toBeLessThan(waited[i] as number);
	expect(waited.at(-1)).toBeLessThan(ROUND_RETURN_MILLISECONDS_MAX / 3);
});

test("one that is never answered holds the others for a bounded time", async () => {
	const { clock, went, deliver } = world(20);
	void deliver(1e9);
	await clock.advance(5);
	void deliver();
	await clock.advance(1_000);
	expect([...went.keys()]).toEqual([0, ROUND_MILLISECONDS_MAX]);
});

test("a slow one among many holds up nobody", async () => {
	const { clock, went, deliver } = world(20);
	void deliver(1);
	// These go together when that is answered.
	for (let i = 0; i < 8; i++) void deliver(i === 0 ? 1e9 : undefined);
	await clock.advance(2 * ROUND_RETURN_MILLISECONDS_MAX);
	const [, together = 0] = went.keys();
	expect(went.get(together)).toBe(8);
	void deliver();
	await clock.advance(1_000);
	const [, , next = Number.NaN] = went.keys();
	expect(next - together).toBeLessThan(ROUND_MILLISECONDS_MAX);
});

test("so many that a group is large enough do not wait for those on their way", async () => {
	const { clock, went, deliver } = world(20);
	void deliver();
	await clock.advance(1);
	for (let i = 0; i < ROUND_ENOUGH; i++) void deliver();
	await clock.advance(1);
	expect([...went.values()]).toEqual([1, ROUND_ENOUGH]);
});

test("where members are far nobody waits for the way there and back", async () => {
	const { clock, went, deliver } = world(100, FAR);
	void deliver();
	await clock.advance(1_000);
	void deliver();
	await clock.advance(1);
	void deliver();
	await clock.advance(1);
	void deliver();
	await clock.advance(1_000);
	// The third and the fourth go together.
	expect([...went]).toEqual([
		[0, 1],
		[1_000, 1],
		[1_001 + ROUND_FAR_GATHER_MILLISECONDS, 2],
	]);
});

test("one that is alone with far members never waits", async () => {
	const { clock, went, sender } = world(100, FAR);
	void sender(1, 20);
	await clock.advance(5_000);
	expect([...went.keys()]).toEqual(
		Array.from({ length: 20 }, (_, i) => 101 * i),
	);
});

test("for far members what comes together goes in small rounds, each when the bodies of the former are here", async () => {
	const { clock, went, deliver } = world(100, { ...FAR, storeMilliseconds: 7 });
	for (let i = 0; i < 2 * ROUND_FAR_COUNT_MAX + 5; i++) void deliver();
	await clock.advance(1_000);
	expect([...went]).toEqual([
		[0, 1],
		[7, ROUND_FAR_COUNT_MAX],
		[14, ROUND_FAR_COUNT_MAX],
		[14 + ROUND_FAR_GATHER_MILLISECONDS, 4],
	]);
});

test("senders to far members stay spread: while one round is on its way, others begin", async () => {
	const { clock, went, sender } = world(100, { ...FAR, storeMilliseconds: 7 });
	const senders = 6 * ROUND_FAR_COUNT_MAX;
	for (let i = 0; i < senders; i++) void sender(1, 1_000);
	await clock.advance(10_000);
	const last = [...went].filter(([at]) => at >= 9_000);
	expect(Math.max(...last.map(([, size]) => size))).toBe(ROUND_FAR_COUNT_MAX);
	const rate = last.reduce((sum, [, size]) => sum + size, 0);
	// Each of them waits little beside the line and the disk.
	expect(rate / senders).toBeGreaterThan(1_000 / 125);
});

test("a body that does not come to the disk holds those to far members for a bounded time", async () => {
	const { clock, went, deliver } = world(100, FAR);
	void deliver(100, 1e9);
	await clock.advance(5);
	void deliver();
	await clock.advance(1_000);
	expect([...went.keys()]).toEqual([0, ROUND_MILLISECONDS_MAX]);
});

test("a body that cannot be stored for far members counts as dealt with", async () => {
	const { clock, rounds, went, deliver, sleep } = world(100, FAR);
	void deliver(100, 10);
	const failing = rounds.go(
		async () => {
			await sleep(10);
			throw new Error("no room");
		},
		() => sleep(1e9),
	);
	const refused = expect(failing).rejects.toThrow("no room");
	for (let i = 0; i < 4; i++) void deliver();
	await clock.advance(11);
	void deliver();
	await clock.advance(1_000);
	await refused;
	expect([...went]).toEqual([
		[0, 1],
		[10, 4],
		[20, 1],
	]);
});

test("what fails is told to whoever sent it, and counts as answered", async () => {
	const { clock, rounds, went, deliver, sleep } = world(20);
	const failing = rounds.go(
		async () => {},
		async () => {
			await sleep(10);
			throw new Error("no room");
		},
	);
	const refused = expect(failing).rejects.toThrow("no room");
	await clock.advance(5);
	void deliver();
	await clock.advance(ROUND_MILLISECONDS_MAX - 6);
	await refused;
	expect([...went.keys()]).toEqual([10 + ROUND_RETURN_MILLISECONDS_MAX]);
});
