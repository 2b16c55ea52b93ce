/**
 * kill -9 in the midst of giving space back: while bodies are cleared, dead entries forgotten, the change log cut and
 * RocksDB compacts. Nothing that lives is touched, nothing that died comes back, and the room comes back all the same.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, type TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	expunge,
	range,
	sendAll,
	settled,
	user,
} from "./mail.ts";

const STEPS = ["clear", "compact", "forget", "cut"] as const;
const ROUNDS = Number(process.env.PMNODE_GIVING_BACK_ROUNDS ?? 12);
const KEPT = 30;
const MESSAGES_A_ROUND = 60;
const MESSAGE_BYTES = 16_000;
/** The chance that a step is hit in its midst: the kill comes this long after it said that it begins. */
const DELAY_MILLISECONDS_MAX = 24;

/** Waits until a node says once more that this step begins, and kills it a moment later. */
async function killIn(
	node: TestNode,
	step: string,
	seen: number,
	delayMilliseconds: number,
): Promise<void> {
	await until(
		`${node.name} to begin: ${step}`,
		async () => timesOf(node, step) > seen,
		{ timeoutMilliseconds: 90_000, everyMilliseconds: 1 },
	);
	// Which moment of the step is hit is left to chance, within its length.
	await new Promise((resolve) => setTimeout(resolve, delayMilliseconds));
	await node.kill9();
}

const timesOf = (node: TestNode, step: string): number =>
	node.diary.split(`begins: ${step}\n`).length - 1;

function bodyBytes(node: TestNode): number {
	const folder = join(node.data, "bodies");
	let bytes = 0;
	for (const name of readdirSync(folder, { recursive: true }) as string[])
		if (/\.(sst|blob)$/.test(name)) bytes += statSync(join(folder, name)).size;
	return bytes;
}

test(`kill -9 in the midst of giving space back, ${ROUNDS} times`, async () => {
	const cluster = await startCluster({
		names: ["a", "b"],
		users: [user],
		placeOf: () => ({ program: planted("plant-hasty-space.ts") }),
	});
	try {
		const { nodes } = cluster;
		const maker = new MessageMaker("giving-back", MESSAGE_BYTES);
		const kept = range(0, KEPT);
		await sendAll(nodes[0] as TestNode, maker, kept);
		let next = KEPT;
		for (let round = 0; round < ROUNDS; round++) {
			const step = STEPS[round % STEPS.length] as string;
			const victim = nodes[(round >> 2) % 2] as TestNode;
			const other = nodes[1 - ((round >> 2) % 2)] as TestNode;
			const numbers = range(next, next + MESSAGES_A_ROUND);
			next += MESSAGES_A_ROUND;
			await sendAll(round % 2 === 0 ? victim : other, maker, numbers);
			await settled(nodes, KEPT + MESSAGES_A_ROUND);
			const seen = timesOf(victim, step);
			const killed = killIn(
				victim,
				step,
				seen,
				(round * 7) % DELAY_MILLISECONDS_MAX,
			);
			await expunge(other, maker, numbers);
			await killed;
			await victim.start();
			expectExactly(await settled(nodes, KEPT), maker, kept);
		}
		// Who comes new gets what is left of drives of which most was cleared, and by the drives' own way.
		const newcomer = await cluster.add("c");
		for (const node of nodes) await node.converged();
		expect(readdirSync(join(newcomer.data, "bodies", "handed"))).toEqual([]);
		for (const client of await cluster.imap(user)) {
			await expectBodies(client, maker, kept);
			await client.logout();
		}
		for (const node of nodes) {
			expect(await node.cli(["check"]), node.tail()).toMatchObject({
				code: 0,
				stderr: "nothing is wrong\n",
			});
			// What a kill kept from being cleared is found by the sweep.
			await until(
				`${node.name} to give the room of dead bodies back`,
				async () => bodyBytes(node) < 3 * KEPT * MESSAGE_BYTES,
				{
					timeoutMilliseconds: 60_000,
					everyMilliseconds: 200,
					seen: () => `${bodyBytes(node)} bytes\n${node.tail()}`,
				},
			);
		}
	} finally {
		await cluster.close();
	}
}, 900_000);
