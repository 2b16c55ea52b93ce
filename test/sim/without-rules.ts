/**
 * For each rule a short story that goes wrong without it: found by `pmnode sim --without RULE`, understood, and told by hand.
 */

import { Violation } from "../../sync/sim/checkers.ts";
import { SimCluster } from "../../sync/sim/cluster.ts";
import { STAMP_STORIES } from "./stamp-stories.ts";
import {
	apart,
	client,
	conflict,
	DOWN_MILLISECONDS,
	type RuleStory,
	type Story,
} from "./stories.ts";
import { keepWants } from "./wanted-story.ts";
import { deliverMany, ok, only } from "./world.ts";

/** A flag is set on one side while the message is moved on the other. */
const lineage: Story = async (rules) => {
	const cluster = await apart(rules, (whole) => deliverMany(whole, ["a"], 1));
	const readers = [
		await cluster.run(cluster.read("a", "anna")),
		await cluster.run(cluster.read("b", "anna")),
	] as const;
	await ok(cluster, readers[0].move(only(readers[0]), "Archive"));
	await ok(cluster, readers[1].flag(only(readers[1]), "$followed"));
	cluster.heal();
	await cluster.verify();
};

/** A UID that was told apart is replaced; the client comes with a token of the node that never told it. */
const allDead: Story = async (rules) => {
	const cluster = await apart(rules, (whole) =>
		deliverMany(whole, ["b", "a"], 4),
	);
	const program = client(cluster, "qresync", "last");
	await deliverMany(cluster, ["a"], 3, "at a");
	await program.at("a");
	await deliverMany(cluster, ["b"], 1, "at b");
	await program.at("b");
	cluster.heal();
	await cluster.settle();
	await program.at("b");
	await cluster.settle();
	await program.at("b");
	program.check();
};

/** It keeps the highest token, drops at one node what the other has, and comes back. */
const nameTokens: Story = async (rules) => {
	const cluster = await apart(rules);
	cluster.jump("b", 3_600_000);
	const program = client(cluster, "condstore", "max");
	await deliverMany(cluster, ["b"], 1, "at b");
	await program.at("b");
	await program.at("a");
	cluster.heal();
	await cluster.settle();
	await program.at("b");
	await cluster.settle();
	await program.at("b");
	program.check();
};

/** A message that appeared at one node before the token was given at the other, which did not have it. */
const translate: Story = async (rules) => {
	const cluster = await apart(rules);
	const program = client(cluster, "condstore", "last");
	await deliverMany(cluster, ["b"], 1, "at b");
	const reader = await cluster.run(cluster.read("b", "anna"));
	await deliverMany(cluster, ["a"], 1, "at a");
	await program.at("a");
	cluster.heal();
	await cluster.settle();
	reader.close();
	await program.at("b");
	program.check();
};

/** What a node apart has never heard of is not gone. */
const onlyKnown: Story = async (rules) => {
	const cluster = await apart(rules);
	const program = client(cluster, "qresync", "last");
	await deliverMany(cluster, ["a"], 1, "at a");
	await program.at("a");
	await program.at("b");
	cluster.heal();
	await cluster.settle();
	await program.at("b");
	program.check();
};

/** A program that goes by its highest UID lost a message from sight at a node that did not have it. */
const nameUids: Story = async (rules) => {
	const cluster = await apart(rules);
	const program = client(cluster, "uid", "last");
	await deliverMany(cluster, ["a"], 1, "at a");
	await program.at("a");
	await program.at("b");
	cluster.heal();
	await cluster.settle();
	await program.at("b");
	await cluster.settle();
	await program.at("b");
	program.check();
};

/** Mail of the other side has a UID below what clients were told here. */
const watermark: Story = async (rules) => {
	const cluster = await apart(rules);
	await deliverMany(cluster, ["a"], 1, "at a");
	await deliverMany(cluster, ["b"], 1, "at b");
	for (const node of ["a", "b"]) await cluster.run(cluster.read(node, "anna"));
	cluster.heal();
	await cluster.verify();
};

