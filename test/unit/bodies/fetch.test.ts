import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { FetchQueue } from "../../../sync/bodies/fetch.ts";
import { bodyHash } from "../../../sync/ids.ts";
import {
	BODY_FETCHES_BYTES_MAX,
	BODY_FETCHES_MAX,
	BODY_FETCHES_WAITING_MAX,
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
beforeEach(() => {
	clock = new SimClock();
	running = [];
	queue = new FetchQueue(
		clock,
		(body, signal) =>
			new Promise((done, fail) => {
				running.push({ reference: body, signal, done, fail });
				signal.addEventListener("abort", () => fail(new Error("aborted")));
			}),
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
});
