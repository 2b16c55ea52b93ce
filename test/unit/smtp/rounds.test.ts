import { expect, test } from "vitest";
import { Rounds } from "../../../node/rounds.ts";
import {
	ROUND_ENOUGH,
	ROUND_FAR_MILLISECONDS,
	ROUND_MILLISECONDS_MAX,
	ROUND_RETURN_MILLISECONDS_MAX,
} from "../../../sync/limits.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

/** Deliveries that take `takesMilliseconds` each from when they go. */
function world(takesMilliseconds: number) {
	const clock = new SimClock();
	const rounds = new Rounds(clock);
	const start = clock.monotonic();
	/** By time: how many went then. */
	const went = new Map<number, number>();
	const sleep = (milliseconds: number) =>
		new Promise<void>((done) => {
			clock.after(milliseconds, done);
		});
	const deliver = (takes = takesMilliseconds) =>
		rounds.go(async () => {
			const now = clock.monotonic() - start;
			went.set(now, (went.get(now) ?? 0) + 1);
			await sleep(takes);
		});
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
	const { clock, went, deliver } = world(ROUND_FAR_MILLISECONDS + 20);
	void deliver();
	await clock.advance(1_000);
	void deliver();
	await clock.advance(1);
	void deliver();
	await clock.advance(1_000);
	expect([...went.keys()]).toEqual([0, 1_000, 1_001]);
});

test("what fails is told to whoever sent it, and counts as answered", async () => {
	const { clock, rounds, went, deliver, sleep } = world(20);
	const failing = rounds.go(async () => {
		await sleep(10);
		throw new Error("no room");
	});
	const refused = expect(failing).rejects.toThrow("no room");
	await clock.advance(5);
	void deliver();
	await clock.advance(ROUND_MILLISECONDS_MAX - 6);
	await refused;
	expect([...went.keys()]).toEqual([10 + ROUND_RETURN_MILLISECONDS_MAX]);
});
