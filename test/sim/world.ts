/** What the stories share: a cluster whose trace is printed when a story fails, and short words for what clients do. */
import { onTestFailed } from "vitest";
import {
	type Outcome,
	SimCluster,
	type SimClusterOptions,
} from "../../sync/sim/cluster.ts";
import type { Reader, Seen } from "../../sync/sim/reader.ts";

export async function clusterOf(
	names: readonly string[],
	options: Partial<SimClusterOptions> = {},
	users?: readonly string[],
): Promise<SimCluster> {
	const cluster = await SimCluster.of(names, { seed: 1, ...options }, users);
	onTestFailed(() => console.error(cluster.trace(200)));
	return cluster;
}

/** The value of what was acknowledged. */
export async function ok<T>(
	cluster: SimCluster,
	asked: Promise<Outcome<T>>,
): Promise<T> {
	const outcome = await cluster.run(asked);
	if (outcome.kind === "done") return outcome.value;
	throw outcome.kind === "refused" ? outcome.error : new Error("lost");
}

/** Texts of a mailbox at a node, in UID order. */
export async function textsAt(
	cluster: SimCluster,
	node: string,
	user = "anna",
	mailbox = "INBOX",
): Promise<string[]> {
	const reader = await cluster.run(cluster.read(node, user, mailbox));
	const texts = await cluster.run(reader.texts());
	reader.close();
	return texts;
}

export const only = (reader: Reader): Seen => {
	const [first, ...others] = reader.messages();
	if (first === undefined || others.length > 0)
		throw new Error(`there are ${reader.messages().length} messages`);
	return first;
};

/** Mail 1…count for anna, one after another, each acknowledged. */
export async function deliverMany(
	cluster: SimCluster,
	nodes: readonly string[],
	count: number,
	label = "mail",
): Promise<void> {
	for (let i = 1; i <= count; i++)
		await ok(
			cluster,
			cluster.deliver(
				nodes[i % nodes.length] as string,
				"anna",
				`${label} ${i}`,
			),
		);
}
