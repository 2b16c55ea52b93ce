/** Mail into and out of real nodes, and what must be true of what they show. Shared by the tests of this folder. */
import { expect } from "vitest";
import type { TestCluster } from "../harness/cluster.ts";
import { password } from "../harness/cluster.ts";
import type { Fetched, ImapClient } from "../harness/imap-client.ts";
import type { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import type { Observer } from "./observer.ts";

export const user = "ana@bench.test";
const sender = "load@sender.test";

/** Sends the numbered messages over `connections`; resolves to the numbers that were acknowledged, without waiting for the rest to be tried again. */
export async function send(
	node: TestNode,
	maker: MessageMaker,
	numbers: readonly number[],
	options: {
		connections?: number;
		acknowledged?: (count: number) => void;
	} = {},
): Promise<number[]> {
	const waiting = [...numbers];
	const acknowledged: number[] = [];
	const at = await node.reach("smtp");
	const work = async () => {
		const smtp = await SmtpSender.connect(at);
		try {
			for (
				let next = waiting.shift();
				next !== undefined;
				next = waiting.shift()
			) {
				await smtp.send(sender, [user], maker.make(next, user));
				acknowledged.push(next);
				options.acknowledged?.(acknowledged.length);
			}
		} finally {
			smtp.close();
		}
	};
	// A connection that breaks off leaves its message unacknowledged; that is for the caller to see in the result.
	await Promise.allSettled(
		Array.from({ length: options.connections ?? 1 }, work),
	);
	return acknowledged;
}

/** Expunges the messages with these numbers. */
export async function expunge(
	node: TestNode,
	maker: MessageMaker,
	numbers: readonly number[],
): Promise<void> {
	const gone = new Set(numbers.map((number) => maker.messageId(number)));
	const client = await node.imap(user, password);
	await client.select("INBOX");
	const uids = (await client.list())
		.filter(({ messageId }) => gone.has(messageId))
		.map(({ uid }) => uid);
	expect(uids.length).toBe(numbers.length);
	await client.ok(`UID STORE ${uids.join(",")} +FLAGS.SILENT (\\Deleted)`);
	await client.ok(`UID EXPUNGE ${uids.join(",")}`);
	await client.logout();
}

/** As send(), but all must be acknowledged. */
export async function sendAll(
	node: TestNode,
	maker: MessageMaker,
	numbers: readonly number[],
	connections = 4,
): Promise<void> {
	const done = await send(node, maker, numbers, { connections });
	expect(done.length, `acknowledged by ${node.name}\n${node.tail()}`).toBe(
		numbers.length,
	);
}

export const range = (from: number, to: number): number[] =>
	Array.from({ length: to - from }, (_, index) => from + index);

/** What a client sees in INBOX that opens it now. */
export async function look(
	node: TestNode,
): Promise<{ uidValidity: number; messages: Fetched[] }> {
	const client = await node.imap(user, password);
	try {
		const { uidValidity, exists } = await client.select("INBOX", "EXAMINE");
		return { uidValidity, messages: exists > 0 ? await client.list() : [] };
	} finally {
		await client.logout();
	}
}

/** As look() on each node; rejects saying which nodes could not be looked at, and why. */
async function lookAll(nodes: readonly TestNode[]) {
	const looks = await Promise.allSettled(nodes.map(look));
	const reasons = looks.flatMap((each, index) =>
		each.status === "rejected" ? [`${nodes[index]?.name}: ${each.reason}`] : [],
	);
	if (reasons.length > 0) throw new Error(reasons.join("; "));
	return looks.flatMap((each) =>
		each.status === "fulfilled" ? [each.value] : [],
	);
}

/** Waits until all nodes show `count` messages, and the same ones under the same UIDs with the same flags; resolves to them. */
export async function settled(
	nodes: readonly TestNode[],
	count: number,
	observer?: Observer,
): Promise<Fetched[]> {
	let seen = "";
	return await until(
		`${nodes.map((node) => node.name).join(", ")} to show the same ${count} messages`,
		async () => {
			const views = await lookAll(nodes);
			for (const [index, view] of views.entries())
				observer?.saw(nodes[index]?.name ?? "", view.messages);
			seen = views
				.map(
					(view, index) =>
						`${nodes[index]?.name}: ${view.messages.length}, ${difference(view.messages, views[0]?.messages ?? [])} unlike the first`,
				)
				.join("; ");
			const [first, ...others] = views.map((view) =>
				JSON.stringify(view.messages),
			);
			return (
				views[0]?.messages.length === count &&
				others.every((other) => other === first) &&
				views[0].messages
			);
		},
		{
			timeoutMilliseconds: 90_000,
			everyMilliseconds: 250,
			seen: () => `${seen}\n${nodes.map((node) => node.tail(8)).join("\n")}`,
		},
	);
}

function difference(
	ones: readonly Fetched[],
	others: readonly Fetched[],
): number {
	const known = new Set(others.map((each) => JSON.stringify(each)));
	return ones.filter((each) => !known.has(JSON.stringify(each))).length;
}

/** Checks that exactly the numbered messages are there, each once. */
export function expectExactly(
	messages: readonly Fetched[],
	maker: MessageMaker,
	numbers: readonly number[],
): void {
	expect(messages.map((each) => each.messageId).sort()).toEqual(
		numbers.map((number) => maker.messageId(number)).sort(),
	);
}

/**
 * Reads every body of INBOX on a node and checks that it ends with what was sent (trace headers are only prepended). With
 * `arrived`, there may be others whose bodies are still where they were taken in.
 */
export async function expectBodies(
	client: ImapClient,
	maker: MessageMaker,
	numbers: readonly number[],
	options: { arrived?: boolean } = {},
): Promise<void> {
	await client.select("INBOX", "EXAMINE");
	const byId = new Map(
		numbers.map((number) => [
			maker.messageId(number),
			maker.make(number, user),
		]),
	);
	for (const { uid, messageId } of await client.list(options)) {
		const sent = byId.get(messageId);
		if (!sent) continue;
		const body = await client.body(uid);
		expect(
			body.subarray(body.length - sent.length).equals(sent),
			`body of ${messageId}`,
		).toBe(true);
		byId.delete(messageId);
	}
	expect([...byId.keys()], "messages without a body").toEqual([]);
}

/** Kills all nodes but one, so that what is read there cannot come from elsewhere. */
export async function killOthers(cluster: TestCluster, left: TestNode) {
	await Promise.all(
		cluster.nodes.filter((node) => node !== left).map((node) => node.kill9()),
	);
}
