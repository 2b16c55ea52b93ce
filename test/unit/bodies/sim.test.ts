/** What only the simulated body store has: crashes, full disks, runs that repeat. */
import { describe, expect, it } from "vitest";
import { type NodeId, nodeId } from "../../../sync/ids.ts";
import type { Bodies, BodyRef } from "../../../sync/ports/bodies.ts";
import { StoreFailed, StoreFull } from "../../../sync/ports/store.ts";
import { SimBodiesWorld } from "../../../sync/sim/bodies.ts";
import { SimClock, turn } from "../../../sync/sim/clock.ts";
import { simRandom } from "../../../sync/sim/random.ts";

const a = nodeId("12D3Kooaaaaaaaaaaaaaaaa");
const b = nodeId("12D3Koobbbbbbbbbbbbbbbb");
const fresh = { name: "drive", lengthBlocksAtLeast: 0 };

function makeWorld(seed = 1) {
	const clock = new SimClock();
	const random = simRandom(seed);
	const state = { connected: true };
	const world = new SimBodiesWorld({
		clock,
		random,
		connected: () => state.connected,
		delayMilliseconds: () => random.integer(1, 50),
		syncMilliseconds: () => random.integer(1, 5),
	});
	return { clock, world, state };
}

function put(bodies: Bodies, text: string): Promise<BodyRef> {
	const writer = bodies.create();
	void writer.write(Buffer.from(text));
	return writer.commit();
}

async function ended<T>(clock: SimClock, operation: Promise<T>): Promise<T> {
	let over = false;
	const done = () => {
		over = true;
	};
	operation.then(done, done);
	expect(await clock.runUntil(() => over, 100_000)).toBe(true);
	return operation;
}

describe("a crash", () => {
	it("takes what was not synced, and nothing else", async () => {
		const { clock, world } = makeWorld();
		const before = world.open(a, fresh);
		const kept = await ended(clock, put(before, "kept"));
		let acknowledged = false;
		void put(before, "lost").then(() => {
			acknowledged = true;
		});
		await turn();
		world.crash(a);
		await clock.advance(10_000);
		expect(acknowledged).toBe(false);
		const after = world.open(a, { name: "drive", lengthBlocksAtLeast: 1 });
		expect(after.drive).toBe(before.drive);
		expect(after.lengthBlocks()).toBe(1);
		expect(await after.has(kept)).toBe(true);
		// The place of what was lost is taken again, and nobody has seen the other.
		const next = await ended(clock, put(after, "next"));
		expect(next.blob).toEqual([4, 1, 1, 4]);
	});

	it("shows members nothing that was not synced", async () => {
		const { clock, world } = makeWorld();
		const [one, other] = [world.open(a, fresh), world.open(b, fresh)];
		const first = await ended(clock, put(one, "same place"));
		world.truncate(a, one.drive, 1);
		let fetched = false;
		void other.fetch(first).then(
			() => {
				fetched = true;
			},
			() => {},
		);
		await clock.advance(1_000);
		expect(fetched).toBe(false);
	});

	it("of the reader or the giver ends a fetch without harm", async () => {
		const { clock, world } = makeWorld();
		const [one, other] = [world.open(a, fresh), world.open(b, fresh)];
		const reference = await ended(clock, put(one, "body"));
		let settled = false;
		const settle = () => {
			settled = true;
		};
		void other.fetch(reference).then(settle, settle);
		world.crash(b);
		await clock.advance(60_000);
		expect(settled).toBe(false);
		const again = world.open(b, fresh);
		const fetching = again.fetch(reference);
		world.crash(a);
		await clock.advance(1_000);
		world.open(a, fresh);
		await ended(clock, fetching);
		expect(await again.has(reference)).toBe(true);
	});
});

describe("the world", () => {
	it("gives a store to one process at a time", async () => {
		const { world } = makeWorld();
		const first = world.open(a, fresh);
		expect(() => world.open(a, fresh)).toThrow(StoreFailed);
		await first.close();
		world.open(a, fresh);
	});

	it("refuses while the disk is full", async () => {
		const { clock, world } = makeWorld();
		const [one, other] = [world.open(a, fresh), world.open(b, fresh)];
		const reference = await ended(clock, put(one, "before"));
		for (const node of [a, b]) world.setFull(node, true);
		await expect(put(one, "more")).rejects.toThrow(StoreFull);
		await expect(ended(clock, other.fetch(reference))).rejects.toThrow(
			StoreFull,
		);
		for (const node of [a, b]) world.setFull(node, false);
		await ended(clock, put(one, "after"));
		await ended(clock, other.fetch(reference));
	});

	it("runs the same from the same seed, another from another", async () => {
		const run = async (seed: number): Promise<string> => {
			const { clock, world, state } = makeWorld(seed);
			const trace: unknown[] = [];
			const stores = new Map<NodeId, Bodies>();
			for (const node of [a, b]) stores.set(node, world.open(node, fresh));
			for (let i = 0; i < 20; i++) {
				const reference = await ended(
					clock,
					put(stores.get(a) as Bodies, `body ${i}`),
				);
				void (stores.get(b) as Bodies).fetch(reference).then(
					() => trace.push(clock.monotonic(), reference),
					() => trace.push("not had"),
				);
				state.connected = i % 3 !== 0;
				await clock.advance(20);
			}
			state.connected = true;
			await clock.advance(20_000);
			expect(trace.length).toBe(40);
			return JSON.stringify(trace);
		};
		expect(await run(7)).toBe(await run(7));
		expect(await run(8)).not.toBe(await run(7));
	});
});
