/**
 * `pmnode restore --account` of messages that lie in several places: in two mailboxes since they were copied, twice in one
 * mailbox, or with one body for two users. On real processes: each comes back once per place, with what it was there.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { password, startCluster } from "../harness/cluster.ts";
import type { ImapClient } from "../harness/imap-client.ts";
import { MessageMaker } from "../harness/messages.ts";
import type { TestNode } from "../harness/node.ts";
import { removeFolder, temporaryFolder } from "../harness/processes.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import { range, user } from "./mail.ts";

const bob = "bob@bench.test";
const BOXES = ["INBOX", "Archive", "Work"];
const DATE = "01-Jan-2020 10:00:00 +0000";

type Held = Readonly<Record<string, readonly string[]>>;

/** Of each mailbox all messages as lines, in no order: what they are, their flags, and what their bytes are. */
async function held(node: TestNode, boxes = BOXES): Promise<Held> {
	const client = await node.imap(user, password);
	try {
		const all: Record<string, string[]> = {};
		for (const box of boxes) {
			const { exists } = await client.select(box, "EXAMINE");
			const lines: string[] = [];
			for (const { uid, messageId, flags } of exists > 0
				? await client.list()
				: []) {
				const hash = createHash("sha256").update(await client.body(uid));
				lines.push(`${messageId} (${flags.join(" ")}) ${hash.digest("hex")}`);
			}
			all[box] = lines.sort();
		}
		return all;
	} finally {
		await client.logout();
	}
}

/** Waits until all nodes hold just this. */
async function holding(
	nodes: readonly TestNode[],
	wanted: Held,
	boxes?: readonly string[],
): Promise<void> {
	for (const node of nodes) {
		let seen: Held = {};
		await until(
			`${node.name} to hold what there was`,
			async () => {
				seen = await held(node, boxes && [...boxes]);
				return (
					JSON.stringify(Object.values(seen)) ===
					JSON.stringify(Object.values(wanted))
				);
			},
			{ everyMilliseconds: 250, seen: () => JSON.stringify(seen, null, 1) },
		);
	}
}

async function expunge(
	client: ImapClient,
	box: string,
	set: string,
): Promise<void> {
	await client.select(box);
	await client.ok(`STORE ${set} +FLAGS.SILENT (\\Deleted)`);
	await client.ok("EXPUNGE");
}

/** What lies in several places: 6 in INBOX, 4 of them in Archive too; in Work one of them twice, and one that was stored twice. */
async function fill(node: TestNode, maker: MessageMaker): Promise<void> {
	const smtp = await SmtpSender.connect(await node.reach("smtp"));
	for (const number of range(0, 6))
		await smtp.send(
			"load@sender.test",
			[user, bob],
			maker.make(number, "all@bench.test"),
		);
	smtp.close();
	const client = await node.imap(user, password);
	await client.ok("CREATE Work");
	await client.select("INBOX");
	await client.ok("STORE 1:2 +FLAGS.SILENT (\\Seen)");
	await client.ok("COPY 1:4 Archive");
	await client.ok("COPY 5 Work");
	await client.ok("COPY 5 Work");
	await client.select("Archive");
	await client.ok("STORE 1:* +FLAGS.SILENT (\\Flagged)");
	for (let i = 0; i < 2; i++)
		await client.append("Work", maker.make(6, user), "$todo", DATE);
	await client.logout();
}

test("what lies in several places comes back once in each, and nothing else does", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user, bob] });
	const folder = join(temporaryFolder("backup"), "a");
	try {
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await fill(a, new MessageMaker("places"));
		const before = await held(a);
		expect(Object.values(before).map(({ length }) => length)).toEqual([
			6, 4, 4,
		]);
		await holding([b], before);
		await a.converged();
		await a.ok(["backup", folder]);
		/** At b: what it says, and that both hold all again. */
		const restored = async (back: number, there: number): Promise<void> => {
			expect(
				await b.cli(["restore", folder, "--account", user]),
				b.tail(),
			).toMatchObject({
				code: 0,
				stdout: "",
				stderr: `${back} ${back === 1 ? "message is" : "messages are"} back, ${there} were there\n`,
			});
			await holding([a, b], before);
		};

		const client = await b.imap(user, password);
		const other = await b.imap(bob, password);
		await expunge(other, "INBOX", "1:3");
		for (const box of BOXES) await expunge(client, box, "1:*");
		await restored(14, 0);
		await restored(0, 14);
		// The same message is still elsewhere: it was not moved there.
		await expunge(client, "INBOX", "1,5");
		await restored(2, 12);
		await expunge(client, "Archive", "2");
		await restored(1, 13);
		await expunge(client, "Work", "1,3");
		await restored(2, 12);
		// What was moved since is not wanted back, wherever else it lies.
		await client.ok("CREATE Moved");
		await client.select("Archive");
		await client.ok("MOVE 1 Moved");
		const [moved] = (await held(b, ["Moved"])).Moved ?? [];
		const without = before.Archive?.filter((each) => each !== moved) ?? [];
		expect(without).toHaveLength(3);
		const result = await b.cli(["restore", folder, "--account", user]);
		expect(result.stderr).toBe("0 messages are back, 14 were there\n");
		await holding([a, b], { ...before, Archive: without });

		// Below another mailbox all of it, whatever there is elsewhere.
		const below = BOXES.map((box) => `Back/${box}`);
		const into = ["restore", folder, "--account", user, "--into", "Back"];
		expect((await b.cli(into)).stderr).toMatch(/^14 messages are back, 0 were/);
		await holding([a, b], before, below);
		expect((await b.cli(into)).stderr).toMatch(/^0 messages are back, 14 were/);

		// Nothing of it is another user's.
		expect((await other.select("INBOX")).exists).toBe(3);
		await other.logout();
		await client.logout();
		for (const node of cluster.nodes) {
			await node.converged();
			expect(await node.cli(["check"]), node.tail()).toMatchObject({ code: 0 });
		}
	} finally {
		await cluster.close();
		removeFolder(join(folder, ".."));
	}
}, 300_000);
