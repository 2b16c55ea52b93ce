/** Stories of rule 9: copies put back, known or not, lone nodes, whole clusters restored, slots that come back. */
import { describe, expect, it } from "vitest";
import { slotCount, spansOf } from "../../sync/mailbox/slots.ts";
import { loadIdentity } from "../../sync/membership/identity.ts";
import { ALL_RULES, type Rules } from "../../sync/rules.ts";
import { checkSlots, vectorOf } from "../../sync/sim/checkers.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

const originOf = (cluster: SimCluster, name: string): string =>
	loadIdentity(cluster.machine(name).disk)?.origin ?? "";

type Options = Parameters<typeof clusterOf>[1];

async function putBack(known: boolean, options: Options = {}): Promise<void> {
	const cluster = await clusterOf(["a", "b", "c"], options);
	await deliverMany(cluster, ["a", "b", "c"], 6, "before");
	const backup = cluster.backup("b");
	const before = originOf(cluster, "b");
	await deliverMany(cluster, ["b"], 10, "since");
	expect(await textsAt(cluster, "b")).toHaveLength(16);
	await cluster.settle();
	cluster.restore("b", backup, { known });
	await cluster.run(cluster.start("b"));
	expect(originOf(cluster, "b")).not.toBe(before);
	await deliverMany(cluster, ["b"], 5, "after");
	await cluster.verify();
	expect(await textsAt(cluster, "b")).toHaveLength(21);
	// What its former life is known to have had counts as shown: nobody sees other numbers.
	expect(cluster.witness.renumbering.renumbered).toBe(0);
	for (const { disk } of cluster.running) checkSlots(disk);
}

async function loneRestored(options: Options = {}): Promise<void> {
	const cluster = await clusterOf(["a"], options);
	await deliverMany(cluster, ["a"], 5, "before");
	const backup = cluster.backup("a");
	await deliverMany(cluster, ["a"], 5, "since");
	const reader = await cluster.run(cluster.read("a", "anna"));
	expect(reader.messages()).toHaveLength(10);
	const told = reader.mailbox.uidNext;
	reader.close();
	cluster.restore("a", backup);
	cluster.history.forgive('mail "since');
	await cluster.run(cluster.start("a"));
	await deliverMany(cluster, ["a"], 2, "after");
	const again = await cluster.run(cluster.read("a", "anna"));
	expect(again.messages()).toHaveLength(7);
	expect(again.messages().at(-1)?.uid).toBeGreaterThan(told + 2 ** 20 - 1);
	again.close();
	await cluster.verify();
	const slots = [...checkSlots(cluster.machine("a").disk).values()];
	expect(slots.map(({ low, high }) => high - low).sort()).toEqual([0, 1024]);
	expect(new Set(slots.map(({ stampSlot }) => stampSlot)).size).toBe(2);
}

/** Those that stay run anew, before one is removed. */
async function restartAll(cluster: SimCluster): Promise<void> {
	for (const name of ["a", "b"]) cluster.crash(name);
	for (const name of ["a", "b"]) await cluster.run(cluster.start(name));
	await cluster.until("the two are in touch", () =>
		cluster
			.replica("a")
			.report()
			.peers.some(({ name, state }) => name === "b" && state === "up"),
	);
}

async function removedApart(
	options: Options = {},
	restarts = false,
): Promise<void> {
	const cluster = await clusterOf(["a", "b", "c"], options);
	await deliverMany(cluster, ["a", "b", "c"], 6, "before");
	const reader = await cluster.run(cluster.read("c", "anna"));
	reader.close();
	cluster.split(["a", "b"], ["c"]);
	await cluster.pass(10_000);
	// Told by c alone, and lost with it.
	await deliverMany(cluster, ["c"], 5, "apart");
	const last = await cluster.run(cluster.read("c", "anna"));
	const told = last.mailbox.uidNext;
	last.close();
	await deliverMany(cluster, ["a", "b"], 4, "meanwhile");
	if (restarts) await restartAll(cluster);
	await cluster.run(cluster.replica("a").remove("c"));
	cluster.machine("c").process?.kill();
	cluster.machines.delete("c");
	cluster.history.forgive('mail "apart');
	await cluster.pass(3_000);
	await deliverMany(cluster, ["a", "b"], 4, "after");
	const again = await cluster.run(cluster.read("b", "anna"));
	expect(again.messages()).toHaveLength(14);
	for (const { uid } of again.messages().slice(6))
		expect(uid).toBeGreaterThan(told);
	again.close();
	await cluster.verify();
}

