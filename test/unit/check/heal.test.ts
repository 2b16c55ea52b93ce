/** Documents that do not open when a node starts: put together again by itself, from the log or a member, and nothing blocks meanwhile. */
import { expect, it } from "vitest";
import { gathered, Pieces } from "../../../sync/check/pieces.ts";
import { CHECK_PIECE_BYTES } from "../../../sync/limits.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import type { SimCluster } from "../../../sync/sim/cluster.ts";
import { deliverMany, ok, textsAt } from "../../sim/world.ts";
import { check, Disk, mailCluster } from "./world.ts";

const garbage = Buffer.alloc(100, 7);

/** What a node keeps of a document in its store is garbage when it starts next. */
async function startWithout(
	cluster: SimCluster,
	node: string,
	isIt: (id: string) => boolean,
): Promise<string> {
	const disk = new Disk(cluster, node);
	cluster.expectedErrors.push(/damaged/, /could not write a batch/);
	cluster.crash(node);
	const id = disk
		.keys("docs/")
		.map((key) => key.slice("docs/".length))
		.find(isIt) as string;
	disk.put(`snap/${id}`, garbage);
	await cluster.run(cluster.start(node));
	return id;
}

const isHealed = async (cluster: SimCluster): Promise<void> => {
	await cluster.settle();
	for (const { name } of cluster.running)
		expect((await check(cluster, name)).lines).toEqual([]);
	await cluster.verify();
};

const inbox = (cluster: SimCluster): string =>
	new Disk(cluster, "a").shown()[0]?.mailbox as string;

it("a mailbox's document is taken from a member, while mail for it and for others arrives", async () => {
	const cluster = await mailCluster();
	const before = await textsAt(cluster, "a");
	const mailbox = inbox(cluster);
	await startWithout(cluster, "a", (id) => id.startsWith(`segment:${mailbox}`));
	for (let i = 0; i < 5; i++) {
		await ok(cluster, cluster.deliver("b", "anna", `to the damaged ${i}`));
		await ok(cluster, cluster.deliver("b", "bert", `beside it ${i}`));
	}
	await isHealed(cluster);
	expect(await textsAt(cluster, "a")).toHaveLength(before.length + 5);
	expect(cluster.trace(2_000)).toMatch(/put together again/);
});

it("while no member has it, it is shown, not changed, and what is not about it goes on", async () => {
	const cluster = await mailCluster();
	const before = await textsAt(cluster, "a");
	const mailbox = inbox(cluster);
	// The log alone does not have it.
	const disk = new Disk(cluster, "a");
	cluster.crash("b");
	await cluster.pass(8_000);
	for (const key of disk.keys("log/").slice(0, 3)) disk.put(key, undefined);
	await startWithout(cluster, "a", (id) => id.startsWith(`segment:${mailbox}`));
	expect(await textsAt(cluster, "a")).toEqual(before);
	const refused = await cluster.run(cluster.deliver("a", "anna", "not now"));
	expect(refused.kind).toBe("refused");
	const again = await cluster.run(cluster.deliver("a", "anna", "not now"));
	expect(again).toMatchObject({
		kind: "refused",
		error: expect.objectContaining({
			message: expect.stringMatching(/is damaged here and being put together/),
		}),
	});
	await ok(cluster, cluster.deliver("a", "bert", "goes on"));
	await cluster.run(cluster.start("b"));
	await cluster.pass(30_000);
	await ok(cluster, cluster.deliver("a", "anna", "now"));
	await isHealed(cluster);
	expect(await textsAt(cluster, "a")).toContain("now");
});

it("an account's document", async () => {
	const cluster = await mailCluster();
	await startWithout(cluster, "a", (id) => id.startsWith("account:"));
	expect((await check(cluster, "a")).lines.join()).toMatch(/cannot be opened/);
	await isHealed(cluster);
});

it("the cluster's document comes from the log", async () => {
	for (const names of [["a", "b"], ["a"]]) {
		const cluster = await mailCluster(names);
		await startWithout(cluster, "a", (id) => id === "cluster");
		await deliverMany(cluster, names, 3, "after");
		await isHealed(cluster);
	}
});

it("the cluster's document that is nowhere here is damage of the store", async () => {
	const cluster = await mailCluster();
	cluster.crash("a");
	const disk = new Disk(cluster, "a");
	for (const key of disk.keys("log/").slice(0, 3)) disk.put(key, undefined);
	cluster.expectedErrors.push(/damaged/);
	disk.put("snap/cluster", garbage);
	await expect(cluster.run(cluster.start("a"))).rejects.toMatchObject({
		name: "StoreDamaged",
	});
});

it("a large document goes in pieces, as it was when the first one was asked for", async () => {
	const timers = new Set<() => void>();
	const clock: Partial<Clock> = {
		after: (_milliseconds, run) => {
			timers.add(run);
			return () => timers.delete(run);
		},
	};
	const pieces = new Pieces(clock as Clock);
	const large = (byte: number): Uint8Array =>
		Buffer.alloc(2 * CHECK_PIECE_BYTES + 7, byte);
	let now = large(1);
	const ask = async (from: number, digest: string) => {
		const piece = pieces.piece("segment:x:0", from, digest, () => now);
		now = large(2);
		return piece;
	};
	for (const byte of [1, 2])
		expect((await gathered(ask)) ?? []).toSatisfy((whole: Uint8Array) =>
			Buffer.from(whole).equals(large(byte)),
		);
	const wrong = await gathered(async (from, digest) => {
		const [named, length, bytes = new Uint8Array(0)] = await ask(from, digest);
		return [named, length, from > 0 ? Buffer.from(bytes).fill(3) : bytes];
	});
	expect(wrong).toBeUndefined();
	for (const run of [...timers]) run();
	const forgotten = await gathered(async (from, digest) => {
		if (from > 0) for (const run of [...timers]) run();
		return ask(from, digest);
	});
	expect(forgotten).toBeUndefined();
});
