/** Many clients at once, each doing now this and now that in a mailbox of its own user: operations for each CPU second. */
import type { ImapClient } from "../harness/imap-client.ts";
import { MessageMaker, seeded } from "../harness/messages.ts";
import { messageBytes } from "./delivery.ts";
import { cpuSeconds } from "./statistics.ts";
import { login, type MailHost, userAddress } from "./system.ts";

export const MIXED_CONNECTIONS = 20;
const mailbox = "mixed";
/** Users 3 to 10: those of the other workloads have their mailboxes to themselves. */
const firstUser = 3;
const users = 8;
const startMessages = 100;

interface Client {
	readonly imap: ImapClient;
	readonly random: () => number;
	readonly below: (end: number) => number;
	exists: number;
	readonly message: () => Buffer;
}
type Step = (client: Client) => Promise<unknown>;

const silently = { collect: false };
const pick = <T>({ below }: Client, from: readonly T[]): T =>
	from[below(from.length)] as T;
/** A message number that is in use, unless another session has just expunged it: then it is NO, which is an answer too. */
const one = ({ below, exists }: Client): number => 1 + below(exists);
const range = (client: Client): string => {
	const from = one(client);
	return `${from}:${Math.min(client.exists, from + 50)}`;
};
const say = (client: Client, text: string) =>
	client.imap.command(text, silently);

const append: Step = async (client) => {
	const flags = pick(client, ["", "\\Seen", "\\Flagged"]);
	await client.imap.append(mailbox, client.message(), flags);
};
/** How often of 100 (the mix of imaptest, more or less). */
const steps: readonly (readonly [weight: number, step: Step])[] = [
	[
		20,
		(client) =>
			say(client, `FETCH ${range(client)} (UID FLAGS RFC822.SIZE ENVELOPE)`),
	],
	[20, (client) => say(client, `FETCH ${one(client)} (UID BODY.PEEK[])`)],
	[15, (client) => say(client, `FETCH ${range(client)} (UID FLAGS)`)],
	[
		15,
		(client) =>
			say(
				client,
				`STORE ${one(client)} ${pick(client, ["+", "-"])}FLAGS (${pick(client, ["\\Seen", "\\Flagged", "\\Answered"])})`,
			),
	],
	[10, append],
	[5, (client) => say(client, "NOOP")],
	[4, (client) => say(client, "SEARCH UNSEEN")],
	[4, (client) => say(client, "STATUS INBOX (MESSAGES UNSEEN)")],
	[3, (client) => say(client, `COPY ${one(client)} ${mailbox}`)],
	[
		2,
		async (client) => {
			client.exists = (await client.imap.select(mailbox)).exists;
		},
	],
	[1, (client) => say(client, 'LIST "" "*"')],
	[
		1,
		async (client) => {
			await say(client, `STORE ${one(client)} +FLAGS.SILENT (\\Deleted)`);
			await say(client, "EXPUNGE");
		},
	],
];
const total = steps.reduce((sum, [weight]) => sum + weight, 0);

function next(client: Client): Step {
	if (client.exists < 5) return append;
	let at = client.below(total);
	for (const [weight, step] of steps) {
		if (at < weight) return step;
		at -= weight;
	}
	throw new Error("the weights do not add up");
}

async function open(
	host: MailHost,
	round: number,
	number: number,
): Promise<Client> {
	const user = firstUser + (number % users);
	const imap = await login(host.imap, user);
	const random = seeded(1000 * round + number);
	const maker = new MessageMaker(`mixed${round}.${number}`, messageBytes);
	let made = 0;
	const client: Client = {
		imap,
		random,
		below: (end) => Math.floor(random() * end),
		exists: 0,
		message: () => maker.make(made++, userAddress(user)),
	};
	imap.onUntagged(({ text }) => {
		const [count, what] = text.split(" ");
		if (what === "EXISTS") client.exists = Number(count);
		else if (what === "EXPUNGE") client.exists--;
	});
	await imap.command(`CREATE ${mailbox}`);
	client.exists = (await imap.select(mailbox)).exists;
	return client;
}

/** Runs about so many operations in all; resolves to how many of them a second of the host's CPU did. */
export async function mixedLoad(
	host: MailHost,
	round: number,
	operations: number,
): Promise<number> {
	const clients: Client[] = [];
	for (let number = 0; number < MIXED_CONNECTIONS; number++)
		clients.push(await open(host, round, number));
	for (const client of clients.slice(0, users))
		while (client.exists < startMessages) await append(client);
	for (const client of clients) await client.imap.ok("NOOP", silently);
	const each = Math.ceil(operations / MIXED_CONNECTIONS);
	const before = cpuSeconds(host.pids());
	await Promise.all(
		clients.map(async (client) => {
			for (let count = 0; count < each; count++) await next(client)(client);
		}),
	);
	const used = cpuSeconds(host.pids()) - before;
	for (const { imap } of clients) await imap.logout();
	return (each * MIXED_CONNECTIONS) / used;
}
