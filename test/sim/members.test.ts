/** Stories of members: they crash, are away, come late, are removed, fall silent or have full disks. */
import { describe, expect, it } from "vitest";
import { Temporary } from "../../sync/faults.ts";
import { loadIdentity } from "../../sync/membership/identity.ts";
import { STRANGER, TURNED_AWAY } from "../../sync/network/turned-away.ts";
import { checkSlots } from "../../sync/sim/checkers.ts";
import { clusterOf, deliverMany, ok, only, textsAt } from "./world.ts";

const DOWN = 8_000;

describe("members", () => {
	it("crash and restart under load: every acknowledged message is there once", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		const asked = [];
		for (let i = 0; i < 120; i++) {
			const node = cluster.random.pick(["a", "b", "c"]);
			asked.push(cluster.deliver(node, "anna", `mail ${i}`));
			await cluster.pass(cluster.random.integer(0, 40));
			if (i % 30 === 10) cluster.crash("b");
			if (i % 30 === 12) await cluster.run(cluster.start("b"));
			if (i % 30 === 20) cluster.crashAtCommit("a", "after");
			if (i % 30 === 24 && !cluster.machine("a").process)
				await cluster.run(cluster.start("a"));
			if (i % 30 === 26) cluster.crashAtCommit("c", "before");
			if (i % 30 === 29 && !cluster.machine("c").process)
				await cluster.run(cluster.start("c"));
		}
		for (const one of asked) await cluster.run(one);
		for (const { name, process } of cluster.machines.values())
			if (!process) await cluster.run(cluster.start(name));
		expect(cluster.history.acknowledged).toBeGreaterThan(60);
		await cluster.verify();
	});

	it("a node that was away while 500 messages came has them soon", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await cluster.run(cluster.stop("c"));
		const asked = [];
		for (let i = 0; i < 500; i++) {
			asked.push(cluster.deliver(i % 2 ? "a" : "b", "anna", `mail ${i}`));
			if (i % 10 === 0) await cluster.pass(5);
		}
		for (const one of asked) await ok(cluster, one);
		await cluster.run(cluster.start("c"));
		expect(await cluster.settle(20_000)).toBeLessThan(5_000);
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(500);
		expect(cluster.witness.renumbering.renumbered).toBe(0);
	});

	it("a node that was just started knows that it is not alone: what it takes has its copies", async () => {
		const cluster = await clusterOf(["a", "b", "c"], {
			delayMilliseconds: [30, 60],
		});
		cluster.crash("a");
		await cluster.pass(3_000);
		await cluster.run(cluster.start("a"));
		// Checked when it is acknowledged.
		await ok(cluster, cluster.deliver("a", "anna", "at once"));
		cluster.crash("a");
		await cluster.pass(3_000);
		expect(await textsAt(cluster, "b")).toEqual(["at once"]);
		await cluster.run(cluster.start("a"));
		await cluster.verify();
		expect(cluster.witness.renumbering.renumbered).toBe(0);
	});

	it("a node that starts while nobody else is there takes mail all the same", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.split(["a"], ["b"]);
		cluster.crash("a");
		await cluster.run(cluster.start("a"));
		const start = cluster.clock.monotonic();
		await ok(cluster, cluster.deliver("a", "anna", "alone"));
		expect(await textsAt(cluster, "a")).toEqual(["alone"]);
		expect(cluster.clock.monotonic() - start).toBeLessThan(6_000);
		cluster.heal();
		await cluster.verify();
	});

	it("while a node catches up, what others take has its copy there", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.crash("b");
		await deliverMany(cluster, ["a"], 300);
		await cluster.run(cluster.start("b"));
		await cluster.until(
			"b is up",
			() => cluster.replica("a").report().peers[0]?.state === "up",
		);
		const asked = [];
		for (let i = 0; i < 10; i++) {
			asked.push(cluster.deliver("a", "anna", `meanwhile ${i}`));
			await cluster.pass(3);
		}
		for (const one of asked) await ok(cluster, one);
		await cluster.verify();
	});

	it("a joiner that has the documents and not the bodies does not count as a copy", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 50);
		const joining = cluster.join("b", "a");
		const asked = [];
		for (let i = 0; i < 40; i++) {
			asked.push(cluster.deliver("a", "anna", `meanwhile ${i}`));
			await cluster.pass(2);
		}
		await cluster.run(joining);
		for (const one of asked) await ok(cluster, one);
		const report = cluster.replica("a").report();
		expect(report.peers).toHaveLength(1);
		await cluster.verify();
	});

	it("a late joiner gets all, under the same UIDs, and takes part", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 40);
		const reader = await cluster.run(cluster.read("a", "anna"));
		const [first, second, third] = reader.messages();
		if (!first || !second || !third) throw new Error("no mail");
		await ok(cluster, reader.flag(first, "\\Flagged"));
		await ok(cluster, reader.move(second, "Archive"));
		await ok(cluster, reader.expunge(third));
		const arriving = [];
		for (let i = 0; i < 20; i++)
			arriving.push(cluster.deliver("b", "anna", `meanwhile ${i}`));
		await cluster.run(cluster.join("c", "b"));
		for (const one of arriving) await ok(cluster, one);
		await ok(cluster, cluster.deliver("c", "anna", "by the new one"));
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(59);
		expect(cluster.witness.renumbering.renumbered).toBe(0);
	});

	it("a joiner that crashes in the midst of it, while mail goes on, has all in the end", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 30);
		const joining = cluster.join("c", "a");
		await cluster.clock.runUntil(() => {
			const rows = cluster.machines.get("c")?.disk.range("ent/", "ent0");
			return [...(rows ?? [])].length > 0;
		}, 5_000);
		expect(loadIdentity(cluster.machine("c").disk)?.joining).toBeDefined();
		cluster.crash("c");
		await cluster.run(joining);
		const reader = await cluster.run(cluster.read("b", "anna"));
		for (const seen of reader.messages().slice(0, 5))
			await ok(cluster, reader.flag(seen, "\\Seen"));
		for (const seen of reader.messages().slice(5, 9))
			await ok(cluster, reader.expunge(seen));
		await deliverMany(cluster, ["b"], 5, "later");
		await cluster.run(cluster.start("c"));
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(31);
	});

	it("a node whose admission it never heard of joins with the same link again", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const link = await cluster.run(cluster.invite("a"));
		const joining = cluster.joinWith("c", link);
		joining.catch(() => {});
		await cluster.clock.runUntil(
			() => cluster.replica("a").report().members === 3,
			10_000,
		);
		cluster.cut("a", "c");
		await expect(cluster.run(joining)).rejects.toThrow(/cannot reach/);
		cluster.crash("c");
		cluster.heal();
		await cluster.run(cluster.joinWith("c", link));
		await ok(cluster, cluster.deliver("c", "anna", "by c"));
		const reader = await cluster.run(cluster.read("c", "anna"));
		await ok(cluster, reader.move(only(reader), "Trash"));
		await cluster.run(cluster.account("c", "anna").create("Made by c"));
		await cluster.verify();
	});

	it("joins on both sides of a split get slots of their own", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.split(["a", "c"], ["b", "d"]);
		await cluster.pass(DOWN);
		await cluster.run(cluster.join("c", "a"));
		await cluster.run(cluster.join("d", "b"));
		await deliverMany(cluster, ["a", "c"], 6, "ac");
		await deliverMany(cluster, ["b", "d"], 6, "bd");
		for (const node of ["a", "b", "c", "d"]) await textsAt(cluster, node);
		cluster.heal();
		await cluster.verify();
		expect(await textsAt(cluster, "d")).toHaveLength(12);
		for (const { disk } of cluster.running)
			expect(checkSlots(disk).size).toBe(4);
	});

	it("a member is removed: the others go on, and it is let in nowhere", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6);
		await cluster.settle();
		cluster.crash("c");
		await cluster.run(cluster.replica("a").remove("c"));
		await cluster.pass(2_000);
		for (const node of ["a", "b"]) {
			expect(cluster.replica(node).report().members).toBe(2);
			expect(cluster.replica(node).report().peers).toHaveLength(1);
		}
		await deliverMany(cluster, ["a", "b"], 4, "after");
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toHaveLength(10);
	});

	it("a silent peer: nothing is acknowledged with fewer copies until it is taken for down", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.pause("b");
		await cluster.pass(500);
		const start = cluster.clock.monotonic();
		const asked = cluster.deliver("a", "anna", "hello");
		await cluster.until(
			"b is down",
			() => cluster.replica("a").report().peers[0]?.state === "down",
		);
		const down = cluster.clock.monotonic();
		await ok(cluster, asked);
		expect(down - start).toBeGreaterThan(3_000);
		expect(cluster.answeredMilliseconds("hello")).toBeGreaterThanOrEqual(
			down - 50,
		);
		cluster.resume("b");
		await cluster.verify();
	});

	it("a peer that was only silent for a moment holds its copy before the answer", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.pause("b");
		await cluster.pass(300);
		const asked = cluster.deliver("a", "anna", "hello");
		await cluster.pass(2_500);
		cluster.resume("b");
		await ok(cluster, asked);
		cluster.crash("a");
		expect(await textsAt(cluster, "b")).toEqual(["hello"]);
		await cluster.run(cluster.start("a"));
		await cluster.verify();
	});

	it("alone with --when-alone defer: temporary, and again taken with company", async () => {
		const cluster = await clusterOf(["a", "b"], { whenAlone: "defer" });
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		const outcome = await cluster.run(cluster.deliver("a", "anna", "hello"));
		expect(outcome).toMatchObject({ kind: "refused" });
		expect((outcome as { error: Error }).error).toBeInstanceOf(Temporary);
		cluster.heal();
		await cluster.settle();
		await ok(cluster, cluster.deliver("b", "anna", "hello"));
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toEqual(["hello"]);
	});

	it("a full disk: temporary, reads go on, and it recovers", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.expectedErrors.push(/could not write a batch/);
		await deliverMany(cluster, ["a", "b"], 3);
		const reader = await cluster.run(cluster.read("b", "anna"));
		cluster.setFull("b", true);
		const refused = await cluster.run(cluster.deliver("b", "anna", "refused"));
		expect(refused).toMatchObject({ kind: "refused" });
		expect(reader.messages()).toHaveLength(3);
		expect(await cluster.run(reader.texts())).toHaveLength(3);
		expect(await textsAt(cluster, "b")).toHaveLength(3);
		const outcome = cluster.deliver("a", "anna", "to the other");
		await cluster.pass(5_000);
		cluster.setFull("b", false);
		await cluster.run(outcome);
		await ok(cluster, cluster.deliver("b", "anna", "room again"));
		await cluster.verify();
	});

	it("disk loss is survived: one acknowledged copy is enough", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 5);
		cluster.crash("a");
		expect(await textsAt(cluster, "b")).toHaveLength(5);
	});

	it("one that all others know nothing of, as they were put back to before it joined: both sides say what to do, and that helps", async () => {
		const cluster = await clusterOf(["a"]);
		await deliverMany(cluster, ["a"], 3, "before");
		const backup = cluster.backup("a");
		await cluster.run(cluster.join("b", "a"));
		await deliverMany(cluster, ["b"], 4, "since");
		await cluster.settle();
		cluster.restore("a", backup, { known: false });
		await cluster.run(cluster.start("a"));
		const said = (text: string) => cluster.trace().split(text).length - 1;
		await cluster.until("both sides say so", () =>
			[TURNED_AWAY, STRANGER].every((text) => said(text) > 0),
		);
		await cluster.pass(30_000);
		expect([said(TURNED_AWAY), said(STRANGER)]).toEqual([1, 1]);
		await deliverMany(cluster, ["a"], 1, "for naught");
		// What it takes all the same goes with its folder.
		cluster.history.forgive('mail "for naught');
		await cluster.run(cluster.remove("a", "b"));
		cluster.lose("a");
		await cluster.run(cluster.join("d", "b"));
		await cluster.verify();
		for (const node of ["b", "d"])
			expect(await textsAt(cluster, node)).toHaveLength(7);
	});
});
