/** Workloads of a client at work in one mailbox; each operation timed from command to tagged OK. */
import type { ImapClient } from "../harness/imap-client.ts";
import { MessageMaker } from "../harness/messages.ts";
import { messageBytes } from "./delivery.ts";
import { milliseconds } from "./statistics.ts";
import { login, type MailHost, userAddress } from "./system.ts";

const mailbox = "bench";
/** Appending has its own user, so that deliveries to the others do not mix in. */
const user = 2;

export interface Operation {
	readonly name: string;
	readonly run: (client: ImapClient, messages: number) => Promise<void>;
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

export const operations: readonly Operation[] = [
	{
		name: "SELECT (10 times)",
		run: (client) => times(10, () => client.select(mailbox)),
	},
	command("FETCH flags of all", "FETCH 1:* (UID FLAGS)"),
	command(
		"FETCH envelopes of all",
		"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
	),
	command("FETCH structure of all", "FETCH 1:* (UID BODYSTRUCTURE)"),
	command("FETCH bodies of all", "FETCH 1:* (UID BODY.PEEK[])"),
	command("SEARCH UNSEEN", "UID SEARCH UNSEEN"),
	command("SEARCH SUBJECT", 'UID SEARCH SUBJECT "number 77"'),
	command("SEARCH BODY", 'UID SEARCH BODY "needle77"'),
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
		name: "COPY all, MOVE the copies on",
		run: async (client) => {
			await remake(client, "bench-a");
			await remake(client, "bench-b");
			await client.ok("COPY 1:* bench-a");
			await client.select("bench-a");
			await client.ok("MOVE 1:* bench-b", silently);
		},
		after: async (client) => {
			await client.select(mailbox);
			await client.ok("DELETE bench-a");
			await client.ok("DELETE bench-b");
		},
	},
	{
		name: "NOOP (500 times)",
		run: (client) => times(500, () => client.ok("NOOP")),
	},
	{
		name: "STATUS (100 times)",
		run: (client) => times(100, () => client.mailboxStatus("INBOX")),
	},
];

/** Appends `count` messages to a new mailbox; resolves to the milliseconds it took. */
export async function fill(host: MailHost, count: number): Promise<number> {
	const maker = new MessageMaker("fill", messageBytes);
	const client = await login(host.imap, user);
	await remake(client, mailbox);
	const taken = await milliseconds(async () => {
		for (let number = 0; number < count; number++)
			await client.append(
				mailbox,
				maker.make(number, userAddress(user)),
				number % 2 === 0 ? "\\Seen" : "",
			);
	});
	await client.logout();
	return taken;
}

/** Milliseconds of one run of the operation on the filled mailbox. */
export async function timeOperation(
	host: MailHost,
	operation: Operation,
	messages: number,
): Promise<number> {
	const client = await login(host.imap, user);
	const { exists } = await client.select(mailbox);
	if (exists !== messages)
		throw new Error(`${host.name}: ${exists} of ${messages} messages`);
	const taken = await milliseconds(() => operation.run(client, messages));
	await operation.after?.(client);
	await client.logout();
	return taken;
}
