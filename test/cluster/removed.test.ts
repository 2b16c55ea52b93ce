/**
 * A member is removed while it is away, and comes back: it ends with a line that says so, instead of taking mail that
 * reaches nobody; what only it had taken comes back from its folder. One that runs while it is removed ends as well.
 */
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import { expectExactly, range, sendAll, settled, user } from "./mail.ts";

async function expectEnd(node: TestNode, by: string): Promise<void> {
	await until(`${node.name} to end`, () => !node.running, {
		timeoutMilliseconds: 60_000,
		seen: () => node.tail(),
	});
	expect(node.exit, node.tail()).toEqual({ code: 1, signal: null });
	const lines = node.diary
		.split("\n")
		.filter((line) => line.startsWith("pmnode: "));
	expect(lines).toHaveLength(1);
	expect(lines[0]).toMatch(
		new RegExp(`this node was removed from the cluster, says ${by}, and ends`),
	);
}

test("a removed member that comes back, or still runs, is told so and ends, and mail that only it took comes back", async () => {
	const cluster = await startCluster({
		names: ["a", "b", "c"],
		users: [user],
	});
	try {
		const maker = new MessageMaker("removed");
		const [a, b, c] = cluster.nodes;
		if (!a || !b || !c) throw new Error("no cluster");
		await sendAll(a, maker, range(0, 30));
		await settled(cluster.nodes, 30);
		for (const node of [b, c]) await node.stop();
		await sendAll(a, maker, range(30, 45));
		await a.kill9();
		for (const node of [b, c]) await node.start();
		expect(await b.cli(["remove", "a"])).toMatchObject({ code: 0 });
		await until(
			"c to know",
			async () => (await c.status()).cluster.members === 2,
		);
		await a.start().catch(() => {});
		await expectEnd(a, "[bc]");

		const d = await cluster.add("d", c);
		await d.converged();
		expect(await c.cli(["remove", "d"])).toMatchObject({ code: 0 });
		await expectEnd(d, "[bc]");

		expect(await b.cli(["restore", a.data, "--all"]), b.tail()).toMatchObject({
			code: 0,
			stderr: "15 messages are back, 30 were there\n",
		});
		expectExactly(await settled([b, c], 45), maker, range(0, 45));
	} finally {
		await cluster.close();
	}
});
