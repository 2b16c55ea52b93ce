/** Stories of space that comes back: what is dead goes everywhere, and nothing that lives is ever lost for it. */
import { describe, expect, it } from "vitest";
import {
	RECLAIM_GRACE_MILLISECONDS,
	TOMBSTONE_MILLISECONDS,
} from "../../sync/limits.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import { vectorOf } from "../../sync/sim/checkers.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, ok, only, textsAt } from "./world.ts";

const GONE = RECLAIM_GRACE_MILLISECONDS + 15_000;
const DAY = 24 * 3600_000;

/** Nodes whose disk has the body. */
const holders = (cluster: SimCluster, body: BodyRef): string[] =>
	[...cluster.machines.values()]
		.filter(({ id }) => cluster.bodies.holds(id, body))
		.map(({ name }) => name);

async function bodyOf(cluster: SimCluster, text: string): Promise<BodyRef> {
	const reader = await cluster.run(cluster.read("a", "anna"));
	const texts = await cluster.run(reader.texts());
	const seen = reader.messages()[texts.indexOf(text)];
	const body = seen && reader.mailbox.get(seen.uid as never)?.body;
	reader.close();
	if (body === undefined) throw new Error(`no ${text}`);
	return body;
}

async function expungeAt(
	cluster: SimCluster,
	node: string,
	index = 0,
): Promise<void> {
	const reader = await cluster.run(cluster.read(node, "anna"));
	const seen = reader.messages()[index];
	if (seen === undefined) throw new Error("no such message");
	await ok(cluster, reader.expunge(seen));
	reader.close();
}

