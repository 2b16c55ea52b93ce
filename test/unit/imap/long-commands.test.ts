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
		"* 3 FETCH (UID 3)",
		"* 4 FETCH (UID 4)",
		"* 5 FETCH (UID 5)",
		"a OK [MESSAGELIMIT 3 3] FETCH completed",
	]);
	expect(await client.command("a UID FETCH 1:3 UID")).toHaveLength(4);
	expect(await client.command("a STORE 1:4 +FLAGS.SILENT (\\Flagged)")).toEqual(
		["a OK [MESSAGELIMIT 3 2] STORE completed"],
	);
	expect(world.account.mailbox("INBOX").get(1 as never)?.flags).toEqual([]);
	expect(await client.command("a UID SEARCH ALL")).toEqual([
		"* SEARCH 3 4 5",
		"a OK [MESSAGELIMIT 3 3] UID SEARCH completed",
	]);
	expect(await client.command("a SORT (REVERSE ARRIVAL) UTF-8 ALL")).toEqual([
		"* SORT 3 4 5",
		"a OK [MESSAGELIMIT 3 3] SORT completed",
	]);
});

test("a copy or a move of too many is refused whole; expunges go on step by step", async () => {
	const client = await open({ messagesPerCommandMax: 3 }, 5);
	for (const command of ["COPY 1:4 Sent", "UID MOVE 1:4 Sent"])
		expect(await client.command(`a ${command}`)).toEqual([
			"a NO [MESSAGELIMIT 3] Too many messages at once",
		]);
	expect(world.account.mailbox("Sent").uids()).toEqual([]);
	for (const uids of ["1:3", "4:5"])
		await client.command(`a UID STORE ${uids} +FLAGS.SILENT (\\Deleted)`);
	expect(await client.command("a EXPUNGE")).toEqual([
		"* 5 EXPUNGE",
		"* 4 EXPUNGE",
		"* 3 EXPUNGE",
		"a OK [MESSAGELIMIT 3 3] EXPUNGE completed",
	]);
	expect((await client.command("a EXPUNGE")).at(-1)).toBe(
		"a OK EXPUNGE completed",
	);
	expect(world.account.mailbox("INBOX").uids()).toEqual([]);
});

test("a command that takes long says so", async () => {
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
	client.send("b1 EXAMINE Sent\r\n");
	await until("the command runs", () => isWorking);
	for (let round = 0; round < 2; round++) {
		await clock.advance(10_000);
		if (round === 0) expect(await client.response()).toContain("[CLOSED]");
		expect(await client.response()).toBe(
			'* OK [INPROGRESS ("b1" NIL NIL)] Still at work',
		);
	}
	gate.resolve();
	expect((await client.until("b1")).join("\n")).not.toContain("INPROGRESS");
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
