import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { FetchQueue } from "../../../sync/bodies/fetch.ts";
import { Hope } from "../../../sync/bodies/hope.ts";
import { bodyHash } from "../../../sync/ids.ts";
import {
	BODY_FETCHES_BYTES_MAX,
	BODY_FETCHES_MAX,
	BODY_FETCHES_WAITING_MAX,
	BODY_FORSAKEN_MILLISECONDS,
	BODY_HOPE_MILLISECONDS,
	BODY_MEMORY_BYTES_MAX,
} from "../../../sync/limits.ts";
import { type BodyRef, BodyUnavailable } from "../../../sync/ports/bodies.ts";
import { SimClock, turn } from "../../../sync/sim/clock.ts";

const sha256 = (text: string) =>
	createHash("sha256").update(text).digest("hex");
const reference = (n: number, drive = "a", sizeBytes = 10): BodyRef => ({
	hash: bodyHash(sha256(`${n}`)),
	sizeBytes,
	drive: sha256(drive),
	blob: [n * 10, n, 1, sizeBytes],
});

interface Running {
	readonly reference: BodyRef;
	readonly signal: AbortSignal;
	readonly done: () => void;
	readonly fail: (error: Error) => void;
}

let clock: SimClock;
let running: Running[];
let queue: FetchQueue;
/** Whether anybody may have what is asked for. */
let mayCome: boolean;
/** Whether members that have it cannot bring it. */
let isStranded: boolean;
beforeEach(() => {
	mayCome = true;
	isStranded = false;
	clock = new SimClock();
	running = [];
	queue = new FetchQueue(
		clock,
		(body, signal) =>
			new Promise((done, fail) => {
				running.push({ reference: body, signal, done, fail });
				signal.addEventListener("abort", () => fail(new Error("aborted")));
			}),
		new Hope(clock, () => mayCome),
		async () => isStranded,
	);
});

const background = { urgent: false, timeoutMilliseconds: 1_000 };
const urgent = { urgent: true, timeoutMilliseconds: 5_000 };
/** The outcome, so that a rejection is never unhandled. */
const outcome = (fetching: Promise<void>) =>
	fetching.then(
		() => "here",
		(error: Error) => error,
	);
const fill = (count: number, drive?: string, sizeBytes?: number) =>
	Array.from({ length: count }, (_, i) =>
		outcome(queue.fetch(reference(i, drive, sizeBytes), background)),
	);