/** Who was at b, with its higher UIDs, goes to a before anybody looks at b again. */
const askAtOnce: Story = async (rules) => {
	const cluster = await apart(rules);
	const program = client(cluster, "uid", "last");
	await deliverMany(cluster, ["a"], 1, "at a");
	(await cluster.run(cluster.read("a", "anna"))).close();
	await deliverMany(cluster, ["b"], 1, "at b");
	await program.at("b");
	program.leave();
	cluster.heal();
	await cluster.settle();
	await program.at("a");
	await cluster.settle();
	await program.at("a");
	program.check();
};

/** The only node is put back to an old copy, and its operator says that it is alone. */
const jump: Story = async (rules) => {
	const cluster = await SimCluster.of(["a"], { seed: 1, rules, alone: true });
	const backup = cluster.backup("a");
	await deliverMany(cluster, ["a"], 2);
	(await cluster.run(cluster.read("a", "anna"))).close();
	cluster.restore("a", backup);
	await cluster.run(cluster.start("a"));
	await deliverMany(cluster, ["a"], 2, "after");
	await cluster.run(cluster.read("a", "anna"));
	await cluster.verify();
};

/** Both sides of a split admit a node. */
const ownSlots: Story = async (rules) => {
	const cluster = await apart(rules);
	for (const [name, by] of [
		["c", "a"],
		["d", "b"],
	] as const) {
		await cluster.run(cluster.join(name, by));
		await deliverMany(cluster, [name], 2, `at ${name}`);
		await cluster.run(cluster.read(name, "anna"));
	}
	cluster.heal();
	await cluster.verify();
};

/** All receive at once, far from one another. */
const oneNumberer: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b", "c"], {
		seed: 1,
		rules,
		delayMilliseconds: [40, 120],
	});
	for (const node of ["a", "b", "c"])
		await cluster.run(cluster.read(node, "anna"));
	const asked = [];
	for (let i = 0; i < 30; i++) {
		const node = ["a", "b", "c"][i % 3] as string;
		asked.push(cluster.deliver(node, "anna", `mail ${i}`));
		await cluster.pass(cluster.random.integer(0, 60));
	}
	for (const one of asked) await ok(cluster, one);
	await cluster.verify();
	const { renumbered } = cluster.witness.renumbering;
	if (renumbered > 0)
		throw new Violation("numbers", `${renumbered} were numbered anew`);
};

/** UIDs of the two sides come to lie between one another: a, who admitted all, and d, which numbers elsewhere, have few slots. */
const spread: Story = async (rules) => {
	const { told, renumbered } = await conflict(40, {
		names: ["a", "b", "c", "e", "f", "d"],
		rules,
	});
	if (2 * renumbered > told)
		throw new Violation("numbers", `${renumbered} of ${told} numbered anew`);
};

/** What a client was told is done goes with the only disk that had it. */
const secondCopy: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], {
		seed: 1,
		rules,
		delayMilliseconds: [50, 50],
	});
	await deliverMany(cluster, ["a"], 1);
	await cluster.settle();
	const reader = await cluster.run(cluster.read("a", "anna"));
	await ok(cluster, reader.flag(only(reader), "$kept"));
	cluster.crash("a");
	await cluster.pass(DOWN_MILLISECONDS);
	const there = await cluster.run(cluster.read("b", "anna"));
	if (!there.messages()[0]?.flags.includes("$kept"))
		throw new Violation("I7", "the flag was acknowledged and is nowhere");
};

/** A message that the copy does not have is gone, though nobody has a tombstone of it. */
const restoredAlone: Story = async (rules) => {
	const cluster = await SimCluster.of(["a"], { seed: 1, rules, alone: true });
	const program = client(cluster, "qresync", "last");
	const backup = cluster.backup("a");
	await deliverMany(cluster, ["a"], 2);
	await program.at("a");
	cluster.restore("a", backup);
	await cluster.run(cluster.start("a"));
	await program.at("a");
	program.check();
};

