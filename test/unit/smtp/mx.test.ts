import { afterEach, beforeEach, expect, test } from "vitest";
import { ClientFault, OperatorFault, Temporary } from "../../../sync/faults.ts";
import { address } from "../../../sync/ids.ts";
import {
	RECIPIENTS_MAX,
	SMTP_CONNECTIONS_PER_SOURCE_MAX,
	SMTP_ERRORS_MAX,
} from "../../../sync/limits.ts";
import { StoreFull } from "../../../sync/ports/store.ts";
import { SmtpClient } from "../../harness/smtp-client.ts";
import { FakeDirectory, startWorld, type World } from "./fakes.ts";

let world: World;
beforeEach(async () => {
	world = await startWorld();
});
afterEach(() => world.close());

const mail = {
	from: "joe@there.test",
	to: ["ann@here.test"],
	content: "Subject: hi\r\n\r\n.dot\r\nbye\r\n",
};

test("greets with its name and offers what it can", async () => {
	const client = await SmtpClient.connect(world.at);
	expect((await client.reply()).text).toBe("220 mail.test ESMTP");
	const ehlo = await client.command("EHLO client.test");
	expect(ehlo.lines).toEqual([
		"mail.test",
		"PIPELINING",
		"8BITMIME",
		"SMTPUTF8",
		"ENHANCEDSTATUSCODES",
		"STARTTLS",
		"SIZE 52428800",
	]);
	await client.quit();
});

test("stores a message with its trace before it, and nothing else changed", async () => {
	const client = await SmtpClient.greeted(world.at);
	expect((await client.send(mail)).text).toMatch(/^250 2\.6\.0 accepted as /);
	const stored = world.fake.stored().toString();
	expect(stored).toMatch(
		/^Return-Path: <joe@there\.test>\r\nReceived: from client\.test \(\[127\.0\.0\.1\]\)\r\n\tby mail\.test with ESMTP id \S+\r\n\tfor <ann@here\.test>;\r\n\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nSubject: hi\r\n/,
	);
	expect(world.fake.content().toString()).toBe(mail.content);
	await client.quit();
});

test("one body for many recipients, each account once, and no recipient named", async () => {
	await world.close();
	world = await startWorld({
		directory: new FakeDirectory("ann@here.test", "bob@here.test").alias(
			"both@here.test",
			"ann@here.test",
			"bob@here.test",
		),
	});
	const client = await SmtpClient.greeted(world.at);
	const to = ["ann@here.test", "both@here.test", "BOB@HERE.TEST"];
	expect((await client.send({ ...mail, to })).code).toBe(250);
	expect(world.fake.deliveries).toHaveLength(1);
	expect(world.fake.deliveries[0]?.recipients).toHaveLength(2);
	expect(world.fake.stored().toString()).not.toContain("for <");
	await client.quit();
});

test("unknown users and foreign domains are refused at RCPT, with their reasons", async () => {
	const client = await SmtpClient.greeted(world.at);
	const [, unknown, foreign, known] = await client.pipeline([
		"MAIL FROM:<>",
		"RCPT TO:<eve@here.test>",
		"RCPT TO:<eve@there.test>",
		"RCPT TO:<Ann@Here.Test>",
	]);
	expect(unknown?.text).toBe("550 5.1.1 <eve@here.test>: no such user here");
	expect(foreign?.text).toMatch(
		/^550 5\.7\.1 <eve@there\.test>: this host does not relay;/,
	);
	expect(known?.text).toBe("250 2.1.5 Accepted");
	await client.quit();
});

test("postmaster without a domain is the postmaster that there is", async () => {
	const client = await SmtpClient.greeted(world.at);
	await client.command("MAIL FROM:<>");
	expect((await client.command("RCPT TO:<postmaster>")).text).toBe(
		"550 5.1.1 <postmaster>: no such user here",
	);
	await client.quit();
	await world.close();
	world = await startWorld({
		directory: new FakeDirectory("ann@here.test").alias(
			"postmaster@here.test",
			"ann@here.test",
		),
	});
	const second = await SmtpClient.greeted(world.at);
	expect((await second.send({ ...mail, to: ["Postmaster"] })).code).toBe(250);
	await second.quit();
});

