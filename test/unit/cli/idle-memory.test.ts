import { expect, test } from "vitest";
import { giveBackMemory, processMeter } from "../../../cli/idle-memory.ts";
import { SimClock } from "../../../sync/sim/clock.ts";

const MiB = 1024 * 1024;

function node() {
	const clock = new SimClock();
	const state = { cpu: 0, resident: 180 * MiB, collected: 0 };
	giveBackMemory(clock, {
		cpuMilliseconds: () => state.cpu,
		residentBytes: () => state.resident,
		collect: () => {
			state.collected++;
			state.resident = 190 * MiB;
		},
	});
	return { clock, state };
}

test("a node that has grown collects its garbage once it is idle, and not while it is at work", async () => {
	const { clock, state } = node();
	await clock.advance(5_000);
	expect(state.collected).toBe(1);
	for (let second = 0; second < 60; second++) {
		state.cpu += 300;
		state.resident += 2 * MiB;
		await clock.advance(1_000);
	}
	expect(state.collected).toBe(1);
	await clock.advance(10_000);
	expect(state.collected).toBe(2);
});

test("an idle node that has hardly grown since is left alone", async () => {
	const { clock, state } = node();
	await clock.advance(5_000);
	state.resident += 10 * MiB;
	await clock.advance(60_000);
	expect(state.collected).toBe(1);
});

test("this process can be metered, and its garbage is collected", () => {
	const meter = processMeter();
	let garbage: number[][] | undefined = Array.from({ length: 100 }, () =>
		new Array(10_000).fill(1.5),
	);
	expect(garbage.length).toBe(100);
	garbage = undefined;
	const before = process.memoryUsage().heapUsed;
	meter.collect();
	expect(process.memoryUsage().heapUsed).toBeLessThan(before);
	expect(meter.cpuMilliseconds()).toBeGreaterThan(0);
	expect(meter.residentBytes()).toBeGreaterThan(10 * MiB);
});