/** The copy still has the slots that were handed on since. */
const freshSlots: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	const backup = cluster.backup("b");
	await cluster.run(cluster.join("c", "b"));
	await cluster.settle();
	cluster.restore("b", backup);
	await cluster.run(cluster.start("b"));
	await deliverMany(cluster, ["b", "c"], 4);
	await cluster.verify();
};

/** Put back while it is cut off, with slots that it has handed on since. */
const waitPeer: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b"], { seed: 1, rules });
	const backup = cluster.backup("b");
	await cluster.run(cluster.join("c", "b"));
	await cluster.settle();
	cluster.split(["a", "c"], ["b"]);
	await cluster.pass(DOWN_MILLISECONDS);
	cluster.restore("b", backup);
	const started = cluster.start("b");
	await cluster.pass(20_000);
	cluster.heal();
	await cluster.run(started);
	await cluster.verify();
};

/**
 * What c writes rests on what a wrote, which b has not: its line to a is cut, and it asks c for that only after a while.
 * Meanwhile b cannot hold what c wrote, whatever it got.
 */
const causal: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b", "c"], { seed: 1, rules });
	cluster.cut("a", "b");
	await deliverMany(cluster, ["a"], 1);
	cluster.split(["a"], ["b", "c"]);
	await deliverMany(cluster, ["c"], 1, "after");
	cluster.heal();
	await cluster.verify();
};

/** A member is lost in a split, and nobody else knows what UIDs it told; one who goes by the highest misses what follows. */
const floor: Story = async (rules) => {
	const cluster = await SimCluster.of(["a", "b", "c"], { seed: 1, rules });
	const program = client(cluster, "uid", "last");
	cluster.split(["a", "b"], ["c"]);
	await cluster.pass(DOWN_MILLISECONDS);
	await deliverMany(cluster, ["c"], 5, "apart");
	await program.at("c");
	program.leave();
	await cluster.run(cluster.remove("c", "a"));
	cluster.lose("c");
	await deliverMany(cluster, ["a", "b"], 4, "after");
	await program.at("b");
	await cluster.settle();
	await program.at("b");
	program.check();
};

/** The only node is put back, and a program comes with a token of the life that is over: of a flag that went with it. */
const retire: Story = async (rules) => {
	const cluster = await SimCluster.of(["a"], { seed: 1, rules, alone: true });
	const program = client(cluster, "condstore", "last");
	await deliverMany(cluster, ["a"], 1);
	await program.at("a");
	await cluster.settle();
	const backup = cluster.backup("a");
	const reader = await cluster.run(cluster.read("a", "anna"));
	await ok(cluster, reader.flag(only(reader), "$lost"));
	await program.at("a");
	cluster.restore("a", backup);
	await cluster.run(cluster.start("a"));
	await program.at("a");
	program.check();
};

export const STORIES: readonly RuleStory[] = [
	...STAMP_STORIES,
	{ rule: "keepWants", story: keepWants },
	{ rule: "lineage", story: lineage },
	{ rule: "allDead", story: allDead, coveredBy: ["spread"] },
	{ rule: "nameTokens", story: nameTokens },
	{ rule: "causal", story: causal },
	{ rule: "floor", story: floor },
	{ rule: "retire", story: retire },
	{ rule: "aboveE", story: jump },
	{ rule: "barrier", story: restoredAlone },
	{ rule: "complete", story: restoredAlone },
	{ rule: "freshSlots", story: freshSlots },
	{ rule: "waitPeer", story: waitPeer },
	{ rule: "watermark", story: watermark },
	{ rule: "askAtOnce", story: askAtOnce, coveredBy: ["spread"] },
	{ rule: "jump", story: jump },
	{ rule: "ownSlots", story: ownSlots },
	{ rule: "oneNumberer", story: oneNumberer },
	{ rule: "secondCopy", story: secondCopy },
	{ rule: "translate", story: translate, coveredBy: ["spread"] },
	{ rule: "spread", story: spread },
	{ rule: "onlyKnown", story: onlyKnown },
	{ rule: "nameUids", story: nameUids },
];