describe("without its rule a story goes red", () => {
	const without = (...off: (keyof Rules)[]): Options => ({
		rules: {
			...ALL_RULES,
			...Object.fromEntries(off.map((rule) => [rule, false])),
		},
	});
	it("takeShown", () =>
		expect(putBack(true, without("takeShown"))).rejects.toThrow());
	it("jump", () => expect(loneRestored(without("jump"))).rejects.toThrow());
	// Those who stayed are the larger side here, and far ahead anyway.
	it("floor", () =>
		expect(removedApart(without("floor", "spread"))).rejects.toThrow());
});

describe("a node put back to an old copy", () => {
	for (const known of [true, false])
		it(`begins a new life (${known ? "restored" : "a snapshot that it does not know of"}), and nothing forks`, () =>
			putBack(known));

	it("serves nobody before it has heard what its former life had", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 4, "before");
		const backup = cluster.backup("b");
		await deliverMany(cluster, ["b"], 4, "since");
		await cluster.settle();
		cluster.crash("a");
		cluster.restore("b", backup);
		const started = cluster.start("b");
		await cluster.pass(20_000);
		expect(cluster.replica("b").isReviving).toBe(true);
		await cluster.run(cluster.start("a"));
		await cluster.run(started);
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toHaveLength(8);
	});

	it("and again a moment later: what only its last life had, and showed to nobody, is not taken as shown", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b"], 2, "before");
		await cluster.settle();
		const backup = cluster.backup("b");
		cluster.crash("b");
		await deliverMany(cluster, ["a", "c"], 4, "without b");
		const read = async () => {
			await cluster.run(cluster.start("b"));
			const reader = await cluster.run(cluster.read("b", "anna"));
			const { uidNext } = reader.mailbox;
			reader.close();
			return uidNext;
		};
		cluster.restore("b", backup);
		const told = await read();
		expect(told).toBeGreaterThan(2 ** 20);
		cluster.restore("b", backup);
		expect(await read()).toBeGreaterThan(told);
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toHaveLength(6);
	});

	it("is told by the first member that it hears, before it writes", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		const backup = cluster.backup("b");
		await deliverMany(cluster, ["b"], 6, "since");
		await cluster.settle();
		const before = originOf(cluster, "b");
		const told = vectorOf(cluster.machine("a").disk).get(before);
		cluster.restore("b", backup, { known: false });
		await cluster.run(cluster.start("b"));
		await deliverMany(cluster, ["b"], 6, "after");
		await cluster.verify();
		for (const name of ["a", "b", "c"])
			expect(vectorOf(cluster.machine(name).disk).get(before)).toBe(told);
	});

	it("keeps what clients of the former life were told apart, when only some of it was heard of", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 4, "before");
		const backup = cluster.backup("b");
		await deliverMany(cluster, ["b"], 4, "since");
		await cluster.settle();
		cluster.split(["a"], ["b"]);
		await cluster.pass(10_000);
		// Shown at b alone, and lost with it.
		await deliverMany(cluster, ["b"], 3, "apart");
		expect(await textsAt(cluster, "b")).toHaveLength(11);
		cluster.restore("b", backup);
		cluster.heal();
		cluster.history.forgive('mail "apart');
		await cluster.run(cluster.start("b"));
		await deliverMany(cluster, ["a", "b"], 4, "after");
		await cluster.verify();
		expect(await textsAt(cluster, "b")).toHaveLength(12);
	});
});

