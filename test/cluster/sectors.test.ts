/**
 * A disk with bad sectors: reads of chosen places of a running node's files fail with EIO. Nothing wrong is served, the
 * node says what it met, and all of it comes back from the other member.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { BadSectors } from "../harness/bad-sectors.ts";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, startNode, type TestNode } from "../harness/node.ts";
import {
	expectBodies,
	expectExactly,
	range,
	send,
	sendAll,
	settled,
	user,
} from "./mail.ts";
import { placeOfBody } from "./stored.ts";

const sectors = await BadSectors.create();
const END = 2 ** 40;
const MESSAGES = 40;

async function expectWhole(
	node: TestNode,
	maker: MessageMaker,
	count: number,
): Promise<void> {
	const client = await node.imap(user, password);
	await expectBodies(client, maker, range(0, count));
	await client.logout();
}

test.runIf(sectors !== undefined)(
	"bad sectors under bodies, the store and its journal: named, never served wrong, healed from the other member",
	async () => {
		if (sectors === undefined) throw new Error("no C compiler");
		const cluster = await startCluster({ names: ["a"], users: [user] });
		const [a] = cluster.nodes;
		if (a === undefined) throw new Error("no cluster");
		const b = await startNode({
			name: "b",
			join: await a.invite(),
			env: sectors.env,
			program: planted("plant-late-scrub.ts"),
		});
		try {
			cluster.nodes.push(b);
			await cluster.known(user);
			const maker = new MessageMaker("sectors", 30_000);
			await sendAll(a, maker, range(0, MESSAGES));
			const messages = await settled(cluster.nodes, MESSAGES);
			await b.converged();
			const client = await b.imap(user, password);
			await client.select("INBOX", "EXAMINE");
			const body = await client.body(messages[7]?.uid ?? 0);
			await client.logout();
			// What was in memory and in the log lies in tables afterwards.
			await b.restart();

			const { file, at } = await placeOfBody(b.data, body);
			const said = b.diary.length;
			sectors.set([{ file, from: at, to: at + 1 }]);
			await expectWhole(b, maker, MESSAGES);
			expect(b.diary.slice(said)).toMatch(
				/a body is not what its hash says, or damaged/,
			);
			await b.converged();
			expect(await b.cli(["check"]), b.tail()).toMatchObject({ code: 0 });

			sectors.set([]);
			await b.stop();
			sectors.set([{ file: join(b.data, "state.db"), from: 8192, to: END }]);
			await b.start();
			expect(b.diary).toMatch(/the store is damaged; it is put aside/);
			await expectIt(MESSAGES);

			let killed: Promise<void> | undefined;
			const more = range(MESSAGES, MESSAGES + 40);
			const done = await send(b, maker, more, {
				connections: 4,
				acknowledged: (count) => {
					if (count === 20) killed = b.kill9();
				},
			});
			await killed;
			await sendAll(
				a,
				maker,
				more.filter((number) => !done.includes(number)),
			);
			sectors.set(
				["1", "2"].map((number) => ({
					file: join(b.data, `state.db-journal${number}`),
					from: 0,
					to: END,
				})),
			);
			await b.start();
			expect(b.diary).toMatch(/state\.db-journal\d cannot be read/);
			await expectIt(MESSAGES + 40);

			async function expectIt(count: number): Promise<void> {
				const messages = await settled(cluster.nodes, count);
				expectExactly(messages, maker, range(0, count));
				await b.converged();
				await expectWhole(b, maker, count);
			}
		} finally {
			await cluster.close();
			sectors.close();
		}
	},
);
