import { cpSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import { expectExactly, range, sendAll, settled, user } from "./mail.ts";

test("a cloned disk: of two processes with one identity the later one ends with a clear line, the other goes on", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	const [a, b] = cluster.nodes;
	if (!a || !b) throw new Error("no cluster");
	const copied = `${b.data}.copy`;
	const clone = new TestNode({ name: "b", data: copied });
	try {
		const maker = new MessageMaker("cloned");
		await sendAll(b, maker, range(0, 10));
		await settled(cluster.nodes, 10);
		await b.stop();
		cpSync(b.data, copied, { recursive: true });
		await b.start();
		await b.converged();
		await clone.start().catch(() => {});
		await until("the copy to end", () => !clone.running, {
			timeoutMilliseconds: 60_000,
		});
		expect(clone.exit, clone.tail()).toEqual({ code: 1, signal: null });
		const lines = clone.diary
			.split("\n")
			.filter((line) => /^pmnode: /.test(line));
		expect(lines).toHaveLength(1);
		expect(lines[0]).toMatch(/another process runs as this very node/);
		expect(b.running).toBe(true);
		await sendAll(b, maker, range(10, 20));
		await sendAll(a, maker, range(20, 30));
		expectExactly(await settled(cluster.nodes, 30), maker, range(0, 30));
	} finally {
		await clone.kill9();
		rmSync(copied, { recursive: true, force: true });
		await cluster.close();
	}
});
