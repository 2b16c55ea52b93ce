/** Copies of what APPEND and REPLACE bring while a member comes back: nobody is in reach when they ask for copies, and it is there before they answer. */
import { expect, it } from "vitest";
import { vectorOf } from "../../sync/sim/checkers.ts";
import { clusterOf, deliverMany } from "./world.ts";

it.each(["APPEND", "REPLACE"])(
	"%s is confirmed with two copies by a member that comes while its UID is waited for",
	async (command) => {
		const cluster = await clusterOf(["a", "b"]);
		await deliverMany(cluster, ["a"], 60);
		const reader = await cluster.run(cluster.read("a", "anna"));
		const isAlone = () =>
			cluster.replica("a").report().peers[0]?.state === "down";
		cluster.split(["a"], ["b"]);
		await cluster.until("b to be out of reach", isAlone);
		// So that its UID is waited for a while.
		cluster.setSlow("a", 40);
		cluster.heal();
		const asked = [];
		let wereAlone = 0;
		for (const [i, seen] of reader.messages().entries()) {
			if (isAlone()) wereAlone++;
			const text = `${command} ${i}`;
			asked.push(
				command === "APPEND"
					? cluster.append("a", "anna", "Drafts", text)
					: cluster.replace("a", "anna", reader, seen, "Drafts", text),
			);
			await cluster.pass(30);
		}
		expect(wereAlone).toBeGreaterThan(0);
		expect(wereAlone).toBeLessThan(asked.length);
		for (const one of asked) expect((await cluster.run(one)).kind).toBe("done");
		reader.close();
		cluster.setSlow("a", 0);
		await cluster.verify();
	},
);

it.each(["APPEND", "REPLACE"])(
	"%s for which nobody was in reach is confirmed with two copies by a member that comes before its UID is given",
	async (command) => {
		const cluster = await clusterOf(["a", "b", "c"]);
		await deliverMany(cluster, ["a"], 1);
		const reader = await cluster.run(cluster.read("a", "anna"));
		const [seen] = reader.messages();
		if (seen === undefined) throw new Error("there is no message");
		const peers = () => cluster.replica("a").report().peers;
		const isAlone = () => peers().every(({ state }) => state === "down");
		const has = (name: string) => vectorOf(cluster.machine(name).disk);
		cluster.cut("a", "b");
		await cluster.until("a misses b", () =>
			peers().some(({ state }) => state === "down"),
		);
		// It comes to b, and on a slow line to a.
		cluster.slow("a", "c", [3_000, 3_000]);
		await deliverMany(cluster, ["c"], 1, "at c");
		await cluster.until("b has it", () => has("b").size > has("a").size);
		// What b had when a met it is not here when a is cut off: until that is, or the link is given up, nobody numbers.
		cluster.mend("a", "b");
		cluster.reset("a", "b");
		await cluster.until("a has met b", () =>
			peers().every(({ state }) => state !== "down"),
		);
		await cluster.pass(200);
		expect(has("a").size).toBeLessThan(has("b").size);
		cluster.split(["a"], ["b", "c"]);
		cluster.crash("c");
		// Who waits for long has done enough.
		await cluster.pass(2_000);
		let isOver = false;
		const asked = (
			command === "APPEND"
				? cluster.append("a", "anna", "Drafts", "draft")
				: cluster.replace("a", "anna", reader, seen, "Drafts", "draft")
		).finally(() => {
			isOver = true;
		});
		await cluster.until("nobody can be asked for copies", isAlone);
		await cluster.pass(200);
		expect(isOver).toBe(false);
		// It lacks what a has just made, and so does not count as one that a client may be told by.
		cluster.slow("a", "c", [1, 5]);
		cluster.mend("a", "c");
		await cluster.run(cluster.start("c"));
		expect((await cluster.run(asked)).kind).toBe("done");
		cluster.heal();
		reader.close();
		await cluster.verify();
	},
);