test("no AUTH here", async () => {
	const client = await SmtpClient.greeted(world.at);
	expect((await client.authPlain("ann@here.test", "secret")).code).toBe(500);
	await client.quit();
});

test("more recipients than the bound: 452, and the others are kept", async () => {
	await world.close();
	const users = Array.from(
		{ length: RECIPIENTS_MAX + SMTP_ERRORS_MAX + 10 },
		(_, i) => `u${i}@here.test`,
	);
	world = await startWorld({ directory: new FakeDirectory(...users) });
	const client = await SmtpClient.greeted(world.at);
	const replies = await client.pipeline([
		"MAIL FROM:<>",
		...users.map((user) => `RCPT TO:<${user}>`),
	]);
	expect(replies.filter(({ code }) => code === 250)).toHaveLength(
		1 + RECIPIENTS_MAX,
	);
	expect(replies.at(-1)?.text).toMatch(/^452 4\.5\.3 /);
	await client.command("DATA");
	expect((await client.content("Subject: x\r\n\r\n")).code).toBe(250);
	expect(world.fake.deliveries[0]?.recipients).toHaveLength(RECIPIENTS_MAX);
	await client.quit();
});

test.each([
	[new Temporary("too few copies"), "451 4.3.0 too few copies"],
	[new StoreFull("disk"), "452 4.3.1 no room at the moment; try again"],
	[new ClientFault("OVERQUOTA", "mailbox full"), "452 4.2.2 mailbox full"],
	[new TypeError("bug"), "451 4.3.0 local error; try again"],
])(
	"what goes wrong in delivery is answered by whose fault it is: %s",
	async (error, text) => {
		world.fake.onDeliver = () => Promise.reject(error);
		const client = await SmtpClient.greeted(world.at);
		expect((await client.send(mail)).text).toBe(text);
		expect(world.log.lines.some(({ level }) => level === "error")).toBe(
			error instanceof TypeError,
		);
		world.fake.onDeliver = () => {};
		expect((await client.send(mail)).code).toBe(250);
		await client.quit();
	},
);

test("a store that fails while the message comes is answered at its end", async () => {
	world.fake.onWrite = () => Promise.reject(new StoreFull("disk"));
	const client = await SmtpClient.greeted(world.at);
	expect((await client.send(mail)).code).toBe(452);
	expect(world.fake.aborted).toBe(1);
	await client.quit();
});

test("a success is confirmed when the client says something after it, and not before", async () => {
	const client = await SmtpClient.greeted(world.at);
	await client.send(mail);
	expect(world.fake.confirmed).toEqual([]);
	await client.command("NOOP");
	expect(world.fake.confirmed).toEqual([world.fake.deliveries[0]?.transaction]);
	await client.quit();
	expect(world.fake.confirmed).toHaveLength(1);
});

test.each([
	["a cut", 0],
	["another command", 1],
])(
	"no confirmation from commands that came with the message; then %s",
	async (after, confirmed) => {
		let release = () => {};
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		world.fake.onDeliver = () => held;
		const client = await SmtpClient.greeted(world.at);
		await client.pipeline(["MAIL FROM:<>", "RCPT TO:<ann@here.test>", "DATA"]);
		void client.raw("Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<>\r\nRSET\r\n");
		release();
		const codes = [
			await client.reply(),
			await client.reply(),
			await client.reply(),
		].map(({ code }) => code);
		expect(codes).toEqual([250, 250, 250]);
		expect(world.fake.confirmed).toEqual([]);
		if (after === "another command") await client.command("NOOP");
		client.destroy();
		await client.closed;
		const other = await SmtpClient.greeted(world.at);
		await other.quit();
		expect(world.fake.deliveries).toHaveLength(1);
		expect(world.fake.confirmed).toHaveLength(confirmed);
	},
);