describe("bodies", () => {
	it("of an expunged message go on every node, its neighbours stay", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b"], 4);
		await cluster.settle();
		const first = await bodyOf(cluster, "mail 1");
		const second = await bodyOf(cluster, "mail 2");
		await expungeAt(cluster, "b");
		await cluster.pass(GONE);
		expect(holders(cluster, first)).toEqual([]);
		expect(holders(cluster, second)).toEqual(["a", "b", "c"]);
		await cluster.verify();
		for (const { replica } of cluster.running)
			expect(replica.report().missingBodies).toBe(0);
	});

	it("stay here, and nowhere else, while a backup copies what named them", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 4);
		await cluster.settle();
		const first = await bodyOf(cluster, "mail 1");
		const second = await bodyOf(cluster, "mail 2");
		const releases = [1, 2].map(() => cluster.replica("a").holdSpace());
		await expungeAt(cluster, "b");
		// Also the sweep, which clears what no entry names.
		await cluster.pass(2 * TOMBSTONE_MILLISECONDS);
		expect(holders(cluster, first)).toEqual(["a"]);
		releases[0]?.();
		await cluster.pass(GONE);
		expect(holders(cluster, first)).toEqual(["a"]);
		releases[1]?.();
		await cluster.pass(GONE);
		expect(holders(cluster, first)).toEqual([]);
		expect(holders(cluster, second)).toEqual(["a", "b"]);
		await cluster.verify();
	});

	it("stay while a copy or a moved message names them", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 2);
		await cluster.settle();
		const copied = await bodyOf(cluster, "mail 1");
		const moved = await bodyOf(cluster, "mail 2");
		const reader = await cluster.run(cluster.read("b", "anna"));
		const [one, two] = reader.messages();
		if (!one || !two) throw new Error("no mail");
		await ok(cluster, reader.copy(one, "Archive"));
		await ok(cluster, reader.move(two, "Archive"));
		await ok(cluster, reader.expunge(one));
		reader.close();
		await cluster.pass(GONE);
		expect(holders(cluster, copied)).toEqual(["a", "b"]);
		expect(holders(cluster, moved)).toEqual(["a", "b"]);
		const archive = await cluster.run(cluster.read("a", "anna", "Archive"));
		expect(await cluster.run(archive.texts())).toEqual(["mail 1", "mail 2"]);
		for (const seen of archive.messages())
			await ok(cluster, archive.expunge(seen));
		archive.close();
		await cluster.pass(GONE);
		expect(holders(cluster, copied)).toEqual([]);
		expect(holders(cluster, moved)).toEqual([]);
		await cluster.verify();
	});

	it("expunged on one side of a split and copied on the other: nothing is lost", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 1);
		await cluster.settle();
		const body = await bodyOf(cluster, "mail 1");
		cluster.split(["a", "b"], ["c"]);
		await cluster.pass(10_000);
		await expungeAt(cluster, "a");
		const reader = await cluster.run(cluster.read("c", "anna"));
		await ok(cluster, reader.copy(only(reader), "Archive"));
		reader.close();
		await cluster.pass(3 * GONE);
		expect(holders(cluster, body)).toEqual(["a", "b", "c"]);
		cluster.heal();
		await cluster.settle();
		await cluster.pass(GONE);
		expect(holders(cluster, body)).toEqual(["a", "b", "c"]);
		for (const node of ["a", "b", "c"])
			expect(await textsAt(cluster, node, "anna", "Archive")).toEqual([
				"mail 1",
			]);
		await cluster.verify();
	});

	it("wait for a member that is away, and go when it is back", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 2);
		await cluster.settle();
		const body = await bodyOf(cluster, "mail 1");
		cluster.crash("c");
		await cluster.pass(8_000);
		await expungeAt(cluster, "a");
		await cluster.pass(5 * GONE);
		expect(holders(cluster, body)).toEqual(["a", "b", "c"]);
		await cluster.run(cluster.start("c"));
		await cluster.settle();
		await cluster.pass(GONE);
		expect(holders(cluster, body)).toEqual([]);
		await cluster.verify();
	});

	it("do not wait for a member that was removed", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 1);
		await cluster.settle();
		const body = await bodyOf(cluster, "mail 1");
		cluster.crash("c");
		await cluster.pass(8_000);
		await expungeAt(cluster, "a");
		await cluster.run(cluster.replica("b").remove("c"));
		await cluster.pass(GONE);
		expect(holders(cluster, body)).toEqual(["c"]);
	});

	it("nor for one that is away too long; it brings back what it copied meanwhile", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 2);
		await cluster.settle();
		const kept = await bodyOf(cluster, "mail 1");
		const lost = await bodyOf(cluster, "mail 2");
		cluster.split(["a", "b"], ["c"]);
		await cluster.pass(10_000);
		const reader = await cluster.run(cluster.read("c", "anna"));
		const [first] = reader.messages();
		if (!first) throw new Error("no mail");
		await ok(cluster, reader.copy(first, "Archive"));
		reader.close();
		await expungeAt(cluster, "a");
		await expungeAt(cluster, "a");
		cluster.jump("a", 8 * DAY);
		cluster.jump("b", 8 * DAY);
		await cluster.pass(2 * GONE);
		expect(holders(cluster, kept)).toEqual(["c"]);
		expect(holders(cluster, lost)).toEqual(["c"]);
		cluster.heal();
		await cluster.settle();
		await cluster.pass(2 * GONE);
		expect(holders(cluster, kept)).toEqual(["a", "b", "c"]);
		expect(holders(cluster, lost)).toEqual([]);
		await cluster.verify();
	});

	it("a crash in the midst costs nothing: it is gone on with", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 6);
		await cluster.settle();
		const body = await bodyOf(cluster, "mail 1");
		await expungeAt(cluster, "b");
		await cluster.settle();
		await cluster.pass(RECLAIM_GRACE_MILLISECONDS - 3_000);
		cluster.crashAtCommit("a", "before");
		await cluster.until(
			"a died",
			() => cluster.machine("a").process?.alive !== true,
		);
		expect(await textsAt(cluster, "b")).toHaveLength(5);
		await cluster.run(cluster.start("a"));
		await cluster.settle();
		await cluster.pass(GONE);
		expect(holders(cluster, body)).toEqual([]);
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toHaveLength(5);
	});
});

/** Changes kept in the log of a node. */
const kept = (cluster: SimCluster, node: string): number =>
	[...cluster.machine(node).disk.range("log/", "log0")].length;

