/**
 * Stories of rules 9 to 12: what a program that moves makes of mod-sequences. Programs take a HIGHESTMODSEQ below the one
 * that they know for "nothing new", so one that sinks is wrong also where another node tells all later.
 */
import { Violation } from "../../sync/sim/checkers.ts";
import { SimCluster } from "../../sync/sim/cluster.ts";
import {
	apart,
	client,
	DOWN_MILLISECONDS,
	type RuleStory,
	type Story,
} from "./stories.ts";
import { deliverMany, ok, only } from "./world.ts";

async function highestAt(cluster: SimCluster, node: string): Promise<number> {
	const reader = await cluster.run(cluster.read(node, "anna"));
	const { highestModSeq } = reader.mailbox;
	reader.close();
	return highestModSeq;
}

/** Somebody was at one node, and goes to the other. */
async function moves(
	cluster: SimCluster,
	from: string,
	to: string,
): Promise<{ before: number; after: number }> {
	const before = await highestAt(cluster, from);
	const after = await highestAt(cluster, to);
	if (after < before)
		throw new Violation(
			"I6",
			`HIGHESTMODSEQ sinks from ${before} at ${from} to ${after} at ${to}`,
		);
	return { before, after };
}

/** Nothing happened at a since the split, and much at b. */
const wandersApart: Story = async (rules) => {
	const cluster = await apart(rules, async (whole) => {
		await deliverMany(whole, ["a"], 1);
		await highestAt(whole, "a");
	});
	await deliverMany(cluster, ["b"], 3, "at b");
	await moves(cluster, "b", "a");
};

/** Much more happened at b than at a: stamps that only count would be far apart. */
const busyApart: Story = async (rules) => {
	const cluster = await apart(rules, (whole) => deliverMany(whole, ["b"], 1));
	const reader = await cluster.run(cluster.read("b", "anna"));
	for (let i = 0; i < 10; i++)
		await ok(cluster, reader.flag(only(reader), `$${i}`));
	reader.close();
	await moves(cluster, "b", "a");
};

/** The clock of b is an hour ahead, which a has heard of before they were apart. */
const fastClockApart: Story = async (rules) => {
	const cluster = await apart(rules, async (whole) => {
		whole.jump("b", 3_600_000);
		await deliverMany(whole, ["b"], 1);
		await moves(whole, "b", "a");
	});
	await deliverMany(cluster, ["b"], 1, "at b");
	await moves(cluster, "b", "a");
};

/** The clock of b is ahead, and it has given no stamp yet: c, which joins and is cut off, knows of it by its word alone. */
const fastClockSilent: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	cluster.jump("b", 600_000);
	await cluster.run(cluster.join("c", "b"));
	cluster.split(["a", "b"], ["c"]);
	await cluster.pass(DOWN_MILLISECONDS);
	await deliverMany(cluster, ["b"], 1, "at b");
	await deliverMany(cluster, ["c"], 1, "at c");
	await moves(cluster, "b", "c");
};

/** In touch, and b showed the same later. */
const wandersTogether: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	await deliverMany(cluster, ["a"], 1);
	await cluster.settle();
	await highestAt(cluster, "a");
	await cluster.pass(1_000);
	await moves(cluster, "b", "a");
};

/** In touch, with nothing new: whoever moves has nothing to ask for. */
const nothingNew: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	await deliverMany(cluster, ["a"], 1);
	for (const node of ["a", "b"]) await highestAt(cluster, node);
	await cluster.settle();
	const { before, after } = await moves(cluster, "a", "b");
	if (after !== before)
		throw new Violation(
			"I4",
			`HIGHESTMODSEQ is ${before} at a and ${after} at b`,
		);
};

/** The clock of b is an hour ahead: mail that a shows afterwards has to have a higher stamp. */
const heard: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	cluster.jump("b", 3_600_000);
	const program = client(cluster, "condstore", "lower");
	await deliverMany(cluster, ["b"], 1);
	await program.at("b");
	program.leave();
	await cluster.settle();
	await deliverMany(cluster, ["a"], 1, "later");
	await program.at("a");
	program.check();
};

/** A program saw a flag that was set and taken away again; the node that it goes to heard of both at once. */
const stepBetween: Story = async (rules) => {
	const cluster = await apart(rules, (whole) => deliverMany(whole, ["a"], 1));
	(await cluster.run(cluster.read("a", "anna"))).close();
	const program = client(cluster, "condstore", "last");
	const reader = await cluster.run(cluster.read("b", "anna"));
	await ok(cluster, reader.flag(only(reader), "$once"));
	await program.at("b");
	program.leave();
	await ok(cluster, reader.unflag(only(reader), "$once"));
	reader.close();
	cluster.heal();
	await cluster.settle();
	await program.at("a");
	program.check();
};

/** All that b had when it was put back is known to a. */
const takeShown: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	const backup = cluster.backup("b");
	await deliverMany(cluster, ["a", "b"], 4);
	await cluster.settle();
	await highestAt(cluster, "b");
	await cluster.settle();
	cluster.restore("b", backup);
	await cluster.run(cluster.start("b"));
	await cluster.verify();
	const { renumbered } = cluster.witness.renumbering;
	if (renumbered > 0)
		throw new Violation("numbers", `${renumbered} were numbered anew`);
};

export const STAMP_STORIES: readonly RuleStory[] = [
	{ rule: "freshApart", story: wandersApart },
	{ rule: "clock", story: busyApart },
	{ rule: "lead", story: fastClockApart },
	{ rule: "pace", story: fastClockSilent },
	{ rule: "meet", story: wandersTogether },
	{ rule: "adopt", story: nothingNew },
	// What a node does not move past when it hears it, it moves past when it must meet it, or by the clock of the other.
	{ rule: "heard", story: heard, coveredBy: ["meet", "pace"] },
	// What has no stamp here is found by what the giver of the token had.
	{ rule: "stampOps", story: stepBetween, coveredBy: ["translate"] },
	{ rule: "takeShown", story: takeShown },
];