test("transactions that came in one go are answered one after the other", async () => {
	const client = await SmtpClient.greeted(world.at);
	const one = (content: string) =>
		`MAIL FROM:<joe@there.test>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\n${content}\r\n.\r\n`;
	await client.raw(`${one("first")}${one("second")}NOOP\r\n`);
	const codes: number[] = [];
	for (let i = 0; i < 9; i++) codes.push((await client.reply()).code);
	expect(codes).toEqual([250, 250, 354, 250, 250, 250, 354, 250, 250]);
	expect(world.fake.content(0).toString()).toBe("first\r\n");
	expect(world.fake.content(1).toString()).toBe("second\r\n");
	await client.quit();
});

test.each([2, 3_000])(
	"replies to %i commands in one go all come, in order",
	async (count) => {
		const client = await SmtpClient.greeted(world.at);
		await client.raw(`${"NOOP\r\n".repeat(count)}EHLO again.test\r\n`);
		for (let i = 0; i < count; i++)
			expect((await client.reply()).text).toBe("250 2.0.0 OK");
		expect((await client.reply()).lines[0]).toBe("mail.test");
		await client.quit();
	},
);

test("a client that goes away within DATA leaves nothing", async () => {
	const client = await SmtpClient.greeted(world.at);
	await client.pipeline(["MAIL FROM:<>", "RCPT TO:<ann@here.test>", "DATA"]);
	await client.raw("Subject: x\r\n\r\nhalf\r\n");
	await expect.poll(() => world.server.connections()).toBe(1);
	client.destroy();
	await expect.poll(() => world.fake.aborted).toBe(1);
	await expect.poll(() => world.server.connections()).toBe(0);
	expect(world.fake.deliveries).toEqual([]);
});

test("transactions of different connections wait for their deliveries together", async () => {
	let release = () => {};
	const held = new Promise<void>((resolve) => {
		release = resolve;
	});
	let waiting = 0;
	world.fake.onDeliver = () => {
		waiting++;
		return held;
	};
	const clients = await Promise.all(
		Array.from({ length: 20 }, () => SmtpClient.greeted(world.at)),
	);
	const replies = clients.map((client) => client.send(mail));
	await expect.poll(() => waiting).toBe(20);
	release();
	for (const reply of await Promise.all(replies)) expect(reply.code).toBe(250);
	await Promise.all(clients.map((client) => client.quit()));
});

test("a retry has the same transaction key, another message another", async () => {
	const first = await SmtpClient.greeted(world.at);
	const to = ["ann@here.test", "bob@here.test"];
	await first.send({ ...mail, to });
	first.destroy();
	const again = await SmtpClient.connect(world.at);
	await again.reply();
	await again.command("HELO elsewhere.test");
	await again.send({ ...mail, to: ["BOB@here.test", "ann@here.test"] });
	await again.send({ ...mail, to, content: `${mail.content}x\r\n` });
	await again.send({ ...mail, to, from: "jim@there.test" });
	await again.quit();
	const keys = world.fake.deliveries.map(({ transaction }) => transaction);
	expect(keys[1]).toBe(keys[0]);
	expect(new Set(keys).size).toBe(3);
});

test("a flood from one address does not keep another out", async () => {
	const flood = await Promise.all(
		Array.from({ length: SMTP_CONNECTIONS_PER_SOURCE_MAX }, () =>
			SmtpClient.greeted(world.at),
		),
	);
	const refused = await SmtpClient.connect(world.at);
	expect((await refused.reply()).code).toBe(421);
	await refused.closed;
	const other = await SmtpClient.connect({
		...world.at,
		localAddress: "127.0.0.9",
	});
	expect((await other.reply()).code).toBe(220);
	await other.command("EHLO x");
	await other.quit();
	for (const client of flood) client.destroy();
	await expect.poll(() => world.server.connections()).toBe(0);
	const back = await SmtpClient.greeted(world.at);
	await back.quit();
});

test("too many refused commands end the connection", async () => {
	const client = await SmtpClient.greeted(world.at);
	await client.command("MAIL FROM:<>");
	for (let i = 0; i < SMTP_ERRORS_MAX; i++)
		expect((await client.command("RCPT TO:<eve@here.test>")).code).toBe(550);
	await client.command("RCPT TO:<eve@here.test>");
	expect((await client.reply()).code).toBe(421);
	await client.closed;
});

