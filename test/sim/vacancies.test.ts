/** Stories of the slots of removed members: they come back, once, to those that are left. */
import { describe, expect, it } from "vitest";
import { slotCount } from "../../sync/mailbox/slots.ts";
import { checkSlots } from "../../sync/sim/checkers.ts";
import type { SimCluster } from "../../sync/sim/cluster.ts";
import { clusterOf, deliverMany, textsAt } from "./world.ts";

/** Of those that have any, smallest first. */
const sharesAt = (cluster: SimCluster, node: string): number[] =>
	[...checkSlots(cluster.machine(node).disk).values()]
		.map(slotCount)
		.filter((count) => count > 0)
		.sort((x, y) => x - y);

const sum = (numbers: readonly number[]): number =>
	numbers.reduce((x, y) => x + y, 0);

async function removeLost(
	cluster: SimCluster,
	name: string,
	by: string,
): Promise<void> {
	cluster.lose(name);
	await cluster.run(cluster.remove(name, by));
}

describe("slots of removed members", () => {
	it.each([
		["any invites", 3, 30, (left: string[], i: number) => left[i % 2]],
		["the newest invites", 4, 12, (left: string[]) => left.at(-1)],
	])(
		"%s, of %d members: after %d replacements all have many still",
		async (_, size, rounds, inviter) => {
			let names = ["a", "b", "c", "d"].slice(0, size);
			const cluster = await clusterOf(names);
			for (let round = 1; round <= rounds; round++) {
				// The eldest goes, and now and then the newest.
				const gone = round % 5 ? names[0] : names.at(-1);
				const left = names.filter((name) => name !== gone);
				const by = inviter(left, round) ?? "";
				await removeLost(cluster, gone ?? "", by);
				await cluster.run(cluster.join(`n${round}`, by));
				names = [...left, `n${round}`];
				await cluster.settle();
				await deliverMany(cluster, [by], 1, `round ${round}`);
				expect(Math.min(...sharesAt(cluster, by))).toBeGreaterThanOrEqual(64);
			}
			await cluster.verify();
			for (const name of names) {
				expect(sharesAt(cluster, name)).toHaveLength(size);
				expect(sum(sharesAt(cluster, name))).toBe(1024);
				expect(await textsAt(cluster, name)).toHaveLength(rounds);
			}
		},
	);

	it("come back while the removed one still serves, apart: no UID names two messages", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a", "b", "c"], 6, "before");
		await cluster.settle();
		cluster.split(["a", "b", "d"], ["c"]);
		await cluster.pass(8_000);
		const there = await cluster.run(cluster.read("c", "anna"));
		await deliverMany(cluster, ["c"], 20, "at c, before it is removed");
		await cluster.run(cluster.remove("c", "a"));
		await cluster.pass(2_000);
		expect(sharesAt(cluster, "a")).toHaveLength(2);
		await cluster.run(cluster.join("d", "b"));
		const here = await cluster.run(cluster.read("a", "anna"));
		for (let i = 0; i < 10; i++) {
			await deliverMany(cluster, ["c"], 3, `at c ${i}`);
			await deliverMany(cluster, ["a", "b", "d"], 3, `here ${i}`);
		}
		expect(there.messages().length).toBeGreaterThan(50);
		here.close();
		cluster.heal();
		await cluster.pass(5_000);
		cluster.lose("c");
		cluster.history.forgive('mail "at c');
		await cluster.verify();
		expect(await textsAt(cluster, "d")).toHaveLength(36);
	});

	it("stay where they are until all have heard of the removal and nobody knows more of the removed one", async () => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await cluster.settle();
		cluster.split(["a"], ["b", "c", "d"]);
		await cluster.pass(8_000);
		await cluster.run(cluster.remove("c", "a"));
		await cluster.pass(20_000);
		expect(sharesAt(cluster, "a")).toHaveLength(3);
		// On its side the removed one goes on: it takes mail, and admits a node with slots of its own.
		await deliverMany(cluster, ["b", "c"], 6, "apart");
		await cluster.run(cluster.join("d", "c"));
		await deliverMany(cluster, ["d", "c"], 6, "apart with d");
		await cluster.pass(2_000);
		cluster.heal();
		await cluster.pass(10_000);
		cluster.lose("c");
		await cluster.verify();
		for (const name of ["a", "b", "d"]) {
			expect(sharesAt(cluster, name)).toHaveLength(3);
			expect(sum(sharesAt(cluster, name))).toBe(1024);
			expect(await textsAt(cluster, name)).toHaveLength(12);
		}
	});

	it("are taken once where two sides of a split remove one each", async () => {
		const cluster = await clusterOf(["a", "b", "c", "d", "e"]);
		await deliverMany(cluster, ["a", "b", "c", "d", "e"], 5);
		await cluster.settle();
		cluster.lose("e");
		cluster.split(["a", "b", "f"], ["c", "d", "g"]);
		await cluster.pass(8_000);
		await cluster.run(cluster.remove("e", "a"));
		await cluster.run(cluster.remove("e", "c"));
		await cluster.run(cluster.join("f", "b"));
		await cluster.run(cluster.join("g", "d"));
		await cluster.pass(20_000);
		expect(sharesAt(cluster, "a")).toHaveLength(6);
		cluster.heal();
		await cluster.verify();
		await cluster.settle();
		for (const { name } of cluster.running) {
			expect(sharesAt(cluster, name)).toHaveLength(6);
			expect(sum(sharesAt(cluster, name))).toBe(1024);
		}
	});
});