describe("fetching", () => {
	it("asks once for all who want the same", async () => {
		const all = [background, urgent, background].map((options) =>
			outcome(queue.fetch(reference(1), options)),
		);
		expect(running.length).toBe(1);
		running[0]?.done();
		expect(await Promise.all(all)).toEqual(["here", "here", "here"]);
		// Over: the next one asks anew.
		void outcome(queue.fetch(reference(1), background));
		expect(running.length).toBe(2);
	});

	it("runs so many of a drive at once, and others as they end, in order", async () => {
		fill(BODY_FETCHES_MAX + 5);
		expect(running.length).toBe(BODY_FETCHES_MAX);
		running[7]?.done();
		running[3]?.fail(new BodyUnavailable("wrong"));
		await turn();
		expect(running.length).toBe(BODY_FETCHES_MAX + 2);
		expect(running.at(-2)?.reference).toEqual(reference(BODY_FETCHES_MAX));
	});

	it("bounds the bytes at once, also of few large ones", () => {
		fill(200, "a", BODY_MEMORY_BYTES_MAX * 2);
		expect(running.length).toBe(BODY_FETCHES_BYTES_MAX / BODY_MEMORY_BYTES_MAX);
	});

	it("is not held up by another drive that does not answer", () => {
		fill(BODY_FETCHES_MAX + 5, "away");
		fill(3, "here");
		expect(running.length).toBe(BODY_FETCHES_MAX + 3);
	});

	it("lets a client's read go before all, also one that waits already", () => {
		fill(BODY_FETCHES_MAX + 5);
		void outcome(queue.fetch(reference(9_999), urgent));
		void outcome(queue.fetch(reference(BODY_FETCHES_MAX + 4), urgent));
		expect(running.slice(-2).map((one) => one.reference)).toEqual([
			reference(9_999),
			reference(BODY_FETCHES_MAX + 4),
		]);
	});

	it("counts a background copy's time from its turn, a read's from now", async () => {
		const all = fill(BODY_FETCHES_MAX + 1);
		const last = all[BODY_FETCHES_MAX] as Promise<unknown>;
		let ended = false;
		void last.then(() => {
			ended = true;
		});
		await clock.advance(999);
		expect(running.some(({ signal }) => signal.aborted)).toBe(false);
		await clock.advance(2);
		expect(await all[0]).toBeInstanceOf(BodyUnavailable);
		expect(running.filter(({ signal }) => signal.aborted).length).toBe(
			BODY_FETCHES_MAX,
		);
		expect(ended).toBe(false);
		expect(running.length).toBe(BODY_FETCHES_MAX + 1);
		await clock.advance(1_001);
		expect(await last).toBeInstanceOf(BodyUnavailable);
	});

	it("goes on for those who wait longer", async () => {
		const short = outcome(queue.fetch(reference(1), background));
		const long = outcome(queue.fetch(reference(1), urgent));
		await clock.advance(1_001);
		expect(await short).toBeInstanceOf(BodyUnavailable);
		expect(running[0]?.signal.aborted).toBe(false);
		running[0]?.done();
		expect(await long).toBe("here");
	});

	it("begins anew for who comes after all have given up", async () => {
		const first = outcome(queue.fetch(reference(1), background));
		await clock.advance(1_001);
		expect(await first).toBeInstanceOf(BodyUnavailable);
		const second = outcome(queue.fetch(reference(1), background));
		expect(running.length).toBe(2);
		running[1]?.done();
		expect(await second).toBe("here");
	});

	it("bounds what waits", async () => {
		fill(BODY_FETCHES_WAITING_MAX);
		const more = queue.fetch(reference(BODY_FETCHES_WAITING_MAX), background);
		expect(await outcome(more)).toBeInstanceOf(BodyUnavailable);
	});

	it("ends all when closed, and takes no more", async () => {
		const all = fill(BODY_FETCHES_MAX + 5);
		queue.close();
		for (const ended of await Promise.all(all))
			expect(ended).toBeInstanceOf(BodyUnavailable);
		expect(running.every(({ signal }) => signal.aborted)).toBe(true);
		expect(await outcome(queue.fetch(reference(1), background))).toBeInstanceOf(
			BodyUnavailable,
		);
	});

	it("waits for nobody only a moment, and for a while not again; a copy in the background goes on", async () => {
		mayCome = false;
		const copying = outcome(
			queue.fetch(reference(1), { urgent: false, timeoutMilliseconds: 60_000 }),
		);
		const [reading, late] = [0, 1].map(() => {
			let result: unknown;
			void outcome(queue.fetch(reference(1), urgent)).then((outcome) => {
				result = outcome;
			});
			return () => result;
		});
		await clock.advance(BODY_HOPE_MILLISECONDS - 1);
		expect(reading?.()).toBeUndefined();
		await clock.advance(1);
		expect(reading?.()).toBeInstanceOf(BodyUnavailable);
		expect(late?.()).toBeInstanceOf(BodyUnavailable);
		expect(running[0]?.signal.aborted).toBe(false);
		// In no time, as it says so without moving the clock.
		const before = clock.monotonic();
		for (let time = 0; time < 3; time++)
			expect(await outcome(queue.fetch(reference(1), urgent))).toBeInstanceOf(
				BodyUnavailable,
			);
		expect(clock.monotonic()).toBe(before);
		running[0]?.done();
		expect(await copying).toBe("here");
	});

	it("waits as long as it may for whom may have it, and looks again when nobody had it", async () => {
		const patient = { urgent: true, timeoutMilliseconds: 20_000 };
		let ended = 0;
		const read = () =>
			outcome(queue.fetch(reference(1), patient)).then((result) => {
				ended++;
				return result;
			});
		mayCome = false;
		const first = read();
		await clock.advance(BODY_HOPE_MILLISECONDS - 1);
		mayCome = true;
		await clock.advance(BODY_HOPE_MILLISECONDS);
		mayCome = false;
		await clock.advance(BODY_HOPE_MILLISECONDS - 600);
		expect(ended).toBe(0);
		await clock.advance(600);
		expect(await first).toBeInstanceOf(BodyUnavailable);
		// Somebody has it now: this one is worth the wait.
		mayCome = true;
		const second = read();
		await clock.advance(patient.timeoutMilliseconds - 1);
		expect(ended).toBe(1);
		await clock.advance(1);
		expect(await second).toBeInstanceOf(BodyUnavailable);
		// After a while nothing is taken for granted any more.
		mayCome = false;
		const third = read();
		await clock.advance(BODY_HOPE_MILLISECONDS);
		await third;
		await clock.advance(BODY_FORSAKEN_MILLISECONDS);
		void read();
		await clock.advance(BODY_HOPE_MILLISECONDS - 1);
		expect(ended).toBe(3);
	});
});
