/** Workloads of a client at work in one mailbox; each operation timed from command to tagged OK. */
import type { ImapClient, Part } from "../harness/imap-client.ts";
import { MessageMaker } from "../harness/messages.ts";
import { messageBytes } from "./delivery.ts";
import { atRest, milliseconds } from "./statistics.ts";
import { login, type MailHost, userAddress } from "./system.ts";

const mailbox = "bench";
/** Appending has its own user, so that deliveries to the others do not mix in. */
const user = 2;
export const filled = { user, mailbox } as const;

export interface Operation {
	readonly name: string;
	readonly run: (client: ImapClient, messages: number) => Promise<void>;
	/** False: it begins without a mailbox. Else the filled one is selected, and seen to be whole. */
	readonly isSelected?: false;
	/** Not timed. */
	readonly before?: (client: ImapClient, messages: number) => Promise<unknown>;
	/** It takes so little that what a host still does of the operation before would be most of it: that is waited for. */
	readonly isRested?: true;
	/** At most so many times what the peer takes. */
	readonly goal?: number;
	/** Puts back what `run` changed; not timed. */
	readonly after?: (client: ImapClient) => Promise<void>;
}

const times = async (count: number, run: (at: number) => Promise<unknown>) => {
	for (let at = 1; at <= count; at++) await run(at);
};
const silently = { collect: false };

const command = (name: string, text: string): Operation => ({
	name,
	run: async (client) => {
		await client.ok(text, silently);
	},
});

const remake = async (client: ImapClient, name: string) => {
	await client.command(`DELETE ${name}`);
	await client.ok(`CREATE ${name}`);
};

const thousandOf = (messages: number) => Math.min(1000, messages);

const select = (client: ImapClient, count: number) =>
	times(count, () => client.select(mailbox));

export const operations: readonly Operation[] = [
	{
		name: "first SELECT",
		// Of a session, and in the first round of anybody.
		isSelected: false,
		run: (client) => select(client, 1),
	},
	{
		name: "SELECT (100 times)",
		// The goal is that of a warm one.
		before: (client) => select(client, 20),
		run: (client) => select(client, 100),
		goal: 1.5,
	},
	{ ...command("FETCH flags of all", "FETCH 1:* (UID FLAGS)"), goal: 1.5 },
	{
		...command(
			"FETCH envelopes of all",
			"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
		),
		goal: 1,
	},
	{
		...command(
			"FETCH header fields of all",
			"FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID REFERENCES)])",
		),
		goal: 1,
	},
	{
		...command("FETCH structure of all", "FETCH 1:* (UID BODYSTRUCTURE)"),
		goal: 1,
	},
	{
		name: "FETCH 1000 bodies",
		run: async (client, messages) => {
			await client.ok(
				`FETCH 1:${thousandOf(messages)} (UID BODY.PEEK[])`,
				silently,
			);
		},
		goal: 3,
	},
	command("SEARCH UNSEEN", "UID SEARCH UNSEEN"),
	command("SEARCH SUBJECT", 'UID SEARCH SUBJECT "number 77"'),
	{
		...command("SEARCH BODY", 'UID SEARCH BODY "needle77"'),
		// The first search reads what has not been indexed in the background yet.
		before: (client) => client.ok('UID SEARCH TEXT "index"', silently),
		goal: 1 / 20,
	},
	{
		...command("SEARCH TEXT", 'UID SEARCH TEXT "needle77"'),
		goal: 1 / 20,
	},
	{ ...command("SORT by date", "UID SORT (REVERSE DATE) UTF-8 ALL"), goal: 1 },
	{
		...command("SORT by subject", "UID SORT (SUBJECT FROM) UTF-8 ALL"),
		goal: 1,
	},
	{
		...command("THREAD by references", "UID THREAD REFERENCES UTF-8 ALL"),
		goal: 1,
	},
	{
		name: "STORE one flag (50 times)",
		run: (client, messages) =>
			times(50, (at) =>
				client.ok(`STORE ${((at - 1) % messages) + 1} +FLAGS (\\Flagged)`),
			),
		after: async (client) => {
			await client.ok("STORE 1:* -FLAGS.SILENT (\\Flagged)");
		},
	},
	{
		name: "STORE a flag on all",
		run: async (client) => {
			await client.ok("STORE 1:* +FLAGS.SILENT (\\Answered)");
		},
		after: async (client) => {
			await client.ok("STORE 1:* -FLAGS.SILENT (\\Answered)");
		},
	},
	{
		name: "COPY 1000",
		before: (client) => remake(client, "bench-a"),
		run: async (client, messages) => {
			await client.ok(`COPY 1:${thousandOf(messages)} bench-a`);
		},
		after: async (client) => {
			await client.ok("DELETE bench-a");
		},
		goal: 1.5,
	},
	{
		name: "MOVE 1000",
		before: async (client, messages) => {
			await remake(client, "bench-a");
			await client.ok(`COPY 1:${thousandOf(messages)} bench-a`);
			await remake(client, "bench-b");
			await client.select("bench-a");
		},
		run: async (client) => {
			await client.ok("MOVE 1:* bench-b", silently);
		},
		after: async (client) => {
			await client.select(mailbox);
			await client.ok("DELETE bench-a");
			await client.ok("DELETE bench-b");
		},
		goal: 1.5,
	},
	{
		name: "NOOP (500 times)",
		isRested: true,
		run: (client) => times(500, () => client.ok("NOOP")),
		goal: 1.5,
	},
	{
		name: "STATUS (100 times)",
		isRested: true,
		run: (client) => times(100, () => client.mailboxStatus("INBOX")),
		goal: 1.5,
	},
];

