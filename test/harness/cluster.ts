/** Several real nodes on this machine, joined to one cluster. */
import type { ImapClient } from "./imap-client.ts";
import {
	type NodeOptions,
	type StartNode,
	startNode,
	type TestNode,
} from "./node.ts";
import { until } from "./until.ts";

export interface StartCluster {
	readonly names: readonly string[];
	readonly options?: NodeOptions;
	/** Options of one node, over `options`. */
	readonly optionsOf?: (name: string) => NodeOptions;
	/** How one node is run and reached, e.g. on a host of hosts.ts. */
	readonly placeOf?: (
		name: string,
	) => Pick<StartNode, "prefix" | "forward" | "data" | "program" | "env">;
	/** Addresses to create, all with `password`. */
	readonly users?: readonly string[];
}
/** Of every user that the harness makes. */
export const password = "correct horse";

export class TestCluster {
	readonly nodes: TestNode[] = [];
	readonly #settings: StartCluster;
	constructor(settings: StartCluster) {
		this.#settings = settings;
	}

	node(name: string): TestNode {
		const found = this.nodes.find((each) => each.name === name);
		if (!found) throw new Error(`no node ${name}`);
		return found;
	}

	/** Starts one more node, which joins through `through` (default: the first). */
	async add(name: string, through = this.nodes[0]): Promise<TestNode> {
		const { options, optionsOf, placeOf } = this.#settings;
		const node = await startNode({
			name,
			options: { ...options, ...optionsOf?.(name) },
			...(through ? { join: await through.invite() } : {}),
			...placeOf?.(name),
		});
		this.nodes.push(node);
		return node;
	}

	/** Waits until each node given sees exactly `up` members up. */
	async seen(up: number, nodes: readonly TestNode[] = this.nodes) {
		for (const node of nodes)
			await until(
				`${node.name} to see ${up} members up`,
				async () => (await node.status()).cluster.up === up,
				{ timeoutMilliseconds: 90_000, everyMilliseconds: 200 },
			);
	}

	/** Waits until a user can log in everywhere. */
	async known(address: string): Promise<void> {
		for (const node of this.nodes)
			await until(`${node.name} to know ${address}`, async () => {
				const client = await node.imap(address, password);
				await client.logout();
				return true;
			});
	}

	/** A connection to the account on each node, in the order of the nodes. */
	imap(address: string, nodes = this.nodes): Promise<ImapClient[]> {
		return Promise.all(nodes.map((node) => node.imap(address, password)));
	}

	/** What all nodes have said last, for error messages. */
	tail(): string {
		return this.nodes.map((node) => node.tail()).join("\n");
	}

	async close(): Promise<void> {
		await Promise.all(this.nodes.map((node) => node.close()));
	}
}

/** Founds with the first name, joins the others one after the other, and waits until all see all and know the users. */
export async function startCluster(
	settings: StartCluster,
): Promise<TestCluster> {
	const cluster = new TestCluster(settings);
	try {
		for (const name of settings.names) await cluster.add(name);
		await cluster.seen(settings.names.length);
		const users = settings.users ?? [];
		await Promise.all(
			users.map((user) => cluster.nodes[0]?.addUser(user, password)),
		);
		await Promise.all(users.map((user) => cluster.known(user)));
		return cluster;
	} catch (error) {
		const said = cluster.tail();
		await cluster.close();
		throw new Error(
			`${error instanceof Error ? error.message : error}\n${said}`,
		);
	}
}