describe("the log", () => {
	/** Much happens at a, with mail that `taker` takes. */
	async function turnOver(cluster: SimCluster, taker: string): Promise<void> {
		for (let i = 0; i < 6; i++) {
			const reader = await cluster.run(cluster.read("a", "anna"));
			for (let j = 0; j < 45; j++)
				await cluster.run(
					reader.mailbox.store(reader.mailbox.uids(), {
						mode: j % 2 ? "add" : "remove",
						flags: ["$busy"],
					}),
				);
			await ok(cluster, cluster.deliver(taker, "anna", `far mail ${i}`));
			await ok(cluster, reader.expunge(reader.messages()[0] as never));
			reader.close();
		}
	}

	/** c is away while a and b turn over so much that they cut their logs. */
	async function longAway(
		meanwhile: (cluster: SimCluster) => Promise<void>,
	): Promise<SimCluster> {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 6);
		await cluster.settle();
		cluster.split(["a", "b"], ["c"]);
		await cluster.pass(10_000);
		await meanwhile(cluster);
		await turnOver(cluster, "b");
		const account = cluster.account("a", "anna");
		expect(account.mailboxes().length).toBeGreaterThan(1);
		expect(kept(cluster, "a")).toBeGreaterThan(270);
		cluster.jump("a", 8 * DAY);
		cluster.jump("b", 8 * DAY);
		await cluster.until(
			"the log is cut",
			() => kept(cluster, "a") < 200 && kept(cluster, "b") < 200,
			120_000,
		);
		return cluster;
	}

	it("is cut though a member is away; when that returns, both sides have all that either did", async () => {
		const cluster = await longAway(async (world) => {
			const reader = await world.run(world.read("c", "anna"));
			const [first, second, third] = reader.messages();
			if (!first || !second || !third) throw new Error("no mail");
			await ok(world, reader.copy(first, "Archive"));
			await ok(world, reader.flag(second, "\\Flagged"));
			await ok(world, reader.move(third, "Trash"));
			await ok(world, world.deliver("c", "anna", "near mail"));
			await world.run(world.account("c", "anna").create("Made apart"));
			reader.close();
		});
		cluster.heal();
		await cluster.settle();
		expect(cluster.trace(400)).toContain("away for too long");
		await cluster.verify();
		for (const node of ["a", "b", "c"]) {
			const texts = await textsAt(cluster, node);
			expect(texts).toContain("near mail");
			expect(texts).toContain("far mail 5");
			expect(await textsAt(cluster, node, "anna", "Archive")).toEqual([
				"mail 1",
			]);
			expect(
				cluster
					.account(node, "anna")
					.mailboxes()
					.map(({ name }) => name),
			).toContain("Made apart");
		}
		await ok(cluster, cluster.deliver("c", "anna", "afterwards"));
		await cluster.verify();
	});

	it("is cut though the documents of a joiner are under way: it gets what came since as a whole", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 6);
		const link = await cluster.run(cluster.invite("a"));
		// So that space is next given back while the documents are under way.
		await cluster.pass(2_900);
		cluster.slow("a", "d", [300, 300]);
		const joining = cluster.joinWith("d", link);
		const isJoining = () =>
			cluster
				.replica("a")
				.report()
				.peers.some(({ isWaitedFor }) => !isWaitedFor);
		await cluster.until("a to have sent its documents", isJoining);
		await turnOver(cluster, "a");
		cluster.jump("a", 8 * DAY);
		cluster.slow("a", "d", [2_000, 2_000]);
		await cluster.until("the log is cut", () => kept(cluster, "a") < 200);
		await cluster.run(joining);
		await cluster.until("a to hear that d has documents", () => !isJoining());
		// At once: it does not have to ask first.
		await cluster.pass(2_000 + 100);
		expect(cluster.trace()).toContain("takes the documents as a whole");
		await cluster.verify();
		expect(await textsAt(cluster, "d")).toContain("far mail 5");
	});

	it("a member that crashes while it returns is whole in the end, and took nothing on half of it", async () => {
		const cluster = await longAway(async () => {});
		cluster.crash("c");
		// As it is after its first commit of what it takes as a whole.
		const heads = [...vectorOf(cluster.machine("a").disk)].flat();
		cluster
			.machine("c")
			.disk.commit([["meta/returning", JSON.stringify(heads)]]);
		await cluster.run(cluster.start("c"));
		const refused = await cluster.run(
			cluster.deliver("c", "anna", "on half of it"),
		);
		expect(refused.kind).toBe("refused");
		expect(await textsAt(cluster, "c")).not.toEqual([]);
		cluster.heal();
		await cluster.settle();
		await cluster.verify();
		await ok(cluster, cluster.deliver("c", "anna", "on all of it"));
		await cluster.verify();
		expect(cluster.machine("c").disk.get("meta/returning")).toBeUndefined();
	});
});