/** Messages of one APPEND (RFC 3502) once the single ones have been timed: the more there are, the more at once. */
const AT_ONCE_MIN = 100;
const AT_ONCE_MAX = 1000;
const COMMANDS = 100;
const SINGLE_MAX = 500;

const messageOf = (number: number) => maker.make(number, userAddress(user));
const maker = new MessageMaker("fill", messageBytes);
const flagsOf = (number: number) => (number % 2 === 0 ? "\\Seen" : "");

/** Appends the first messages to a new mailbox, one by one; resolves to the milliseconds that each took. */
export async function fillSome(host: MailHost, count: number): Promise<number> {
	const client = await login(host.imap, user);
	await remake(client, mailbox);
	const single = Math.min(count, SINGLE_MAX);
	const taken = await milliseconds(async () => {
		for (let number = 0; number < single; number++)
			await client.append(mailbox, messageOf(number), flagsOf(number));
	});
	await client.logout();
	return taken / single;
}

/** Appends the others of `count` messages, many at once; not timed. Says how the mailbox was filled. */
export async function fillUp(host: MailHost, count: number): Promise<string> {
	const client = await login(host.imap, user);
	const atOnce = Math.max(
		AT_ONCE_MIN,
		Math.min(AT_ONCE_MAX, Math.ceil(count / COMMANDS)),
	);
	for (let number = SINGLE_MAX; number < count; ) {
		const parts: Part[] = [];
		for (const end = number + atOnce; number < Math.min(end, count); number++)
			parts.push(
				parts.length === 0
					? `APPEND ${mailbox} (${flagsOf(number)}) `
					: ` (${flagsOf(number)}) `,
				messageOf(number),
			);
		await client.ok(parts);
	}
	await client.logout();
	const single = Math.min(count, SINGLE_MAX);
	const how = [`${single} by APPEND of one each`];
	if (count > single) how.push(`${count - single} by APPEND of ${atOnce} each`);
	const order = await host.putInOrder?.(user, mailbox);
	if (order !== undefined) how.push(order);
	return `${host.name} filled: ${how.join(", ")}`;
}

/** Milliseconds of one run of the operation on the filled mailbox. */
export async function timeOperation(
	host: MailHost,
	operation: Operation,
	messages: number,
): Promise<number> {
	const client = await login(host.imap, user);
	if (operation.isSelected !== false) {
		const { exists } = await client.select(mailbox);
		if (exists !== messages)
			throw new Error(`${host.name}: ${exists} of ${messages} messages`);
	}
	await operation.before?.(client, messages);
	if (operation.isRested) await atRest(host.pids());
	const taken = await milliseconds(() => operation.run(client, messages));
	await operation.after?.(client);
	await client.logout();
	return taken;
}
