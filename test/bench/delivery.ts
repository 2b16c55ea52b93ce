/** Workloads of mail coming in: rate into the mailboxes, and time until an idling client hears of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ImapClient } from "../harness/imap-client.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { Endpoint } from "../harness/node.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import { cpuSeconds } from "./statistics.ts";
import { login, type MailHost, userAddress, userCount } from "./system.ts";

export const messageBytes = 4096;
const sender = "load@sender.test";
const arrivalMilliseconds = 300_000;

export interface Delivered {
	/** Messages a second until all are in the mailboxes. */
	readonly perSecond: number;
	/** Messages a second until all have their 250. */
	readonly acceptedPerSecond: number;
	readonly cpuSecondsPerThousand: number;
}

/** Sends `count` messages over `connections`, spread over all users; resolves when all have their 250. */
export async function send(
	to: Endpoint,
	maker: MessageMaker,
	count: number,
	connections: number,
): Promise<void> {
	const senders = await Promise.all(
		Array.from({ length: connections }, () => SmtpSender.connect(to)),
	);
	let next = 0;
	const work = async (smtp: SmtpSender) => {
		while (next < count) {
			const number = next++;
			const recipient = userAddress((number % userCount) + 1);
			await smtp.send(sender, [recipient], maker.make(number, recipient));
		}
	};
	try {
		await Promise.all(senders.map(work));
		for (const smtp of senders) smtp.quit();
	} finally {
		for (const smtp of senders) setTimeout(() => smtp.close(), 1000).unref();
	}
}

/** Connections of all users, to see what their mailboxes hold. */
export class Mailboxes {
	readonly #clients: readonly ImapClient[];
	private constructor(clients: readonly ImapClient[]) {
		this.#clients = clients;
	}
	static async open(at: Endpoint): Promise<Mailboxes> {
		return new Mailboxes(
			await Promise.all(
				Array.from({ length: userCount }, (_, index) => login(at, index + 1)),
			),
		);
	}
	async count(): Promise<number> {
		const each = await Promise.all(
			this.#clients.map((client) => client.mailboxStatus("INBOX", "MESSAGES")),
		);
		return each.reduce((sum, status) => sum + (status.MESSAGES ?? 0), 0);
	}
	async holds(wanted: number): Promise<void> {
		let seen = 0;
		await until(
			`${wanted} messages in the mailboxes`,
			async () => {
				seen = await this.count();
				if (seen > wanted) throw new Error(`${seen} messages, too many`);
				return seen === wanted;
			},
			{
				timeoutMilliseconds: arrivalMilliseconds,
				seen: () => `${seen} messages`,
			},
		);
	}
	async close(): Promise<void> {
		await Promise.all(this.#clients.map((client) => client.logout()));
	}
}

/** One round: `count` messages of 4 kB over `connections`, timed until the last is in its mailbox. */
export async function deliver(
	host: MailHost,
	round: string,
	count: number,
	connections: number,
): Promise<Delivered> {
	const maker = new MessageMaker(round, messageBytes);
	const mailboxes = await Mailboxes.open(host.imap);
	const before = await mailboxes.count();
	const cpu = cpuSeconds(host.pids());
	const start = performance.now();
	await send(host.smtp, maker, count, connections);
	const accepted = performance.now();
	await mailboxes.holds(before + count);
	const end = performance.now();
	const used = cpuSeconds(host.pids()) - cpu;
	await mailboxes.close();
	return {
		perSecond: (count * 1000) / (end - start),
		acceptedPerSecond: (count * 1000) / (accepted - start),
		cpuSecondsPerThousand: (used * 1000) / count,
	};
}

export interface Latency {
	/** Milliseconds from MAIL FROM to EXISTS on an idling connection. */
	readonly whole: number;
	/** And from the 250: 0 where the client was told before the sender. */
	readonly afterAccepted: number;
}

/** Of `count` messages one after the other; the connection idles on the host's other node if it has one. */
export async function idleLatency(
	host: MailHost,
	round: string,
	count: number,
): Promise<Latency[]> {
	const maker = new MessageMaker(round, messageBytes);
	const recipient = userAddress(1);
	const client = await login(host.imapElsewhere ?? host.imap, 1);
	let { exists } = await client.select("INBOX");
	const idling = await client.idle();
	const smtp = await SmtpSender.connect(host.smtp);
	const samples: Latency[] = [];
	for (let number = 0; number < count; number++) {
		const wanted = exists + 1;
		const told = idling.next(({ text }) => {
			const now = Number(/^(\d+) EXISTS$/i.exec(text)?.[1] ?? 0);
			return now >= wanted;
		});
		const message = maker.make(number, recipient);
		const start = performance.now();
		const at = async (event: Promise<unknown>) => {
			await event;
			return performance.now();
		};
		const [accepted, heard] = await Promise.all([
			at(smtp.send(sender, [recipient], message)),
			at(told),
		]);
		samples.push({
			whole: heard - start,
			afterAccepted: Math.max(0, heard - accepted),
		});
		exists = wanted;
		// A pause as between real messages, so that this measures latency and not a queue.
		await sleep(20);
	}
	smtp.quit();
	await idling.done();
	await client.logout();
	return samples;
}

/** Milliseconds from the OK of a STORE to the FETCH that an idling connection hears, on the other node if there is one. */
export async function flagLatency(
	host: MailHost,
	count: number,
): Promise<number[]> {
	const writer = await login(host.imap, 1);
	const reader = await login(host.imapElsewhere ?? host.imap, 1);
	await writer.select("INBOX");
	await reader.select("INBOX");
	const idling = await reader.idle();
	const samples: number[] = [];
	for (let number = 0; number < count; number++) {
		const told = idling.next(({ text }) => /^\d+ FETCH /i.test(text));
		const heard = told.then(() => performance.now());
		const sign = number % 2 === 0 ? "+" : "-";
		await writer.ok(`STORE 1 ${sign}FLAGS.SILENT (\\Flagged)`);
		const done = performance.now();
		samples.push(Math.max(0, (await heard) - done));
		await sleep(20);
	}
	await idling.done();
	await reader.logout();
	await writer.logout();
	return samples;
}
