/** What the load driver needs to know of a mail host under test, whoever made it. */
import { password } from "../harness/cluster.ts";
import { ImapClient } from "../harness/imap-client.ts";
import type { Endpoint } from "../harness/node.ts";

export const userCount = 10;
export const userPassword = password;
/** `number` from 1 to userCount. */
export const userAddress = (number: number): string => `u${number}@bench.test`;

export interface MailHost {
	readonly name: string;
	/** Takes mail for the users without authentication. */
	readonly smtp: Endpoint;
	readonly imap: Endpoint;
	/** Where else clients may look: the other node of a pair. Default: `imap`. */
	readonly imapElsewhere?: Endpoint;
	/** After a mailbox was filled in bulk: leaves it as it would be after mail that came one by one. Says what was done. */
	readonly putInOrder?: (user: number, mailbox: string) => Promise<string>;
	/** Roots of its process trees. */
	readonly pids: () => readonly number[];
	stop(): Promise<void>;
}

export async function login(at: Endpoint, user: number): Promise<ImapClient> {
	const client = await ImapClient.connect(at);
	await client.login(userAddress(user), userPassword);
	return client;
}
