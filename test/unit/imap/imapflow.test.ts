/** A real client library against the server on memory twins. */
import { ImapFlow } from "imapflow";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
let client: ImapFlow;

const connect = async () => {
	const flow = new ImapFlow({
		host: "127.0.0.1",
		port: world.server.address().port,
		secure: false,
		auth: { user: "ann@example.org", pass: "secret" },
		tls: { rejectUnauthorized: false },
		logger: false,
	});
	await flow.connect();
	return flow;
};

beforeEach(async () => {
	world = await startWorld();
	client = await connect();
});
afterEach(async () => {
	await client.logout();
	await world.stop();
	expect(world.log.errors).toEqual([]);
});

test("a person's day", async () => {
	expect(client.secureConnection).toBe(true);
	const list = await client.list({ statusQuery: { messages: true } });
	expect(list.map(({ path }) => path).sort()).toEqual([
		"Archive",
		"Drafts",
		"INBOX",
		"Junk",
		"Sent",
		"Trash",
	]);
	expect(list.find(({ path }) => path === "Sent")?.specialUse).toBe("\\Sent");
	await client.mailboxCreate(["Réunions", "2026"]);
	const text = "Subject: Grüße\r\nFrom: Ann <ann@example.org>\r\n\r\nHello\r\n";
	const appended = await client.append("INBOX", text, ["\\Seen"], new Date(0));
	expect(appended).toMatchObject({ uid: 1 });
	const lock = await client.getMailboxLock("INBOX");
	try {
		expect(client.mailbox).toMatchObject({ exists: 1 });
		const message = await client.fetchOne("1", {
			envelope: true,
			flags: true,
			bodyStructure: true,
			internalDate: true,
			source: true,
		});
		if (!message) throw new Error("no message");
		expect(message.source?.toString()).toBe(text);
		expect(message.envelope?.from?.[0]?.address).toBe("ann@example.org");
		expect(message.flags).toEqual(new Set(["\\Seen"]));
		expect(message.bodyStructure?.type).toBe("text/plain");
		await client.messageFlagsAdd("1", ["\\Flagged", "$Todo"]);
		expect(await client.search({ flagged: true, body: "hello" })).toEqual([1]);
		expect(await client.search({ keyword: "$Todo" }, { uid: true })).toEqual([
			1,
		]);
		const copied = await client.messageCopy("1", "Archive");
		expect(copied).toMatchObject({ uidMap: new Map([[1, 1]]) });
		const moved = await client.messageMove("1", "Réunions/2026");
		expect(moved).toMatchObject({ destination: "Réunions/2026" });
		expect(client.mailbox).toMatchObject({ exists: 0 });
	} finally {
		lock.release();
	}
	const status = await client.status("Réunions/2026", { messages: true });
	expect(status).toMatchObject({ messages: 1 });
	await client.mailboxRename("Réunions/2026", "Réunions/alt");
	await client.mailboxDelete("Réunions/alt");
});

test("is told of new mail while it idles", async () => {
	await client.mailboxOpen("INBOX");
	const exists = new Promise<number>((resolve) => {
		client.on("exists", ({ count }) => resolve(count));
	});
	const idling = client.idle();
	world.deliver("Subject: new\r\n\r\n");
	expect(await exists).toBe(1);
	const expunged = new Promise<number>((resolve) => {
		client.on("expunge", ({ seq }) => resolve(seq as number));
	});
	world.account.mailbox("INBOX").expunge(world.account.mailbox("INBOX").uids());
	expect(await expunged).toBe(1);
	await client.noop();
	await idling;
});

test("downloads parts and reads many messages", async () => {
	for (let index = 0; index < 50; index++)
		world.deliver(`Subject: number ${index}\r\n\r\n${"x".repeat(5_000)}\r\n`);
	await client.mailboxOpen("INBOX");
	const subjects: string[] = [];
	for await (const message of client.fetch("1:*", {
		envelope: true,
		source: true,
	})) {
		expect(message.source?.length).toBeGreaterThan(5_000);
		subjects.push(message.envelope?.subject ?? "");
	}
	expect(subjects.length).toBe(50);
	expect(subjects[49]).toBe("number 49");
	const { content } = await client.download("7", "1");
	let bytes = 0;
	for await (const chunk of content ?? []) bytes += chunk.length;
	expect(bytes).toBe(5_002);
});