describe("nobody to ask", () => {
	it("a lone node that was restored keeps its slots, takes another stamp slot and leaps", () =>
		loneRestored());

	it("a whole cluster that was restored goes on without an operator", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6, "before");
		await cluster.settle();
		const backups = ["a", "b", "c"].map(
			(name) => [name, cluster.backup(name)] as const,
		);
		await deliverMany(cluster, ["a", "b", "c"], 6, "since");
		cluster.history.forgive('mail "since');
		for (const [name, backup] of backups) cluster.restore(name, backup);
		const starts = ["c", "a", "b"].map((name) => cluster.start(name));
		for (const started of starts) await cluster.run(started);
		await deliverMany(cluster, ["a", "b", "c"], 6, "after");
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(12);
	});

	it("the operator may say that no other member will come", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a", "b"], 4, "before");
		await cluster.settle();
		const backup = cluster.backup("b");
		cluster.crash("a");
		cluster.restore("b", backup);
		cluster.machine("b").options.alone = true;
		await cluster.run(cluster.start("b"));
		await deliverMany(cluster, ["b"], 2, "alone");
		expect(await textsAt(cluster, "b")).toHaveLength(6);
		await cluster.run(cluster.start("a"));
		await cluster.verify();
	});

	it("a whole cluster is switched off and on again: nobody waits for ever, and no new life begins", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 3, "before");
		await cluster.settle();
		const before = ["a", "b", "c"].map((name) => originOf(cluster, name));
		for (const name of ["a", "b", "c"]) cluster.crash(name);
		const starts = ["a", "b", "c"].map((name) => cluster.start(name));
		for (const started of starts) await cluster.run(started, 5_000);
		await cluster.verify();
		expect(["a", "b", "c"].map((name) => originOf(cluster, name))).toEqual(
			before,
		);
	});
});

describe("slots", () => {
	it("do not run out after many restores in turn: a former life's range comes back", async () => {
		const cluster = await clusterOf(["a", "b"]);
		for (let round = 1; round <= 24; round++) {
			const name = round % 2 ? "b" : "a";
			cluster.restore(name, cluster.backup(name));
			await cluster.run(cluster.start(name));
			await cluster.settle();
		}
		await deliverMany(cluster, ["a", "b"], 4);
		await cluster.verify();
		for (const { disk, name } of cluster.running) {
			const all = [...checkSlots(disk).entries()];
			const sizes = all.map(([, range]) =>
				spansOf(range).reduce((sum, [low, high]) => sum + high - low, 0),
			);
			// All slots belong to the two lives that go on.
			expect(
				sizes.reduce((a, b) => a + b),
				name,
			).toBe(1024);
			expect(sizes.filter((size) => size > 0)).toHaveLength(2);
			expect(Math.min(...sizes.filter((size) => size > 0))).toBeGreaterThan(50);
		}
	});

	it("do not run out where the same node is put back many times, and the others keep theirs", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		for (let round = 1; round <= 16; round++) {
			cluster.restore("b", cluster.backup("b"));
			await cluster.run(cluster.start("b"));
			await cluster.settle();
			await deliverMany(cluster, ["a", "b", "c"], 3, `round ${round}`);
		}
		await cluster.verify();
		const sizes = [...checkSlots(cluster.machine("a").disk).values()].map(
			slotCount,
		);
		expect(sizes.reduce((a, b) => a + b)).toBe(1024);
		const living = sizes.filter((size) => size > 0);
		expect(living).toHaveLength(3);
		expect(Math.min(...living)).toBeGreaterThan(50);
	});
});

describe("bad input", () => {
	it("a change that is damaged at one member is refused, named, and fetched from another", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.expectedErrors.push(/refused a change/);
		cluster.cut("c", "a");
		cluster.cut("c", "b");
		await cluster.pass(10_000);
		await deliverMany(cluster, ["a"], 5, "missed");
		await cluster.until("b has all of it", () =>
			cluster
				.replica("a")
				.report()
				.peers.some((peer) => peer.name === "b" && peer.missingChanges === 0),
		);
		// What is on its way to c through gossip is lost.
		await cluster.pass(1_000);
		// At b one byte of what a wrote lies wrong on the disk.
		const { disk } = cluster.machine("b");
		const author = originOf(cluster, "a");
		// The newest one may come to c by gossip.
		const [, row] = [
			...disk.range(`log/${author}/`, `log/${author}0`, { reverse: true }),
		];
		if (row === undefined) throw new Error("no record");
		const bad = Uint8Array.from(row[1] as Uint8Array);
		bad[bad.length - 40] = (bad[bad.length - 40] as number) ^ 1;
		disk.commit([[row[0], bad]]);
		cluster.mend("c", "b");
		await cluster.until("c has refused it", () =>
			/c: refused a change/.test(cluster.trace(400)),
		);
		expect(
			cluster
				.replica("c")
				.report()
				.peers.map(({ state }) => state),
		).toContain("up");
		cluster.mend("c", "a");
		disk.commit([row]);
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(5);
	});
});

