/** Commands on many messages: bounded (RFC 9738), and telling that they are at work (RFC 9585). */
import { afterEach, expect, test } from "vitest";
import { SimClock } from "../../../sync/sim/clock.ts";
import { until } from "../../harness/until.ts";
import { RawClient } from "../../transcripts/client.ts";
import {
	startWorld,
	type World,
	type WorldOptions,
} from "../../transcripts/world.ts";

let world: World;
const clients: RawClient[] = [];
afterEach(async () => {
	for (const client of clients.splice(0)) client.close();
	await world.stop();
});

async function open(
	options: WorldOptions,
	messages: number,
): Promise<RawClient> {
	world = await startWorld(options);
	for (let index = 1; index <= messages; index++)
		world.deliver(`Subject: ${index}\r\n\r\ntext\r\n`);
	const client = await RawClient.connect(world.server.address().port);
	clients.push(client);
	await client.response();
	await client.command("a LOGIN ann@example.org secret");
	await client.command("a SELECT INBOX");
	return client;
}

test("the newest messages are worked on, and the lowest UID of them is told", async () => {
	const client = await open({ messagesPerCommandMax: 3 }, 5);
	expect((await client.command("a CAPABILITY"))[0]).toContain(
		" MESSAGELIMIT=3",
	);
	expect(await client.command("a FETCH 1:* UID")).toEqual([
		"* 5 FETCH (UID 5)",
		"* 4 FETCH (UID 4)",
		"* 3 FETCH (UID 3)",
		"a OK [MESSAGELIMIT 3 3] FETCH completed",
	]);
	expect(await client.command("a UID FETCH 1:3 UID")).toHaveLength(4);
	expect(await client.command("a UID FETCH 1:* UID (PARTIAL 1:4)")).toEqual([
		"a NO [MESSAGELIMIT 3] Too many messages at once",
	]);
	expect(
		await client.command("a UID FETCH 1:* UID (PARTIAL -1:-3)"),
	).toHaveLength(4);
	expect(await client.command("a STORE 1:4 +FLAGS.SILENT (\\Flagged)")).toEqual(
		["a OK [MESSAGELIMIT 3 2] STORE completed"],
	);
	expect(world.account.mailbox("INBOX").get(1 as never)?.flags).toEqual([]);
});

test("a search looks at the newest that its numbers and UIDs allow; what is put in order is whole", async () => {
	const client = await open({ messagesPerCommandMax: 3 }, 6);
	const search = async (keys: string) => {
		const lines = await client.command(`a UID SEARCH ${keys}`);
		expect(lines).toHaveLength(2);
		return `${lines[0]?.slice("* SEARCH".length)}${lines[1]?.slice("a OK".length, -" UID SEARCH completed".length)}`;
	};
	expect(await search("ALL")).toBe(" 4 5 6 [MESSAGELIMIT 3 4]");
	expect(await search("SUBJECT 1")).toBe(" [MESSAGELIMIT 3 4]");
	expect(await search("UID 1:3")).toBe(" 1 2 3");
	expect(await search("1:3 (UNSEEN)")).toBe(" 1 2 3");
	expect(await search("UIDBEFORE 4")).toBe(" 1 2 3");
	expect(await search("UIDBEFORE 6")).toBe(" 3 4 5 [MESSAGELIMIT 3 3]");
	expect(await search("UIDAFTER 1 UIDBEFORE 5")).toBe(" 2 3 4");
	expect(await search("UID 1,3,5:6")).toBe(" 3 5 6 [MESSAGELIMIT 3 3]");
	expect(await search("UIDAFTER 6")).toBe("");
	expect(await search("NOT UID 2:5")).toBe(" 1 6");
	expect(await search("UIDBEFORE 1")).toBe("");
	// Either half may hold: all are looked at.
	expect(await search("OR UID 1 UID 2")).toBe(" [MESSAGELIMIT 3 4]");
	await client.command("a UID SEARCH RETURN (SAVE) UID 1:2");
	expect(await search("UID $")).toBe(" 1 2");
	for (const command of ["SORT (ARRIVAL)", "THREAD REFERENCES"]) {
		expect(await client.command(`a ${command} UTF-8 ALL`)).toEqual([
			"a NO [MESSAGELIMIT 3] Too many messages at once; narrow it down by UIDs",
		]);
		expect(
			(await client.command(`a ${command} UTF-8 UIDAFTER 3`)).at(-1),
		).toContain("a OK");
	}
	expect((await client.command("a SEARCH UIDAFTER 0"))[0]).toContain("a BAD");
});

