/**
 * Bodies whose taker is lost, between two members that were away in turn, of which the second got only what lives:
 * hypercore brings nothing from it to the other, as it cannot prove that the drive goes on from where the other one stands.
 * They are handed over all the same, last a kill -9, also one in the midst of it, and give their room back when they are
 * expunged.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { planted, type TestNode } from "../harness/node.ts";
import { removeFolder, temporaryFolder } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	expunge,
	range,
	sendAll,
	settled,
	user,
} from "./mail.ts";

const handedAt = (node: TestNode): string[] =>
	readdirSync(join(node.data, "bodies/handed"));

async function expectAllAt(
	node: TestNode,
	maker: MessageMaker,
	numbers: readonly number[],
): Promise<void> {
	const client = await node.imap(user, password);
	await expectBodies(client, maker, numbers);
	await client.logout();
}

/** Steps of taking a body, in plant-stuck-handover.ts; and whether a file that is not whole or not named is left in it. */
const STEPS = [
	["draft", true],
	["whole", true],
	["named", false],
] as const;

const drafts = (node: TestNode): string[] =>
	readdirSync(join(node.data, "bodies/spool"));

/** The node starts, takes what is handed over as far as this step, and is killed there. */
async function killAt(
	node: TestNode,
	stuckAt: string,
	[step, leavesDraft]: (typeof STEPS)[number],
): Promise<void> {
	writeFileSync(stuckAt, step);
	await node.start();
	await until(
		`${node.name} to begin: ${step}`,
		async () => node.diary.includes(`begins: ${step}\n`),
		{ timeoutMilliseconds: 60_000, seen: () => node.tail() },
	);
	await node.kill9();
	rmSync(stuckAt);
	expect(drafts(node).length > 0).toBe(leavesDraft);
	expectHandedRight(node);
}

/** Each has a name only once it is whole. */
function expectHandedRight(node: TestNode): void {
	for (const name of handedAt(node)) {
		const bytes = readFileSync(join(node.data, "bodies/handed", name));
		expect(createHash("sha256").update(bytes).digest("hex")).toBe(
			name.split("-").at(-1),
		);
	}
}

/** All bodies are here, and the members that are up agree. */
const expectWhole = (node: TestNode) =>
	until(
		`${node.name} to be whole`,
		async () => (await node.cli(["check"])).code === 0,
		{ timeoutMilliseconds: 60_000, seen: () => node.tail() },
	);

test("a member that was away gets bodies of a lost member from one that was away before, killed three times in the midst of it", async () => {
	const stuckAt = join(temporaryFolder("stuck"), "at");
	const cluster = await startCluster({
		names: ["a", "b", "c"],
		users: [user],
		placeOf: (name) => ({
			program: planted(
				name === "c" ? "plant-late-bodies.ts" : "plant-stuck-handover.ts",
			),
			env: { PMNODE_STUCK_AT: stuckAt },
		}),
	});
	try {
		const [a, b, c] = cluster.nodes;
		if (!a || !b || !c) throw new Error("no cluster");
		const maker = new MessageMaker("handover", 3_000);
		await c.stop();
		await sendAll(a, maker, range(0, 6));
		expectExactly(await settled([a, b], 6), maker, range(0, 6));
		await expectAllAt(b, maker, range(0, 6));
		await b.stop();
		await sendAll(a, maker, range(6, 20));
		const kept = range(16, 20);
		await expunge(a, maker, range(0, 16));
		await c.start();
		expectExactly(await settled([a, c], kept.length), maker, kept);
		await expectWhole(c);
		await a.kill9();
		for (const step of STEPS) await killAt(b, stuckAt, step);
		await b.start();
		expectExactly(await settled([b, c], kept.length), maker, kept);
		await expectWhole(b);
		expect(handedAt(b)).toHaveLength(kept.length);
		expectHandedRight(b);
		expect(drafts(b)).toEqual([]);

		await b.kill9();
		await c.kill9();
		await b.start();
		await expectAllAt(b, maker, kept);
		await c.start();
		expect(await b.cli(["remove", "a"])).toMatchObject({ code: 0 });
		await expectWhole(b);

		await expunge(c, maker, kept.slice(0, 2));
		await until(
			"b to give back what was handed over and died",
			() => handedAt(b).length === 2,
			{
				timeoutMilliseconds: 60_000,
				seen: () => `${handedAt(b).join("\n")}\n${b.tail()}`,
			},
		);
		await expectAllAt(b, maker, kept.slice(2));
	} finally {
		await cluster.close();
		removeFolder(dirname(stuckAt));
	}
}, 200_000);
