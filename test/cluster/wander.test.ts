/**
 * One client that goes from node to node: what it was told by one, another understands (RFC 7162 on rules 8 and 13 to 16
 * of mailbox-consistency), and NOTIFY hears of what happens elsewhere.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
	password,
	startCluster,
	type TestCluster,
} from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { until } from "../harness/until.ts";
import { RawClient } from "../transcripts/client.ts";
import { range, sendAll, settled, user } from "./mail.ts";

let cluster: TestCluster;
beforeAll(async () => {
	cluster = await startCluster({ names: ["a", "b"], users: [user] });
});
afterAll(() => cluster?.close());

async function logIn(index: number): Promise<RawClient> {
	const node = cluster.nodes[index];
	if (node === undefined) throw new Error("no such node");
	const client = await RawClient.connect((await node.reach("imap")).port);
	await client.response();
	const answer = await client.command(`a LOGIN ${user} "${password}"`);
	expect(answer.at(-1)).toMatch(/^a OK/);
	return client;
}

/** Selects INBOX; what it knows follows from the answer. */
async function select(
	client: RawClient,
	parameters = "",
): Promise<{ lines: string[]; uidValidity: string; token: string }> {
	const lines = await client.command(`a SELECT INBOX${parameters}`);
	expect(lines.at(-1)).toMatch(/^a OK/);
	const all = lines.join("\n");
	return {
		lines,
		uidValidity: /UIDVALIDITY (\d+)/.exec(all)?.[1] ?? "",
		token: /HIGHESTMODSEQ (\d+)/.exec(all)?.[1] ?? "",
	};
}

const flagsOf = (lines: readonly string[]): string[] =>
	lines
		.flatMap((line) => {
			const found = /FETCH \(UID (\d+) FLAGS \(([^)]*)\)/.exec(line);
			return found === null ? [] : [`${found[1]}: ${found[2]}`];
		})
		.sort();

test("a client that changes nodes resynchronises, and stores only on what it knows", async () => {
	const [a] = cluster.nodes;
	if (a === undefined) throw new Error("no node");
	await sendAll(a, new MessageMaker("wander"), range(0, 6), 1);
	await settled(cluster.nodes, 6);
	const one = await logIn(0);
	await one.command("a ENABLE QRESYNC");
	const first = await select(one);
	const uids = (await one.command("a UID FETCH 1:* (UID)")).flatMap(
		(line) => /UID (\d+)\)/.exec(line)?.[1] ?? [],
	);
	expect(uids).toHaveLength(6);
	const [u1, u2, u3, u4] = uids;
	one.close();

	// Meanwhile, on the other node, by another client.
	const other = await logIn(1);
	await select(other);
	await other.command(`a UID STORE ${u2} +FLAGS.SILENT (\\Flagged)`);
	await other.command(`a UID STORE ${u3} +FLAGS.SILENT (\\Deleted)`);
	expect((await other.command("a EXPUNGE")).join("\n")).toContain("EXPUNGE");

	// It wanders there with the token of the first.
	const two = await logIn(1);
	await two.command("a ENABLE QRESYNC");
	const there = await select(
		two,
		` (QRESYNC (${first.uidValidity} ${first.token} ${uids[0]}:${uids.at(-1)}))`,
	);
	expect(there.uidValidity).toBe(first.uidValidity);
	expect(flagsOf(there.lines)).toEqual([`${u2}: \\Flagged`]);
	expect(there.lines.join("\n")).toMatch(
		new RegExp(`VANISHED \\(EARLIER\\) \\S*\\b${u3}\\b`),
	);
	expect(Number(there.token)).toBeGreaterThan(Number(first.token));

	// Its old token: what has changed since is left alone, what has not is stored.
	const conditional = await two.command(
		`a UID STORE ${u1},${u2} (UNCHANGEDSINCE ${first.token}) +FLAGS.SILENT ($old)`,
	);
	expect(conditional.at(-1)).toContain(`a OK [MODIFIED ${u2}]`);
	const done = /UID \d+ MODSEQ \((\d+)\)/.exec(conditional.join("\n"))?.[1];
	expect(Number(done)).toBeGreaterThan(Number(there.token));

	// Back again, with what the second node told last.
	const back = await logIn(0);
	await back.command("a ENABLE QRESYNC");
	await select(back);
	await until("the flag on the first node", async () =>
		(await back.command("a UID SEARCH KEYWORD $old"))
			.join("\n")
			.includes(`SEARCH ${u1}`),
	);
	const home = await select(back, ` (QRESYNC (${first.uidValidity} ${done}))`);
	expect(flagsOf(home.lines)).toEqual([]);
	expect(Number(home.token)).toBeGreaterThanOrEqual(Number(done));
	const again = await select(
		back,
		` (QRESYNC (${first.uidValidity} ${there.token}))`,
	);
	// A token told a moment after another has no pair of its own: what changed between the two is told once more (rule 12).
	const changed = flagsOf(again.lines);
	expect(changed).toContain(`${u1}: $old`);
	expect([`${u1}: $old`, `${u2}: \\Flagged`]).toEqual(
		expect.arrayContaining(changed),
	);

	// REPLACE and MOVE in one step each, told to whoever looks on the other node.
	const watching = await logIn(1);
	await select(watching);
	const replaced = await back.command(`a UID REPLACE ${u4} INBOX {3+}\r\nnew`);
	expect(replaced.join("\n")).toMatch(/APPENDUID[\s\S]*VANISHED/);
	await until(
		"the replacement on the other node",
		async () =>
			!(await watching.command("a UID SEARCH ALL"))
				.join(" ")
				.includes(` ${u4} `),
	);
	for (const client of [other, two, back, watching]) client.close();
});

test("NOTIFY hears of other mailboxes and of the tree on another node", async () => {
	const listening = await logIn(0);
	await listening.command(
		"a NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))",
	);
	const other = await logIn(1);
	expect(
		(await other.command("a CREATE Far (USE (\\Archive))")).at(-1),
	).toMatch(/^a OK \[MAILBOXID/);
	expect(await listening.response()).toContain(
		'LIST (\\HasNoChildren \\Archive) "/" Far',
	);
	await other.command("a APPEND Far {3+}\r\nabc");
	expect(await listening.response()).toMatch(
		/STATUS Far \(MESSAGES 1 UIDNEXT \d+ UIDVALIDITY \d+\)/,
	);
	await other.command("a RENAME Far Farther");
	expect(await listening.response()).toContain('"/" Farther ("OLDNAME" (Far))');
	await other.command("a DELETE Farther");
	expect(await listening.response()).toContain("\\NonExistent");
	for (const client of [listening, other]) client.close();
});
