/** What the stories of the rules share: two nodes apart, and a mail program that wanders. */
import type { Rules } from "../../sync/rules.ts";
import {
	Client,
	type ClientKind,
	type TokenMode,
} from "../../sync/sim/client.ts";
import { SimCluster } from "../../sync/sim/cluster.ts";

export const DOWN_MILLISECONDS = 8_000;

export type Story = (rules: Rules) => Promise<void>;

export interface RuleStory {
	readonly rule: keyof Rules;
	readonly story: Story;
	/** Rules that each make up for it in this story: it goes wrong without all of them, and not while one is there. */
	readonly coveredBy?: readonly (keyof Rules)[];
}

/** A mail program of anna that looks at INBOX. */
export function client(
	cluster: SimCluster,
	kind: ClientKind,
	mode: TokenMode,
): { at(node: string): Promise<void>; leave(): void; check(): void } {
	const one = new Client(cluster, {
		name: "a client",
		user: "anna",
		folder: "INBOX",
		kind,
		mode,
	});
	return {
		at: async (node) => {
			await cluster.run(one.visit(node));
		},
		leave: () => one.leave(),
		check: () => one.checkCopy(() => false),
	};
}

/** Nodes a and b, that take one another for down. */
export async function apart(
	rules: Rules,
	before: (cluster: SimCluster) => Promise<void> = async () => {},
): Promise<SimCluster> {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	await before(cluster);
	await cluster.settle();
	cluster.split(["a"], ["b"]);
	await cluster.pass(DOWN_MILLISECONDS);
	return cluster;
}
