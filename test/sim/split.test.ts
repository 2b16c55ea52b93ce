/** Stories of splits: everything is written on both sides, and after the heal all nodes agree. */
import { describe, expect, it } from "vitest";
import { clusterOf, deliverMany, ok, textsAt } from "./world.ts";

const DOWN = 8_000;

async function both(run: (node: string) => Promise<void>): Promise<void> {
	await run("a");
	await run("b");
}

describe("a split", () => {
	it("mail, flags, expunges, moves, copies and mailboxes on both sides come together", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 12);
		await ok(
			cluster,
			cluster.ask("a", "creates Work", () =>
				cluster.account("a", "anna").create("Work"),
			),
		);
		const readers = [];
		for (const node of ["a", "b", "c"])
			readers.push(await cluster.run(cluster.read(node, "anna")));
		await cluster.settle();
		cluster.split(["a"], ["b", "c"]);
		await cluster.pass(DOWN);
		await both(async (node) => {
			const account = cluster.account(node, "anna");
			const reader = await cluster.run(cluster.read(node, "anna"));
			const seen = reader.messages();
			const at = (i: number) => {
				const one = seen[i];
				if (one === undefined) throw new Error("no such message");
				return one;
			};
			await deliverMany(cluster, [node], 10, `split ${node}`);
			await ok(cluster, reader.flag(at(0), `$${node}`));
			await ok(cluster, reader.flag(at(1), "\\Seen"));
			await ok(cluster, reader.move(at(2), "Trash"));
			await ok(cluster, reader.move(at(3), node === "a" ? "Work" : "Archive"));
			await ok(cluster, reader.copy(at(4), "Work"));
			await ok(cluster, reader.expunge(at(node === "a" ? 5 : 6)));
			if (node === "a") await ok(cluster, reader.move(at(7), "Archive"));
			else await ok(cluster, reader.flag(at(7), "$followed"));
			await cluster.run(account.create("Made"));
			await cluster.run(account.create(`Only ${node}`));
			if (node === "a") await cluster.run(account.rename("Work", "Job"));
			else await cluster.run(account.rename("Work", "Business"));
			reader.close();
		});
		cluster.heal();
		const milliseconds = await cluster.settle(30_000);
		expect(milliseconds).toBeLessThan(10_000);
		await cluster.verify();
		cluster.witness.checkUidValidity((mailbox) =>
			["Made"].includes(
				cluster
					.account("a", "anna")
					.mailboxes()
					.find(({ id }) => id === mailbox)?.name ?? "",
			),
		);
		const archive = await cluster.run(cluster.read("b", "anna", "Archive"));
		expect(archive.messages().map(({ flags }) => flags)).toContainEqual([
			"$followed",
		]);
	});

	it.each([
		["a", "b"],
		["b", "a"],
	])(
		"only %s is looked at: the mail of %s is numbered anew, and nobody sees a UID change",
		async (looked, other) => {
			// Of so many accounts each node numbers some.
			const users = ["anna", "bert", "carl", "dora", "emil", "fred"];
			const cluster = await clusterOf(["a", "b"], {}, users);
			cluster.split(["a"], ["b"]);
			await cluster.pass(DOWN);
			for (const user of users) {
				await ok(cluster, cluster.deliver(other, user, `unseen ${user}`));
				await ok(cluster, cluster.deliver(looked, user, `seen ${user}`));
				await textsAt(cluster, looked, user);
			}
			cluster.heal();
			await cluster.verify();
			expect(cluster.witness.renumbering).toEqual({ told: 12, renumbered: 0 });
		},
	);

	it("sessions stay open on both sides: each sees all in the end, under equal UIDs", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 3);
		const readers = [];
		for (const node of ["a", "b", "c"])
			readers.push(await cluster.run(cluster.read(node, "anna")));
		for (let round = 0; round < 3; round++) {
			cluster.split(["a"], ["b", "c"]);
			await cluster.pass(DOWN);
			await deliverMany(cluster, ["a"], 4, `a ${round}`);
			await deliverMany(cluster, ["b", "c"], 4, `bc ${round}`);
			cluster.heal();
			await cluster.settle(20_000);
		}
		await cluster.verify();
		const [first, ...others] = readers.map((reader) =>
			reader.messages().map(({ uid, entry }) => `${uid} ${entry}`),
		);
		expect(first).toHaveLength(27);
		for (const other of others) expect(other).toEqual(first);
	});

	it("a and b are cut while both see c: what one writes reaches the other", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.cut("a", "b");
		await cluster.pass(DOWN);
		await ok(cluster, cluster.deliver("a", "anna", "from a"));
		await ok(cluster, cluster.deliver("b", "anna", "from b"));
		await cluster.pass(3_000);
		expect((await textsAt(cluster, "a")).sort()).toEqual(["from a", "from b"]);
		expect((await textsAt(cluster, "b")).sort()).toEqual(["from a", "from b"]);
		cluster.heal();
		await cluster.verify();
	});

	it("a hears b but b does not hear a: mail goes on within bounds, and all agree afterwards", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		cluster.cutOneWay("a", "b");
		const asked = [];
		for (let i = 0; i < 10; i++) {
			asked.push(cluster.deliver("a", "anna", `a ${i}`));
			asked.push(cluster.deliver("b", "anna", `b ${i}`));
			await cluster.pass(1_000);
		}
		for (const one of asked) await ok(cluster, one);
		cluster.heal();
		await cluster.verify();
		expect(await textsAt(cluster, "c")).toHaveLength(20);
	});

	it("a user, a domain and an alias made on both sides are one", async () => {
		const cluster = await clusterOf(["a", "b"]);
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		await both(async (node) => {
			await cluster.run(cluster.addUser(node, "bert"));
			await ok(cluster, cluster.deliver(node, "bert", `by ${node}`));
			expect(await textsAt(cluster, node, "bert")).toEqual([`by ${node}`]);
		});
		cluster.heal();
		await cluster.verify();
		expect(await textsAt(cluster, "b", "bert")).toHaveLength(2);
	});

	it("a mailbox deleted on one side and filled on the other lives on with just what came", async () => {
		const cluster = await clusterOf(["a", "b"]);
		await cluster.run(cluster.account("a", "anna").create("Work"));
		await deliverMany(cluster, ["a"], 2);
		const before = await cluster.run(cluster.read("a", "anna"));
		const [first, second] = before.messages();
		if (!first || !second) throw new Error("no mail");
		await ok(cluster, before.move(first, "Work"));
		await cluster.settle();
		cluster.split(["a"], ["b"]);
		await cluster.pass(DOWN);
		cluster.history.expunging(first.hash);
		await cluster.run(cluster.account("a", "anna").remove("Work"));
		const there = await cluster.run(cluster.read("b", "anna"));
		await ok(cluster, there.move(second, "Work"));
		cluster.heal();
		await cluster.verify();
		expect(await textsAt(cluster, "a", "anna", "Work")).toEqual(["mail 2"]);
		// Deleted once more, it is gone.
		cluster.history.expunging(second.hash);
		await cluster.run(cluster.account("b", "anna").remove("Work"));
		await cluster.verify();
		expect(cluster.account("a", "anna").find("Work")).toBeUndefined();
	});
});
