/** The slow scrub: finds damage by itself, mends it, takes its time, and goes on where it was. */
import { describe, expect, it } from "vitest";
import {
	SCRUB_DOCUMENTS_MILLISECONDS,
	SCRUB_ROUND_MILLISECONDS,
} from "../../../sync/limits.ts";
import { decodeFacts } from "../../../sync/mailbox/rows.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import type { SimCluster } from "../../../sync/sim/cluster.ts";
import { check, Disk, mailCluster } from "./world.ts";

const scrubOf = (cluster: SimCluster, node: string) =>
	cluster.replica(node).report().scrub;
const bodiesAt = (cluster: SimCluster, node: string): BodyRef[] =>
	new Disk(cluster, node)
		.shown()
		.map(({ row }) => decodeFacts(row.f as string).body);
const DAY = 24 * 3_600_000;

/** Time goes by as fast as nothing but the scrub of `node` needs it. */
async function untilScrub(
	cluster: SimCluster,
	node: string,
	reached: (scrub: ReturnType<typeof scrubOf>) => boolean,
	stepMilliseconds: number,
): Promise<void> {
	for (let i = 0; i < 400; i++) {
		if (reached(scrubOf(cluster, node))) return;
		await cluster.pass(stepMilliseconds);
	}
	throw new Error(`the scrub is at ${JSON.stringify(scrubOf(cluster, node))}`);
}

describe("the scrub", () => {
	it("finds and mends damaged bodies, and goes on after a crash where it was", async () => {
		const cluster = await mailCluster();
		cluster.expectedErrors.push(/the scrub found/);
		const rows = new Disk(cluster, "a").shown();
		for (const { row } of rows)
			cluster.bodies.damage(
				cluster.machine("a").id,
				decodeFacts(row.f as string).body,
				"damaged",
			);
		await untilScrub(cluster, "a", ({ bodies }) => bodies >= 4, 10_000);
		const before = scrubOf(cluster, "a");
		expect(before.found).toBeGreaterThan(0);
		expect(before.mended).toBe(before.found);
		// Kept every few minutes.
		await cluster.pass(6 * 60_000);
		const kept = scrubOf(cluster, "a").bodies;
		cluster.crash("a");
		await cluster.run(cluster.start("a"));
		expect(scrubOf(cluster, "a").bodies).toBeGreaterThanOrEqual(before.bodies);
		expect(scrubOf(cluster, "a").bodies).toBeLessThanOrEqual(kept);
		await untilScrub(
			cluster,
			"a",
			(scrub) => scrub.lastRoundMilliseconds !== undefined,
			10_000,
		);
		expect(scrubOf(cluster, "a")).toMatchObject({
			found: rows.length,
			mended: rows.length,
		});
		expect((await check(cluster, "a")).lines).toEqual([]);
	});

	it("warns of a body whose holders cannot be reached, and fetches it when they can be", async () => {
		const cluster = await mailCluster();
		const body = bodiesAt(cluster, "a").at(-1) as BodyRef;
		const a = cluster.machine("a").id;
		cluster.split(["a"], ["b"]);
		cluster.bodies.damage(a, body, "lost");
		await untilScrub(cluster, "a", ({ found }) => found === 1, 10_000);
		await cluster.pass(10 * 60_000);
		expect(cluster.trace(2_000)).toMatch(
			/warn a: the scrub found: .* it is tried again/,
		);
		expect(scrubOf(cluster, "a").mended).toBe(0);
		cluster.heal();
		await untilScrub(cluster, "a", ({ mended }) => mended === 1, 10_000);
		expect(cluster.bodies.holds(a, body)).toBe(true);
	});

	it("an error only when all members were asked, several times", async () => {
		const cluster = await mailCluster();
		const body = bodiesAt(cluster, "a").at(-1) as BodyRef;
		for (const name of ["a", "b"])
			cluster.bodies.damage(cluster.machine(name).id, body, "lost");
		cluster.expectedErrors.push(/no member has it/);
		await untilScrub(cluster, "a", ({ found }) => found === 1, 10_000);
		const errors = () =>
			cluster
				.trace(2_000)
				.match(/error .: the scrub found: .*no member has it/g) ?? [];
		expect(errors()).toEqual([]);
		await cluster.pass(10 * 60_000);
		expect(errors().length).toBeGreaterThan(0);
		await cluster.pass(10 * 60_000);
		expect(errors().length).toBeLessThanOrEqual(2);
		expect(scrubOf(cluster, "a").mended).toBe(0);
	});

	it("compares documents with members once a day, and merges what differs", async () => {
		const cluster = await mailCluster();
		cluster.expectedErrors.push(/the scrub found/, /lacked changes/);
		const disk = new Disk(cluster, "b");
		const { mailbox } = new Disk(cluster, "a").shown()[0] ?? {};
		disk.put(`docs/segment:${mailbox}:0`, "");
		cluster.crash("b");
		await cluster.run(cluster.start("b"));
		// Whichever of the two comes to it first.
		const sum = (what: "found" | "mended") =>
			scrubOf(cluster, "a")[what] + scrubOf(cluster, "b")[what];
		await untilScrub(cluster, "b", () => sum("found") > 0, 10_000);
		expect(sum("mended")).toBe(sum("found"));
		await cluster.settle();
		for (const node of ["a", "b"])
			expect((await check(cluster, node)).lines).toEqual([]);
		expect(SCRUB_DOCUMENTS_MILLISECONDS).toBe(DAY);
		expect(SCRUB_ROUND_MILLISECONDS).toBe(30 * DAY);
	});
});
