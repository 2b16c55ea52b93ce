/** Workloads of network splits: three nodes on hosts of their own, mail and flags on both sides, and the time until all are alike. */
import { password, startCluster } from "../harness/cluster.ts";
import { Hosts } from "../harness/hosts.ts";
import type { ImapClient } from "../harness/imap-client.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import { cpuSeconds } from "./statistics.ts";
import { userAddress } from "./system.ts";

const user = userAddress(1);
const CONNECTIONS = 8;

export interface Healed {
	/** From the line's return until all nodes show the same. */
	readonly seconds: number;
	/** Of the messages on both sides, those that have another UID than a client was told in the split. */
	readonly renumbered: number;
	readonly messages: number;
}

/**
 * Splits {a} from {b}, delivers `messages` on each side and sets `flags` flags there, both sides looked at by clients;
 * then heals. Needs root (network namespaces).
 */
export async function conflict(
	messages: number,
	flags: number,
	tell: (text: string) => void,
): Promise<Healed> {
	const hosts = await Hosts.create(2);
	const hostOf = (name: string) => (name === "a" ? 1 : 2);
	try {
		const cluster = await startCluster({
			names: ["a", "b"],
			users: [user],
			options: { "log-level": "warn" },
			optionsOf: (name) => ({ p2p: `${hosts.address(hostOf(name))}:2401` }),
			placeOf: (name) => ({
				prefix: hosts.prefix(hostOf(name)),
				forward: ({ port }) => hosts.forward(hostOf(name), port),
			}),
		});
		try {
			await hosts.split([1], [2]);
			await cluster.seen(1);
			const told = new Map<string, number>();
			for (const node of cluster.nodes)
				for (const [id, uid] of await writeOn(node, messages, flags))
					told.set(id, uid);
			tell(`  ${messages} messages and ${flags} flags a side, apart`);
			const pids = cluster.nodes.map(({ pid }) => pid);
			const cpuBefore = cpuSeconds(pids);
			await hosts.heal();
			const start = performance.now();
			const since = () => (performance.now() - start) / 1000;
			const uids = await alike(cluster.nodes, 2 * messages, (what) =>
				tell(
					`  ${what} after ${since().toFixed(2)} s and ${(cpuSeconds(pids) - cpuBefore).toFixed(2)} CPU s`,
				),
			);
			const seconds = since();
			const renumbered = [...told].filter(
				([id, uid]) => uids.get(id) !== uid,
			).length;
			return { seconds, renumbered, messages: 2 * messages };
		} finally {
			await cluster.close();
		}
	} finally {
		await hosts.close();
	}
}

/** Message-ID → UID as told there. */
async function writeOn(
	node: TestNode,
	messages: number,
	flags: number,
): Promise<Map<string, number>> {
	const maker = new MessageMaker(`conflict-${node.name}`, 1000);
	const at = await node.reach("smtp");
	let next = 0;
	const work = async () => {
		const smtp = await SmtpSender.connect(at);
		while (next < messages)
			await smtp.send("x@sender.test", [user], maker.make(next++, user));
		smtp.quit();
	};
	await Promise.all(Array.from({ length: CONNECTIONS }, work));
	const client = await node.imap(user, password);
	await until(`${messages} messages on ${node.name}`, async () => {
		const { exists } = await client.select("INBOX");
		return exists === messages;
	});
	for (let set = 0; set < flags; set += messages) {
		const keyword = `side-${node.name}-${set / Math.max(1, messages)}`;
		const last = Math.min(messages, flags - set);
		await client.ok(`STORE 1:${last} +FLAGS.SILENT (${keyword})`, {
			collect: false,
		});
	}
	const told = await uidsOf(client);
	await client.logout();
	return told;
}

async function uidsOf(client: ImapClient): Promise<Map<string, number>> {
	return new Map(
		(await client.list()).map(({ uid, messageId }) => [messageId, uid]),
	);
}

/** Waits until all nodes show `count` messages, the same ones with the same flags under the same UIDs. */
async function alike(
	nodes: readonly TestNode[],
	count: number,
	reached: (what: string) => void,
): Promise<Map<string, number>> {
	const clients = await Promise.all(
		nodes.map((node) => node.imap(user, password)),
	);
	await until(
		"all nodes to have all messages",
		async () => {
			const all = await Promise.all(
				clients.map((client) => client.mailboxStatus("INBOX", "MESSAGES")),
			);
			return all.every(({ MESSAGES }) => MESSAGES === count);
		},
		{ timeoutMilliseconds: 300_000 },
	);
	reached("all nodes have all messages");
	const uids = await until(
		"all nodes to show the same",
		async () => {
			const views = await Promise.all(
				clients.map(async (client) => {
					await client.select("INBOX");
					return JSON.stringify(await client.list());
				}),
			);
			return (
				views.every((view) => view === views[0]) &&
				(await uidsOf(clients[0] as ImapClient))
			);
		},
		{ timeoutMilliseconds: 300_000 },
	);
	reached("all nodes show the same");
	for (const client of clients) await client.logout();
	return uids;
}