test("SMTPUTF8: addresses in other scripts, named as such in the trace", async () => {
	await world.close();
	world = await startWorld({
		directory: new FakeDirectory("änne@hier.test", "ann@bücher.test"),
	});
	const client = await SmtpClient.greeted(world.at);
	const [, known, unknown] = await client.pipeline([
		"MAIL FROM:<jürgen@dort.test> SMTPUTF8 BODY=8BITMIME",
		"RCPT TO:<Änne@hier.test>",
		"RCPT TO:<bö@hier.test>",
	]);
	expect(known?.code).toBe(250);
	expect(unknown?.text).toContain("<bö@hier.test>");
	await client.command("DATA");
	expect((await client.content("Subject: grüße\r\n\r\n")).code).toBe(250);
	expect(world.fake.stored().toString()).toMatch(
		/^Return-Path: <jürgen@dort\.test>\r\n.*\r\n\tby mail\.test with UTF8SMTP id .*\r\n\tfor <Änne@hier\.test>;/,
	);
	const ascii = {
		...mail,
		to: ["ann@xn--bcher-kva.test"],
		from: "x@xn--bcher-kva.test",
	};
	expect((await client.send(ascii)).code).toBe(250);
	expect(world.fake.stored().toString("latin1")).toMatch(
		/^Return-Path: <x@xn--bcher-kva\.test>\r\n/,
	);
	await client.quit();
});

test("stop: idle connections hear 421, one in delivery is finished first", async () => {
	let release = () => {};
	let delivering = () => {};
	const started = new Promise<void>((resolve) => {
		delivering = resolve;
	});
	world.fake.onDeliver = () =>
		new Promise<void>((resolve) => {
			release = resolve;
			delivering();
		});
	const idle = await SmtpClient.greeted(world.at);
	const busy = await SmtpClient.greeted(world.at);
	const reply = busy.send(mail);
	await started;
	const stopped = world.server.stop(20_000);
	expect((await idle.reply()).code).toBe(421);
	await idle.closed;
	release();
	expect((await reply).code).toBe(250);
	expect((await busy.command("NOOP")).code).toBe(421);
	await busy.closed;
	await stopped;
	await expect(SmtpClient.connect(world.at)).rejects.toThrow();
});

test("a port that is taken is the operator's fault, and named", async () => {
	const { host, port } = world.at;
	await expect(startWorld({ listen: { host, port } })).rejects.toThrow(
		new OperatorFault(
			`cannot listen on ${host}:${port} for SMTP: the port is taken; choose another address with --smtp`,
		),
	);
});

test("a full mailbox is 452 at RCPT, by the size that is declared; others go on", async () => {
	await world.close();
	const directory = new FakeDirectory("ann@here.test", "bob@here.test");
	const [ann] = directory.lookup(address("ann@here.test"));
	if (ann === undefined) throw new Error("no ann");
	directory.room.set(ann, 1_000);
	world = await startWorld({ directory });
	const client = await SmtpClient.greeted(world.at);
	const rcpt = (user: string) => client.command(`RCPT TO:<${user}@here.test>`);
	await client.command("MAIL FROM:<joe@there.test> SIZE=1001");
	expect((await rcpt("ann")).text).toBe(
		"452 4.2.2 <ann@here.test>: the mailbox is full",
	);
	expect((await rcpt("bob")).code).toBe(250);
	await client.command("RSET");
	await client.command("MAIL FROM:<joe@there.test> SIZE=1000");
	expect((await rcpt("ann")).code).toBe(250);
	await client.command("RSET");
	await client.command("MAIL FROM:<joe@there.test>");
	expect((await rcpt("ann")).code).toBe(250);
	await client.command("RSET");
	directory.room.set(ann, 0);
	await client.command("MAIL FROM:<joe@there.test>");
	expect((await rcpt("ann")).code).toBe(452);
	await client.quit();
});

test("what turns out not to fit at the end of DATA is 452 4.2.2", async () => {
	world.fake.onDeliver = () => {
		throw new ClientFault("OVERQUOTA", "the account has no room for it");
	};
	const client = await SmtpClient.greeted(world.at);
	expect((await client.send(mail)).text).toBe(
		"452 4.2.2 the account has no room for it",
	);
	await client.quit();
});