describe("a member that is removed", () => {
	it("apart: new messages get UIDs above all that it may have told, and none of it stands against that", () =>
		removedApart());

	it("apart, after those that stay have run anew: the same", () =>
		removedApart({}, true));

	it("that was met for a moment only, by one that then crashed: what was numbered there meanwhile is numbered anew", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.split(["a", "c"], ["b"]);
		// Sooner than what is known of members is kept now and then.
		expect(cluster.clock.monotonic()).toBeLessThan(5_000);
		cluster.crash("a");
		cluster.split(["a"], ["b"], ["c"]);
		await cluster.run(cluster.start("a"));
		await cluster.pass(10_000);
		await deliverMany(cluster, ["b"], 3, "apart");
		const last = await cluster.run(cluster.read("b", "anna"));
		const told = last.mailbox.uidNext;
		last.close();
		await deliverMany(cluster, ["a"], 3, "meanwhile");
		cluster.lose("b");
		cluster.history.forgive('mail "apart');
		await cluster.run(cluster.remove("b", "c"));
		cluster.heal();
		await cluster.settle();
		const again = await cluster.run(cluster.read("c", "anna"));
		expect(again.messages()).toHaveLength(3);
		for (const { uid } of again.messages()) expect(uid).toBeGreaterThan(told);
		again.close();
		await cluster.verify();
	});

	it.each([
		["whose process ended: nothing is numbered anew", false],
		["whose process ended before the others ran anew: the same", true],
	])("%s", async (_, restarts) => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6, "before");
		cluster.crash("c");
		await cluster.pass(10_000);
		await deliverMany(cluster, ["a", "b"], 4, "meanwhile");
		const reader = await cluster.run(cluster.read("a", "anna"));
		reader.close();
		if (restarts) await restartAll(cluster);
		await cluster.run(cluster.replica("a").remove("c"));
		cluster.machines.delete("c");
		await deliverMany(cluster, ["a", "b"], 4, "after");
		await cluster.verify();
		expect(cluster.witness.renumbering.renumbered).toBe(0);
		// Who comes later does not mourn it once more.
		await cluster.run(cluster.join("d", "a"));
		await cluster.settle();
		await deliverMany(cluster, ["a", "d"], 2, "at last");
		const last = await cluster.run(cluster.read("d", "anna"));
		const [before, , after] = last.messages().slice(-3);
		expect((after?.uid ?? 0) - (before?.uid ?? 0)).toBeLessThan(2 ** 20);
		last.close();
	});
});

describe("a copy that went on alone before anybody could tell it", () => {
	for (const forked of [1, 6])
		it(`is put aside, and the node begins anew with what the others have (${forked} messages)`, async () => {
			const cluster = await clusterOf(["a", "b"]);
			await deliverMany(cluster, ["a", "b"], 4, "before");
			const backup = cluster.backup("b");
			await deliverMany(cluster, ["b"], 4, "since");
			await cluster.settle();
			cluster.crash("a");
			cluster.restore("b", backup, { known: false });
			await cluster.run(cluster.start("b"));
			await cluster.pass(20_000);
			await deliverMany(cluster, ["b"], forked, "forked");
			cluster.history.forgive('mail "forked');
			cluster.expectedErrors.push(/refused a change/);
			await cluster.run(cluster.start("a"));
			await cluster.until("b begins anew", () => {
				const { aside, process } = cluster.machine("b");
				return aside.length === 1 && process?.serves === true;
			});
			await deliverMany(cluster, ["a", "b"], 4, "after");
			await cluster.verify();
			expect(await textsAt(cluster, "b")).toHaveLength(12);
			// What was acknowledged meanwhile is kept, to be put back.
			const { aside } = cluster.machine("b");
			const rows = [...(aside[0]?.range("ent/", "ent0") ?? [])];
			const mails = rows.filter(([, row]) => JSON.parse(row as string).f);
			expect(mails).toHaveLength(4 + forked);
		});
});
