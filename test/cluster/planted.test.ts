import { expect, test } from "vitest";
import { BODY_MEMORY_BYTES_MAX } from "../../sync/limits.ts";
import { password } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, pmnode, startNode, type TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import { range, send, sendAll, user } from "./mail.ts";

/** Whether a node does not show an acknowledged message, or cannot give it. */
async function hasLost(
	node: TestNode,
	maker: MessageMaker,
	acknowledged: readonly number[],
): Promise<boolean> {
	const readable: string[] = [];
	const client = await node.imap(user, password);
	await client.select("INBOX", "EXAMINE");
	const { untagged } = await client.ok("UID SEARCH ALL");
	const uids = untagged.flatMap(({ text }) =>
		/^SEARCH/.test(text) ? (text.match(/\d+/g) ?? []).map(Number) : [],
	);
	for (const uid of uids)
		try {
			readable.push((await client.body(uid)).toString());
		} catch (error) {
			// A message whose body nobody has: those after it came when nothing could be copied any more, too.
			if (!String(error).includes("NO [UNAVAILABLE]")) throw error;
			break;
		}
	await client.logout();
	return acknowledged.some(
		(number) =>
			!readable.some((text) => text.includes(maker.messageId(number))),
	);
}

const ROUNDS = 4;
/** Rounds in which a planted bug has to show itself: whether a kill comes in time is a matter of who gets a core first. */
const ROUNDS_MAX = 24;
const MESSAGES_A_ROUND = 80;

/** A lone node is killed at an acknowledgement under load, round after round, so often or until it lost something acknowledged. Whether it did. */
async function losesByKills(
	program: readonly string[],
	rounds = ROUNDS,
): Promise<boolean> {
	const node = await startNode({ name: "lone", program });
	try {
		await node.addUser(user, password);
		const maker = new MessageMaker("planted");
		const acknowledged: number[] = [];
		for (let round = 0; round < rounds; round++) {
			let killed: Promise<void> | undefined;
			const numbers = range(
				round * MESSAGES_A_ROUND,
				(round + 1) * MESSAGES_A_ROUND,
			);
			const done = await send(node, maker, numbers, {
				connections: 16,
				acknowledged: (count) => {
					if (count === 20 + (round % 20)) killed = node.kill9();
				},
			});
			await killed;
			acknowledged.push(...done);
			await node.start();
			if ((round + 1) % ROUNDS > 0) continue;
			expect(acknowledged.length).toBeGreaterThanOrEqual((round + 1) * 20);
			if (await hasLost(node, maker, acknowledged)) return true;
		}
		return false;
	} finally {
		await node.close();
	}
}

/**
 * One of two members is silent for a moment, so that nothing can be copied to it; the other one's disk is lost as soon as
 * it has what the silent one lacks. Whether the survivor lacks something acknowledged.
 */
async function losesWithDisk(
	program: readonly string[],
	answersEarly: boolean,
): Promise<boolean> {
	const options = { copies: "2" };
	const a = await startNode({ name: "a", program, options });
	let b: TestNode | undefined;
	try {
		b = await startNode({ name: "b", options, join: await a.invite() });
		await a.addUser(user, password);
		await a.converged();
		await b.converged();
		// So large that they are not sent along: small ones would lie in the silent member's sockets already.
		const maker = new MessageMaker("copies", BODY_MEMORY_BYTES_MAX + 1_000);
		await sendAll(a, maker, range(0, 20));
		b.freeze();
		let early = 0;
		const sending = send(a, maker, range(20, 60), {
			connections: 8,
			acknowledged: (count) => {
				early = count;
			},
		});
		await until(
			"the silent member to lack something",
			async () =>
				((await a.status()).peers[0]?.missingChanges ?? 0) > 0 &&
				(!answersEarly || early > 0),
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
	expect(await losesByKills(planted("plant-early-answer.ts"), ROUNDS_MAX)).toBe(
		true,
	);
});

test("a lost disk: a node that answers before its copies are confirmed is found out", async () => {
	expect(await losesWithDisk(pmnode, false)).toBe(false);
	expect(await losesWithDisk(planted("plant-early-copies.ts"), true)).toBe(
		true,
	);
});
