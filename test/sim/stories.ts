/** What the stories of the rules share: two nodes apart, and a mail program that wanders. */
import { ALL_RULES, type Rules } from "../../sync/rules.ts";
import {
	Client,
	type ClientKind,
	type TokenMode,
} from "../../sync/sim/client.ts";
import { SimCluster } from "../../sync/sim/cluster.ts";
import { deliverMany, textsAt } from "./world.ts";

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

const BURST = 20;

/**
 * Splits the first node from the others, has so much mail come to each side, with clients looking at both, and heals.
 * How many messages were told to anyone, and how many of them were numbered anew.
 */
export async function conflict(
	countOfEach: number,
	{
		names,
		rules = ALL_RULES,
		seed = 1,
		breakAfter,
	}: {
		names: readonly string[];
		rules?: Rules;
		seed?: number;
		/** After so much of the mail both sides give up their connections, as TCP or libp2p do when nothing comes. */
		breakAfter?: number;
	},
): Promise<{ told: number; renumbered: number }> {
	const [first, second, ...more] = names as [string, string, ...string[]];
	const cluster = await SimCluster.of(names, { seed, rules });
	await deliverMany(cluster, [first], 3, "before");
	await cluster.settle();
	const sides = [first, second];
	const readers = await Promise.all(
		sides.map((node) => cluster.run(cluster.read(node, "anna"))),
	);
	cluster.split([first], [second, ...more]);
	await cluster.pass(DOWN_MILLISECONDS);
	for (let i = 0; i < countOfEach; i += BURST) {
		if (i === breakAfter)
			for (const other of [second, ...more]) {
				cluster.reset(first, other);
				cluster.reset(other, first);
			}
		const mails = Array.from({ length: BURST }, (_, j) =>
			sides.map((node) => cluster.deliver(node, "anna", `${i + j} on ${node}`)),
		);
		await cluster.run(Promise.all(mails.flat()));
	}
	await cluster.pass(1_000);
	for (const reader of readers) {
		const there = reader.messages().length;
		if (there !== 3 + countOfEach)
			throw new Error(`${reader.node} shows ${there}`);
	}
	cluster.heal();
	await cluster.settle();
	for (const reader of readers) reader.close();
	await cluster.verify();
	const texts = await textsAt(cluster, second);
	if (texts.length !== 3 + 2 * countOfEach)
		throw new Error(`${texts.length} messages after the heal`);
	return cluster.witness.renumbering;
}
