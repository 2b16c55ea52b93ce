/** When the index fills: not while the node is busy, but for what would else leave memory unread. */
import { expect, test } from "vitest";
import { Filler, type Waiting } from "../../../node/search/fill.ts";
import type { SearchThread } from "../../../node/search/thread.ts";
import { type AccountId, bodyHash } from "../../../sync/ids.ts";
import {
	PRIMED_MEMORY_BYTES_MAX,
	SEARCH_BATCH_BYTES_MAX,
	SEARCH_BATCH_MAX,
	SEARCH_WAITING_MAX,
} from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { ErrorLog } from "../../transcripts/world.ts";

const ann = "ann" as AccountId;
const body = (index: number, sizeBytes: number): BodyRef => ({
	hash: bodyHash(`${index}`.padStart(64, "0")),
	sizeBytes,
	drive: "",
	blob: [0, 0, 0, 0],
});

/** A filler on a node whose timers come so much later than they are due. */
function world(latenessMilliseconds: number, isAtHand: () => boolean) {
	const time = new SimClock();
	const clock: Clock = {
		now: () => time.now(),
		monotonic: () => time.monotonic(),
		after: (milliseconds, run) =>
			time.after(milliseconds + latenessMilliseconds, run),
	};
	const batches: (readonly Waiting[])[] = [];
	const filler = new Filler({
		thread: { isRunning: false } as SearchThread,
		isAtHand,
		account: () => undefined,
		clock,
		log: new ErrorLog(),
		fill: async (messages) => {
			batches.push(messages);
		},
	});
	const filled = () => batches.reduce((sum, { length }) => sum + length, 0);
	return { time, filler, batches, filled };
}

test("a busy node does not fill its index, but for what waits in half of the memory for it", async () => {
	const { time, filler, filled } = world(50, () => true);
	const sizeBytes = 10_000;
	const half = PRIMED_MEMORY_BYTES_MAX / 2 / sizeBytes;
	const bodies = Array.from({ length: Math.floor(half) }, (_, index) =>
		body(index, sizeBytes),
	);
	filler.arrived(ann, bodies);
	await time.advance(60_000);
	expect(filled()).toBe(0);
	filler.arrived(
		ann,
		Array.from({ length: 500 }, (_, index) => body(10_000 + index, sizeBytes)),
	);
	await time.advance(60_000);
	expect(filled()).toBeGreaterThanOrEqual(499);
	expect(filled()).toBeLessThan(500 + SEARCH_BATCH_MAX);
	filler.close();
});

test("while mail comes in a burst nothing is filled, though timers are in time, but for what waits in half of the memory", async () => {
	const { time, filler, filled } = world(0, () => true);
	const sizeBytes = 10_000;
	let sent = 0;
	const send = async (count: number) => {
		for (let i = 0; i < count; i++) {
			filler.arrived(ann, [body(sent++, sizeBytes)]);
			await time.advance(5);
		}
	};
	const half = Math.floor(PRIMED_MEMORY_BYTES_MAX / 2 / sizeBytes);
	await send(half);
	expect(filled()).toBe(0);
	await send(200);
	// Some more may come within one pause.
	expect(sent - filled()).toBeLessThan(half + 2 * SEARCH_BATCH_MAX);
	expect(sent - filled()).toBeGreaterThan(half - 2 * SEARCH_BATCH_MAX);
	// When it is over the rest follows at once.
	await time.advance(1_000);
	expect(filled()).toBe(sent);
	filler.close();
});

test("mail that comes steadily, and not in a burst, is filled as it comes", async () => {
	const { time, filler, filled } = world(0, () => true);
	for (let i = 0; i < 500; i++) {
		filler.arrived(ann, [body(i, 1_000)]);
		await time.advance(10);
	}
	expect(filled()).toBeGreaterThan(350);
	filler.close();
});

test("a node with time fills it all, in batches that are bounded in messages, bytes and reads", async () => {
	let isAtHand = true;
	const { time, filler, batches, filled } = world(0, () => isAtHand);
	const run = async (count: number, sizeBytes: number) => {
		batches.length = 0;
		filler.arrived(
			ann,
			Array.from({ length: count }, (_, index) => body(index, sizeBytes)),
		);
		await time.advance(60_000);
		expect(filled()).toBe(count);
		return Math.max(...batches.map(({ length }) => length));
	};
	expect(await run(200, 1000)).toBe(SEARCH_BATCH_MAX);
	expect(await run(50, SEARCH_BATCH_BYTES_MAX / 4)).toBe(4);
	isAtHand = false;
	expect(await run(50, 1000)).toBe(8);
	filler.close();
});

test("what waits is bounded", async () => {
	const { time, filler, filled } = world(0, () => true);
	const bodies = Array.from({ length: SEARCH_WAITING_MAX + 10 }, () =>
		body(1, 1),
	);
	filler.arrived(ann, bodies);
	await time.advance(60_000);
	expect(filled()).toBe(SEARCH_WAITING_MAX);
	filler.close();
});
