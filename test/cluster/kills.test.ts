/** kill -9 again and again under load on three nodes: every acknowledged message is there once, on every node, byte for byte. */
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import {
	expectBodies,
	expectExactly,
	range,
	send,
	settled,
	user,
} from "./mail.ts";

/** As many rounds as fit; the long run gives 100 and more time. */
const ROUNDS = Number(process.env.PMNODE_KILL_ROUNDS ?? 100);
const SECONDS_MAX = Number(process.env.PMNODE_KILL_SECONDS ?? 150);
const MESSAGES_A_ROUND = 24;

test(`kill -9 up to ${ROUNDS} times under load: nothing acknowledged is lost or doubled`, async () => {
	const cluster = await startCluster({ names: ["a", "b", "c"], users: [user] });
	try {
		const { nodes } = cluster;
		const maker = new MessageMaker("kills");
		const deadline = performance.now() + SECONDS_MAX * 1000;
		let next = 0;
		let rounds = 0;
		while (rounds < ROUNDS && performance.now() < deadline) {
			const victim = nodes[rounds % nodes.length] as TestNode;
			const other = nodes[(rounds + 1) % nodes.length] as TestNode;
			const numbers = range(next, next + MESSAGES_A_ROUND);
			next += MESSAGES_A_ROUND;
			let killed: Promise<void> | undefined;
			const kill = (count: number): void => {
				// At another moment in each round: between two acknowledgements, or in the midst of some.
				if (count === 1 + (rounds % (MESSAGES_A_ROUND / 2)))
					killed = victim.kill9();
			};
			const done = await send(victim, maker, numbers, {
				connections: 4,
				acknowledged: kill,
			});
			await killed;
			// What got no answer is tried again elsewhere, while the victim comes back.
			const [, retried] = await Promise.all([
				victim.start(),
				send(
					other,
					maker,
					numbers.filter((number) => !done.includes(number)),
					{ connections: 2 },
				),
			]);
			expect(done.length + retried.length).toBe(MESSAGES_A_ROUND);
			rounds++;
		}
		console.log(`${rounds} rounds of kill -9, ${next} messages`);
		expect(rounds).toBeGreaterThan(2);
		const all = range(0, next);
		expectExactly(await settled(nodes, next), maker, all);
		for (const node of nodes) await node.converged();
		for (const client of await cluster.imap(user)) {
			await expectBodies(client, maker, all);
			await client.logout();
		}
	} finally {
		await cluster.close();
	}
}, 600_000);
