/** Stories of mail while all are connected: read elsewhere, numbered once, merged when retried. */
import { describe, expect, it } from "vitest";
import type { Reader } from "../../sync/sim/reader.ts";
import { clusterOf, deliverMany, ok, only, textsAt } from "./world.ts";

describe("connected nodes", () => {
	it("mail taken by one node is read on another", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await ok(cluster, cluster.deliver("a", "anna", "hello"));
		expect(await textsAt(cluster, "b")).toEqual(["hello"]);
		await cluster.verify();
	});

	it("both nodes receive for one account at once for a while: no UID ever changes", async () => {
		const cluster = await clusterOf(["a", "b"]);
		const readers = [
			await cluster.run(cluster.read("a", "anna")),
			await cluster.run(cluster.read("b", "anna")),
		];
		const asked = [];
		for (let i = 0; i < 100; i++) {
			asked.push(
				cluster.deliver("a", "anna", `a ${i}`),
				cluster.deliver("b", "anna", `b ${i}`),
			);
			await cluster.pass(cluster.random.integer(0, 8));
		}
		for (const one of asked) await ok(cluster, one);
		await cluster.verify();
		expect(cluster.witness.renumbering).toEqual({ told: 200, renumbered: 0 });
		for (const reader of readers) expect(reader.messages()).toHaveLength(200);
	});

	it("three nodes receive, over slow lines, with readers that come and go: no UID ever changes", async () => {
		const cluster = await clusterOf(["a", "b", "c"], {
			delayMilliseconds: [40, 120],
		});
		const asked = [];
		for (let i = 0; i < 60; i++) {
			for (const node of ["a", "b", "c"])
				asked.push(cluster.deliver(node, "anna", `${node} ${i}`));
			if (i % 7 === 0) {
				const reader = await cluster.run(
					cluster.read(cluster.random.pick(["a", "b", "c"]), "anna"),
				);
				await cluster.pass(cluster.random.integer(0, 300));
				reader.close();
			}
			await cluster.pass(cluster.random.integer(0, 100));
		}
		for (const one of asked) await ok(cluster, one);
		await cluster.verify();
		expect(cluster.witness.renumbering).toEqual({ told: 180, renumbered: 0 });
	});

	it("a session sees what it did itself when the command ends", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6);
		for (const node of ["a", "b", "c"]) {
			const reader = await cluster.run(cluster.read(node, "anna"));
			const [first, second] = reader.messages();
			if (!first || !second) throw new Error("no mail");
			await ok(cluster, reader.flag(first, `$by${node}`));
			expect(reader.messages()[0]?.flags).toContain(`$by${node}`);
			const { uids } = await ok(cluster, reader.move(second, "Trash"));
			expect(uids).toHaveLength(1);
			expect(reader.messages().map(({ uid }) => uid)).not.toContain(second.uid);
			await ok(cluster, reader.expunge(first));
			expect(reader.messages().map(({ uid }) => uid)).not.toContain(first.uid);
			reader.close();
		}
		await cluster.verify();
	});

	it("a retried delivery on another node merges, with other trace headers too", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await ok(cluster, cluster.deliver("a", "anna", "hello"));
		await ok(cluster, cluster.deliver("b", "anna", "hello"));
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toEqual(["hello"]);
	});

	it("a delivery tried on both sides of a split is one message after it", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(8_000);
		const [here, there] = [
			cluster.deliver("a", "anna", "hello"),
			cluster.deliver("b", "anna", "hello"),
		];
		await ok(cluster, here);
		await ok(cluster, there);
		expect(await textsAt(cluster, "a")).toEqual(["hello"]);
		expect(await textsAt(cluster, "b")).toEqual(["hello"]);
		cluster.heal();
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toEqual(["hello"]);
	});

	it("of mail tried on both sides no UID names two bodies, whichever side's headers win", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.split(["a"], ["b"], ["c"]);
		await cluster.pass(8_000);
		for (let i = 0; i < 8; i++)
			for (const node of ["a", "b"])
				await ok(cluster, cluster.deliver(node, "anna", `hello ${i}`));
		const readers: Reader[] = [];
		for (const node of ["a", "b", "c"])
			readers.push(await cluster.run(cluster.read(node, "anna")));
		cluster.mend("a", "c");
		await cluster.until("c has it", () => readers[2]?.messages().length === 8);
		cluster.mend("b", "c");
		await cluster.pass(10_000);
		cluster.heal();
		await cluster.verify();
		for (const reader of readers) expect(reader.messages()).toHaveLength(8);
	});

	it("tried on both sides in two segments: a flag set at one node is taken at the other", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 126);
		cluster.split(["a"], ["b"]);
		await cluster.pass(8_000);
		await ok(cluster, cluster.deliver("a", "anna", "twice"));
		await deliverMany(cluster, ["b"], 4, "other");
		await ok(cluster, cluster.deliver("b", "anna", "twice"));
		cluster.heal();
		await cluster.settle();
		const [a, b] = [
			await cluster.run(cluster.read("a", "anna")),
			await cluster.run(cluster.read("b", "anna")),
		];
		await cluster.settle();
		const [first, ...others] = a
			.messages()
			.filter(({ hash }) => cluster.history.labelOf(hash).includes("twice"));
		if (first === undefined || others.length > 0) throw new Error("not one");
		await ok(cluster, b.flag(first, "$One"));
		await ok(cluster, a.flag(first, "$Two"));
		await cluster.settle();
		await ok(cluster, a.unflag(first, "$One"));
		await ok(cluster, b.unflag(first, "$Two"));
		await cluster.verify();
		for (const reader of [a, b])
			expect(
				reader.messages().find(({ uid }) => uid === first.uid)?.flags,
			).toEqual([]);
	});

	it("a retry of what is here already waits for its copies as well", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.pause("b");
		await cluster.pass(300);
		const first = cluster.deliver("a", "anna", "hello");
		await cluster.pass(500);
		// Its client gave up and comes again; that it is taken at once is checked against what b holds.
		const second = cluster.deliver("a", "anna", "hello");
		await cluster.pass(1_000);
		cluster.resume("b");
		await ok(cluster, first);
		await ok(cluster, second);
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toEqual(["hello"]);
	});

	it("sent again after its 250 was seen, it is a second message", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await ok(cluster, cluster.deliver("a", "anna", "hello"));
		cluster.replica("a").confirm("hello");
		await cluster.pass(1_000);
		await cluster.sendAgain("b", "anna", "hello");
		await cluster.verify();
		expect(await textsAt(cluster, "a")).toEqual(["hello", "hello"]);
	});

	it("equal moves on two nodes merge; different ones leave two", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 2);
		const [a, b] = [
			await cluster.run(cluster.read("a", "anna")),
			await cluster.run(cluster.read("b", "anna")),
		];
		const [first, second] = a.messages();
		if (!first || !second) throw new Error("no mail");
		const moves = [
			a.move(first, "Trash"),
			b.move(first, "Trash"),
			a.move(second, "Archive"),
			b.move(second, "Junk"),
		];
		for (const move of moves) await ok(cluster, move);
		await cluster.verify();
		expect(await textsAt(cluster, "b", "anna", "Trash")).toHaveLength(1);
		expect(await textsAt(cluster, "a", "anna", "Archive")).toHaveLength(1);
		expect(await textsAt(cluster, "b", "anna", "Junk")).toHaveLength(1);
		expect(a.messages()).toEqual([]);
	});

	it("two sessions of one node move the same message at once, and neither waits", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 1);
		const one = await cluster.run(cluster.read("a", "anna"));
		const other = await cluster.run(cluster.read("a", "anna"));
		const seen = only(one);
		const start = cluster.clock.monotonic();
		const moves = [one.move(seen, "Trash"), other.move(seen, "Trash")];
		for (const move of moves) await ok(cluster, move);
		expect(cluster.clock.monotonic() - start).toBeLessThan(1_000);
		await cluster.verify();
	});
});
