/** Stories of a delivery that was tried on both sides of a split, and lies in two segments: each says a part of what is known of it. */
import { describe, expect, it } from "vitest";
import {
	RECLAIM_GRACE_MILLISECONDS,
	SPACE_MILLISECONDS,
	TOMBSTONE_MILLISECONDS,
} from "../../sync/limits.ts";
import type { EntryRow } from "../../sync/mailbox/rows.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import type { Reader, Seen } from "../../sync/sim/reader.ts";
import { check, Disk, foundAndMended } from "../unit/check/world.ts";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

const FORGOTTEN = RECLAIM_GRACE_MILLISECONDS + TOMBSTONE_MILLISECONDS;
const DAY = 24 * 3600_000;

/** "twice" lies in segment 0 where a took it, and alone in segment 1 where b did. */
async function twiceDelivered(
	names: readonly string[] = ["a", "b"],
	meanwhile: (cluster: SimCluster) => Promise<void> = async () => {},
): Promise<SimCluster> {
	const cluster = await clusterOf(names);
	await deliverMany(cluster, ["a", "b"], 126);
	cluster.split(["a"], names.slice(1));
	await cluster.pass(8_000);
	await ok(cluster, cluster.deliver("a", "anna", "twice"));
	await deliverMany(cluster, ["b"], 2, "other");
	await ok(cluster, cluster.deliver("b", "anna", "twice"));
	await meanwhile(cluster);
	cluster.heal();
	await cluster.settle();
	return cluster;
}

const inboxAt = (cluster: SimCluster, node: string): Promise<Reader> =>
	cluster.run(cluster.read(node, "anna"));

async function find(
	cluster: SimCluster,
	reader: Reader,
	isIt: (text: string) => boolean = (text) => text === "twice",
): Promise<Seen[]> {
	const texts = await cluster.run(reader.texts());
	return reader.messages().filter((_, i) => isIt(texts[i] as string));
}

async function theOne(cluster: SimCluster, reader: Reader): Promise<Seen> {
	const [one, ...others] = await find(cluster, reader);
	if (one === undefined || others.length > 0) throw new Error("not one");
	return one;
}

async function setFlag(
	cluster: SimCluster,
	node: string,
	flag: string,
	isSet = true,
): Promise<void> {
	const reader = await inboxAt(cluster, node);
	const one = await theOne(cluster, reader);
	await ok(cluster, isSet ? reader.flag(one, flag) : reader.unflag(one, flag));
	reader.close();
}

async function flagsAt(cluster: SimCluster, node: string): Promise<string[]> {
	const reader = await inboxAt(cluster, node);
	const { flags } = await theOne(cluster, reader);
	reader.close();
	return [...flags].sort();
}

async function expungeAt(
	cluster: SimCluster,
	node: string,
	isIt: (text: string) => boolean,
): Promise<void> {
	const reader = await inboxAt(cluster, node);
	const gone = await find(cluster, reader, isIt);
	await Promise.all(gone.map((seen) => ok(cluster, reader.expunge(seen))));
	reader.close();
}

/** What is dead is forgotten on all nodes. */
async function untilForgotten(cluster: SimCluster): Promise<void> {
	await cluster.settle();
	for (const { name } of cluster.running) cluster.jump(name, FORGOTTEN);
	await cluster.until(
		"the dead to be forgotten",
		() =>
			cluster.running.every(
				({ name }) =>
					new Disk(cluster, name).keys("dying/").length === 0 &&
					new Disk(cluster, name).keys("tomb/").length === 0,
			),
		120_000,
	);
	await cluster.pass(2 * SPACE_MILLISECONDS);
}

const segmentsAt = (cluster: SimCluster, node: string): string[] =>
	new Disk(cluster, node)
		.keys("docs/segment:")
		.map((key) => key.split(":").at(-1) as string);

const keptAt = (cluster: SimCluster, node: string): number =>
	new Disk(cluster, node).keys("log/").length;

const rowKeyAt = (cluster: SimCluster, node: string): string => {
	const row = new Disk(cluster, node)
		.shown()
		.find((one) => one.row.p !== undefined);
	if (row === undefined) throw new Error("no row lies in two segments");
	return row.key;
};

