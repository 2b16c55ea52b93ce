/**
 * Planted bugs on real processes: what the tests of kill -9 and of lost disks hold against a node must be seen where a node
 * answers too early. Each story is run with the sound program too, and nothing is lost in it.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { password } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { pmnode, startNode, type TestNode } from "../harness/node.ts";
import { repository } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { look, range, send, sendAll, user } from "./mail.ts";

const [program = "", main = ""] = pmnode;
const planted = (bug: string): readonly string[] => [
	program,
	"--import",
	join(repository, "test/harness", bug),
	main,
];

/** Whether a node does not show an acknowledged message, or cannot give it. */
async function hasLost(
	node: TestNode,
	maker: MessageMaker,
	acknowledged: readonly number[],
): Promise<boolean> {
	try {
		const { messages } = await look(node);
		const shown = new Set(messages.map(({ messageId }) => messageId));
		return acknowledged.some((number) => !shown.has(maker.messageId(number)));
	} catch (error) {
		// It knows of a message whose body nobody has.
		if (String(error).includes("NO [UNAVAILABLE]")) return true;
		throw error;
	}
}

const ROUNDS = 4;
const MESSAGES_A_ROUND = 80;

/** A lone node is killed at an acknowledgement under load, round after round. Whether it lost something acknowledged. */
async function losesByKills(program: readonly string[]): Promise<boolean> {
	const node = await startNode({ name: "lone", program });
	try {
		await node.addUser(user, password);
		const maker = new MessageMaker("planted");
		const acknowledged: number[] = [];
		for (let round = 0; round < ROUNDS; round++) {
			let killed: Promise<void> | undefined;
			const numbers = range(
				round * MESSAGES_A_ROUND,
				(round + 1) * MESSAGES_A_ROUND,
			);
			const done = await send(node, maker, numbers, {
				connections: 16,
				acknowledged: (count) => {
					if (count === 20 + round) killed = node.kill9();
				},
			});
			await killed;
			acknowledged.push(...done);
			await node.start();
		}
		expect(acknowledged.length).toBeGreaterThanOrEqual(ROUNDS * 20);
		return await hasLost(node, maker, acknowledged);
	} finally {
		await node.close();
	}
}

/**
 * One of two members is silent for a moment, so that nothing can be copied to it; the other one's disk is lost as soon as
 * it has what the silent one lacks. Whether the survivor lacks something acknowledged.
 */
async function losesWithDisk(program: readonly string[]): Promise<boolean> {
	const options = { copies: "2" };
	const a = await startNode({ name: "a", program, options });
	let b: TestNode | undefined;
	try {
		b = await startNode({ name: "b", options, join: await a.invite() });
		await a.addUser(user, password);
		await a.converged();
		await b.converged();
		const maker = new MessageMaker("copies");
		await sendAll(a, maker, range(0, 20));
		b.freeze();
		const sending = send(a, maker, range(20, 60), { connections: 8 });
		await until(
			"the silent member to lack something",
			async () => ((await a.status()).peers[0]?.missingChanges ?? 0) > 0,
		);
		await a.kill9();
		const acknowledged = [...range(0, 20), ...(await sending)];
		b.thaw();
		return await hasLost(b, maker, acknowledged);
	} finally {
		await a.close();
		await b?.close();
	}
}

test("kill -9: a node that answers before it commits is found out", async () => {
	expect(await losesByKills(pmnode)).toBe(false);
	expect(await losesByKills(planted("plant-early-answer.ts"))).toBe(true);
});

test("a lost disk: a node that answers before its copies are confirmed is found out", async () => {
	expect(await losesWithDisk(pmnode)).toBe(false);
	expect(await losesWithDisk(planted("plant-early-copies.ts"))).toBe(true);
});