describe("removed users", () => {
	/** What a node keeps of the mailboxes of an account, and of their documents. */
	const left = (
		cluster: SimCluster,
		node: string,
		boxes: readonly string[],
	): string[] => {
		const { disk } = cluster.machine(node);
		return ["ent/", "docs/segment:", "snap/segment:", "use/"].flatMap((kind) =>
			[...disk.range(kind, `${kind}~`)]
				.map(([key]) => key)
				.filter((key) => boxes.some((box) => key.includes(box))),
		);
	};

	it("leave nothing on any node once all know; who comes after them begins with nothing", async () => {
		const cluster = await clusterOf(["a", "c"], {}, ["anna", "bert"]);
		await deliverMany(cluster, ["a", "c"], 6);
		await ok(cluster, cluster.deliver("a", "bert", "to bert"));
		await cluster.settle();
		const one = await bodyOf(cluster, "mail 1");
		const boxes = cluster
			.account("a", "anna")
			.mailboxes()
			.map(({ id }) => id);
		const account = cluster.accountId("anna");
		cluster.split(["a"], ["c"]);
		await cluster.pass(8_000);
		await cluster.run(cluster.removeUser("a", "anna"));
		cluster.history.forgive('mail "mail');
		// A member that cannot know yet goes on taking mail.
		await cluster.run(
			cluster.replica("c").deliver({
				body: await cluster.run(cluster.body("c", "late")),
				recipients: [account],
				transaction: "late",
			}),
		);
		await cluster.pass(GONE);
		expect(left(cluster, "c", boxes)).not.toEqual([]);
		expect(holders(cluster, one)).toContain("c");
		cluster.heal();
		await cluster.settle();
		await cluster.pass(TOMBSTONE_MILLISECONDS + GONE);
		expect(holders(cluster, one)).toEqual([]);
		for (const node of ["a", "c"])
			expect(left(cluster, node, boxes), node).toEqual([]);
		await cluster.run(cluster.addUser("c", "anna"));
		await cluster.settle();
		expect(cluster.accountId("anna")).not.toBe(account);
		expect(await textsAt(cluster, "a", "anna")).toEqual([]);
		await ok(cluster, cluster.deliver("c", "anna", "anew"));
		await cluster.verify();
		expect(await textsAt(cluster, "a", "bert")).toEqual(["to bert"]);
		expect(await textsAt(cluster, "a", "anna")).toEqual(["anew"]);
	});

	it("keep their mail where the same user was added on a side that had not heard of it", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(8_000);
		await cluster.run(cluster.addUser("a", "carl"));
		await cluster.run(cluster.removeUser("a", "carl"));
		await cluster.run(cluster.addUser("b", "carl"));
		await ok(cluster, cluster.deliver("b", "carl", "kept"));
		cluster.heal();
		await cluster.settle();
		for (const name of ["a", "b"]) {
			cluster.crash(name);
			await cluster.run(cluster.start(name));
		}
		await cluster.settle();
		await cluster.pass(GONE);
		await cluster.verify();
		for (const name of ["a", "b"])
			expect(await textsAt(cluster, name, "carl")).toEqual(["kept"]);
	});
});
