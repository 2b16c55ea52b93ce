/** Copies of what APPEND and REPLACE bring while a member comes back: nobody is in reach when they ask for copies, and it is there before they answer. */
import { expect, it } from "vitest";
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