test("a copy of too many is refused whole, a move is made of the newest; only UID EXPUNGE is bounded", async () => {
	const client = await open({ messagesPerCommandMax: 3 }, 8);
	const sent = world.account.mailbox("Sent");
	expect(await client.command("a COPY 1:4 Sent")).toEqual([
		"a NO [MESSAGELIMIT 3 2] Too many messages at once",
	]);
	expect(sent.uids()).toEqual([]);
	const moved = await client.command("a UID MOVE 1:4 Sent");
	expect(moved[0]).toMatch(/^\* OK \[COPYUID \d+ 2:4 1:3\]/);
	expect(moved.at(-1)).toBe("a OK [MESSAGELIMIT 3 2] UID MOVE completed");
	expect(world.account.mailbox("INBOX").uids()).toEqual([1, 5, 6, 7, 8]);
	await client.command("a UID STORE 1,5:6 +FLAGS.SILENT (\\Deleted)");
	await client.command("a UID STORE 7:8 +FLAGS.SILENT (\\Deleted)");
	expect((await client.command("a UID EXPUNGE 1:8")).at(-1)).toBe(
		"a OK [MESSAGELIMIT 3 6] UID EXPUNGE completed",
	);
	expect(world.account.mailbox("INBOX").uids()).toEqual([1, 5]);
	world.deliver("Subject: 9\r\n\r\ntext\r\n");
	world.deliver("Subject: 10\r\n\r\ntext\r\n");
	await client.command("a NOOP");
	await client.command("a UID STORE 9:10 +FLAGS.SILENT (\\Deleted)");
	expect((await client.command("a EXPUNGE")).at(-1)).toBe(
		"a OK EXPUNGE completed",
	);
	expect(world.account.mailbox("INBOX").uids()).toEqual([]);
});

test("a bound that was met beside something else to be told is told on its own", async () => {
	const client = await open({ messagesPerCommandMax: 2 }, 3);
	await client.command("a ENABLE QRESYNC");
	await client.command("a UID STORE 1 +FLAGS.SILENT (\\Deleted)");
	await client.command("a UID STORE 2:3 +FLAGS.SILENT (\\Deleted)");
	const lines = await client.command("a UID EXPUNGE 1:*");
	expect(lines.at(-2)).toBe(
		"* NO [MESSAGELIMIT 2 2] Only the newest messages were worked on",
	);
	expect(lines.at(-1)).toMatch(/^a OK \[HIGHESTMODSEQ \d+\] UID EXPUNGE/);
});

test("as many messages as a command may be about are appended, or none", async () => {
	const client = await open({ messagesPerCommandMax: 2 }, 0);
	const append = (count: number) =>
		client.command(`a APPEND INBOX${" {3+}\r\nabc".repeat(count)}`);
	expect(await append(3)).toEqual([
		"a NO [MESSAGELIMIT 2] Too many messages at once",
	]);
	expect(world.account.mailbox("INBOX").uids()).toEqual([]);
	expect((await append(2)).at(-1)).toMatch(/^a OK \[APPENDUID/);
});

test.each([
	["b1", '"b1"'],
	["b]1", "NIL"],
])("a command that takes long says so: %s", async (tag, told) => {
	const clock = new SimClock();
	const client = await open({ clock }, 1);
	const gate = Promise.withResolvers<void>();
	const { account } = world;
	const select = account.select.bind(account);
	let isWorking = false;
	account.select = async (name) => {
		isWorking = true;
		await gate.promise;
		return select(name);
	};
	client.send(`${tag} EXAMINE Sent\r\n`);
	await until("the command runs", () => isWorking);
	for (let round = 0; round < 2; round++) {
		await clock.advance(10_000);
		if (round === 0) expect(await client.response()).toContain("[CLOSED]");
		expect(await client.response()).toBe(
			`* OK [INPROGRESS (${told} NIL NIL)] Still at work`,
		);
	}
	gate.resolve();
	expect((await client.until(tag)).join("\n")).not.toContain("INPROGRESS");
	await clock.advance(30_000);
	expect(await client.command("c NOOP")).toEqual(["c OK NOOP completed"]);
});

test("UNAUTHENTICATE is not there where it is forbidden", async () => {
	const client = await open({ allowUnauthenticate: false }, 0);
	expect((await client.command("a CAPABILITY"))[0]).not.toContain(
		"UNAUTHENTICATE",
	);
	expect((await client.command("a UNAUTHENTICATE"))[0]).toContain("a BAD");
	await client.command("a COMPRESS DEFLATE");
});

test("after UNAUTHENTICATE there is as much time to log in as before", async () => {
	const clock = new SimClock();
	const client = await open({ clock }, 0);
	await clock.advance(20 * 60_000);
	await client.command("a UNAUTHENTICATE");
	await clock.advance(50_000);
	expect((await client.command("a NOOP")).at(-1)).toContain("a OK");
	await clock.advance(11_000);
	expect(await client.response()).toBe("* BYE Too slow to log in");
});