describe("a message in two segments", () => {
	it.each([
		["flags", "its flags"],
		["parts", "in which segments"],
		["facts", "what it is"],
		["all", "has no row"],
	])("is mended from both where its row lost %s", async (what, words) => {
		const cluster = await twiceDelivered();
		await setFlag(cluster, "a", "$Low");
		await setFlag(cluster, "b", "$High");
		await cluster.settle();
		// There segment 1 came first, and the facts of segment 0 count.
		const disk = new Disk(cluster, "b");
		const key = rowKeyAt(cluster, "b");
		cluster.crash("b");
		if (what === "all") disk.put(key, undefined);
		else
			disk.alter<EntryRow>(key, (row) => {
				if (what === "flags") row.g = {};
				else if (what === "parts") delete row.p;
				else row.f = row.f?.replace(/^\["./, '["0') as string;
			});
		await cluster.run(cluster.start("b"));
		await cluster.settle();
		await foundAndMended(cluster, "b", new RegExp(words));
		expect(await flagsAt(cluster, "b")).toEqual(["$High", "$Low"]);
		await cluster.verify();
		await setFlag(cluster, "a", "$High", false);
		await setFlag(cluster, "b", "$Low", false);
		await cluster.verify();
		expect(await flagsAt(cluster, "a")).toEqual([]);
	});

	it("keeps both while it lives, though all else in one of them is gone: changes of it are taken everywhere", async () => {
		const cluster = await twiceDelivered();
		await expungeAt(cluster, "a", (text) => text !== "twice");
		await untilForgotten(cluster);
		await setFlag(cluster, "a", "$FromA");
		await setFlag(cluster, "b", "$FromB");
		await cluster.verify();
		for (const name of ["a", "b"]) {
			expect(segmentsAt(cluster, name)).toEqual(["0", "1"]);
			expect(await flagsAt(cluster, name)).toEqual(["$FromA", "$FromB"]);
			expect((await check(cluster, name)).lines).toEqual([]);
		}
		await cluster.run(cluster.join("c", "b"));
		await cluster.verify();
		expect(await flagsAt(cluster, "c")).toEqual(["$FromA", "$FromB"]);
	});

	it("a flag taken on one side of a split and set on the other stays set everywhere", async () => {
		const cluster = await twiceDelivered();
		await setFlag(cluster, "a", "$One");
		await setFlag(cluster, "b", "$Two");
		await cluster.settle();
		cluster.split(["a"], ["b"]);
		await cluster.pass(8_000);
		await setFlag(cluster, "a", "$One", false);
		await setFlag(cluster, "b", "$Two", false);
		await setFlag(cluster, "a", "$Two");
		await setFlag(cluster, "b", "$One");
		cluster.heal();
		await cluster.verify();
		for (const node of ["a", "b"])
			expect(await flagsAt(cluster, node)).toEqual(["$One", "$Two"]);
	});

	it("expunged where only one of them was known: dead for ever, also once it is forgotten", async () => {
		const cluster = await twiceDelivered(["a", "b"], async (world) => {
			await expungeAt(world, "a", () => true);
			await expungeAt(world, "b", (text) => text.startsWith("other"));
		});
		expect(await textsAt(cluster, "b")).toEqual([]);
		await untilForgotten(cluster);
		for (const name of ["a", "b"]) {
			expect(segmentsAt(cluster, name)).toEqual(["1"]);
			expect((await check(cluster, name)).lines).toEqual([]);
		}
		await deliverMany(cluster, ["a", "b"], 2, "after");
		await cluster.verify();
		await cluster.run(cluster.join("c", "b"));
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toEqual(["after 1", "after 2"]);
	});

	it("keeps what either says of it at a member that takes the documents as a whole", async () => {
		const cluster = await twiceDelivered(["a", "b", "c"]);
		await setFlag(cluster, "a", "$Low");
		await setFlag(cluster, "b", "$High");
		await cluster.settle();
		const reader = await inboxAt(cluster, "b");
		cluster.split(["a", "b"], ["c"]);
		await cluster.pass(10_000);
		const before = keptAt(cluster, "a");
		for (let i = 0; i < 40; i++)
			await cluster.run(
				reader.mailbox.store(reader.mailbox.uids(), {
					mode: i % 2 ? "remove" : "add",
					flags: ["$busy"],
				}),
			);
		reader.close();
		await setFlag(cluster, "a", "$Late");
		await setFlag(cluster, "b", "$Low", false);
		cluster.jump("a", 8 * DAY);
		cluster.jump("b", 8 * DAY);
		await cluster.until(
			"the log is cut",
			() => keptAt(cluster, "a") < before && keptAt(cluster, "b") < before,
			120_000,
		);
		cluster.heal();
		await cluster.settle();
		expect(cluster.trace(1_000)).toMatch(/away for too long/);
		await cluster.verify();
		for (const name of ["a", "b", "c"]) {
			expect(await flagsAt(cluster, name)).toEqual(["$High", "$Late"]);
			expect((await check(cluster, name)).lines).toEqual([]);
		}
	});
});
