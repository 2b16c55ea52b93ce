/** Two nodes and, for each test, a new account on them; what the tests of this folder share. */
import { afterAll, beforeAll, beforeEach } from "vitest";
import {
	password,
	startCluster,
	type TestCluster,
} from "../harness/cluster.ts";
import type { ListenerName, TestNode } from "../harness/node.ts";
import { removeFolder, temporaryFolder } from "../harness/processes.ts";
import { until } from "../harness/until.ts";

export { password };

export class World {
	/** The account of the running test, on both nodes. */
	user = "";
	/** Differs from test to test. */
	number = 0;
	folder = "";
	#cluster: TestCluster | undefined;

	get a(): TestNode {
		return this.#node("a");
	}
	get b(): TestNode {
		return this.#node("b");
	}
	#node(name: string): TestNode {
		if (!this.#cluster) throw new Error("no cluster");
		return this.#cluster.node(name);
	}

	async open(): Promise<void> {
		this.folder = temporaryFolder("clients");
		this.#cluster = await startCluster({ names: ["a", "b"] });
	}
	async close(): Promise<void> {
		await this.#cluster?.close();
		removeFolder(this.folder);
	}
	async newAccount(): Promise<void> {
		this.number += 1;
		this.user = `person${this.number}@clients.test`;
		await this.a.addUser(this.user, password);
		await this.#cluster?.known(this.user);
	}

	message(subject: string): Buffer {
		return Buffer.from(
			`From: Ben <ben@sender.test>\r\nTo: ${this.user}\r\nSubject: ${subject}\r\nMessage-ID: <${subject.replaceAll(" ", "-")}.${this.number}@sender.test>\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n\r\nGood morning.\r\n`,
		);
	}

	/** Appends messages with these subjects to INBOX. */
	async put(node: TestNode, ...subjects: string[]): Promise<void> {
		const client = await node.imap(this.user, password);
		for (const subject of subjects)
			await client.append("INBOX", this.message(subject));
		await client.logout();
	}

	/** Waits until INBOX on a node has so many messages, and gives them. */
	async arrived(node: TestNode, count: number): Promise<string[]> {
		const client = await node.imap(this.user, password);
		try {
			await until(
				`${count} messages for ${this.user} on ${node.name}`,
				async () => (await client.mailboxStatus("INBOX")).MESSAGES === count,
			);
			await client.select("INBOX");
			const bodies: string[] = [];
			for (const { uid } of await client.list())
				bodies.push((await client.body(uid)).toString());
			return bodies;
		} finally {
			await client.logout();
		}
	}
}

export const port = (node: TestNode, name: ListenerName): string =>
	String(node.listener(name).port);

/** To be called once at the top of a test file. */
export function useWorld(): World {
	const world = new World();
	beforeAll(() => world.open());
	afterAll(() => world.close());
	beforeEach(() => world.newAccount());
	return world;
}

/** Settings of mutt for a node, with no question that somebody would have to answer; `more` are lines of one's own. */
export const muttrc = (
	folder: string,
	node: TestNode,
	user: string,
	...more: readonly string[]
): string =>
	[
		`set imap_user = "${user}"`,
		`set imap_pass = "${password}"`,
		`set folder = "imap://127.0.0.1:${port(node, "imap")}/"`,
		'set spoolfile = "+INBOX"',
		'set record = ""',
		"set ssl_starttls = no",
		"set ssl_force_tls = no",
		`set header_cache = "${folder}/cache"`,
		`set certificate_file = "${folder}/certificates"`,
		"set confirmappend = no",
		"set confirmcreate = no",
		"set quit = yes",
		"set copy = no",
		"set wait_key = no",
		"set sleep_time = 0",
		"set beep = no",
		...more,
		"",
	].join("\n");
