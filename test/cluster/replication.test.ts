import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
	password,
	startCluster,
	type TestCluster,
} from "../harness/cluster.ts";
import { MessageMaker } from "../harness/messages.ts";
import { SmtpSender } from "../harness/smtp-sender.ts";
import { until } from "../harness/until.ts";
import {
	expectBodies,
	expectExactly,
	killOthers,
	range,
	send,
	sendAll,
	settled,
	user,
} from "./mail.ts";

describe("three nodes", () => {
	let cluster: TestCluster;
	beforeAll(async () => {
		cluster = await startCluster({ names: ["a", "b", "c"], users: [user] });
	});
	afterAll(() => cluster?.close());

	/** Bytes that get hurt where somebody decodes, re-wraps or trims. */
	const awkward = Buffer.concat([
		Buffer.from(
			"From: =?utf-8?q?J=C3=B6rg?= <joerg@sender.test>\r\nTo: ana@bench.test\r\nSubject: awkward\r\n\tfolded \r\nMessage-ID: <awkward@bench.test>\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		),
		Buffer.from([0xe4, 0xf6, 0xfc, 0xff, 0xfe, 0x09, 0x20, 0x0d, 0x0a]),
		Buffer.from("Grüße, 你好, 🦊 trailing blanks  \t\r\n"),
		Buffer.from(".a dot\r\n..two\r\n.\t\r\n\r\n\r\n"),
		Buffer.from(`${"x".repeat(998)}\r\nFrom here\r\n>From there\r\n`),
	]);

	test("mail taken by one is read on the others byte for byte", async () => {
		const [a, b, c] = cluster.nodes;
		if (!a || !b || !c) throw new Error("no cluster");
		const smtp = await SmtpSender.connect(await a.reach("smtp"));
		// RFC 5321 §4.5.2: a leading dot is doubled on the way.
		const stuffed = awkward.toString("latin1").replace(/^\./gm, "..");
		await smtp.send(
			"joerg@sender.test",
			[user],
			Buffer.from(stuffed, "latin1"),
		);
		smtp.quit();
		await settled(cluster.nodes, 1);
		const clients = await cluster.imap(user);
		const bodies: Buffer[] = [];
		for (const client of clients) {
			await client.select("INBOX");
			const [only] = await client.list();
			bodies.push(await client.body(only?.uid ?? 0));
			await client.logout();
		}
		const [first] = bodies;
		expect(first?.subarray(first.length - awkward.length)).toEqual(awkward);
		for (const body of bodies) expect(body).toEqual(first);
	});

	test("what was appended on one is read on the others exactly as it was", async () => {
		const [client, ...others] = await cluster.imap(user);
		if (!client) throw new Error("no client");
		await client.append(
			"Archive",
			awkward,
			"\\Seen \\Flagged $work",
			"17-Jul-1996 02:44:25 -0700",
		);
		for (const other of others) {
			await until(
				"the message in Archive",
				async () => (await other.mailboxStatus("Archive")).MESSAGES === 1,
			);
			await other.select("Archive");
			const [only] = await other.list();
			expect(only?.flags).toEqual(["$work", "\\Flagged", "\\Seen"]);
			expect(await other.body(only?.uid ?? 0)).toEqual(awkward);
			const { untagged } = await other.ok("FETCH 1 (INTERNALDATE RFC822.SIZE)");
			expect(untagged[0]?.text).toContain(`RFC822.SIZE ${awkward.length}`);
			const date = /INTERNALDATE "([^"]+)"/.exec(untagged[0]?.text ?? "")?.[1];
			expect(Date.parse(date ?? "")).toBe(Date.parse("17 Jul 1996 09:44:25Z"));
		}
		for (const each of [client, ...others]) await each.logout();
	});

	test("flags set on one are seen on the others, and so is taking them away", async () => {
		const [onA, onB, onC] = await cluster.imap(user);
		if (!onA || !onB || !onC) throw new Error("no clients");
		for (const client of [onA, onB, onC]) await client.select("INBOX");
		const sees = (client: typeof onA, wanted: string) =>
			until(`flags ${wanted}`, async () => {
				await client.ok("NOOP");
				return (await client.list())[0]?.flags.join(" ") === wanted;
			});
		await onB.ok("STORE 1 +FLAGS (\\Seen $label)");
		for (const client of [onA, onC]) await sees(client, "$label \\Seen");
		await onC.ok("STORE 1 -FLAGS ($label)");
		await onA.ok("STORE 1 +FLAGS (\\Answered)");
		for (const client of [onA, onB, onC])
			await sees(client, "\\Answered \\Seen");
		for (const client of [onA, onB, onC]) await client.logout();
	});

	test("an idling client on one node hears of mail and flags that came on another", async () => {
		const [onA, , onC] = await cluster.imap(user);
		if (!onA || !onC) throw new Error("no clients");
		await onA.select("INBOX");
		const { exists } = await onC.select("INBOX");
		const idling = await onC.idle();
		const told = idling.next(({ text }) => text === `${exists + 1} EXISTS`);
		await sendAll(cluster.node("a"), new MessageMaker("idle"), [1]);
		await told;
		const flagged = idling.next(
			({ text }) => text.startsWith("1 FETCH") && text.includes("\\Flagged"),
		);
		await onA.ok("STORE 1 +FLAGS (\\Flagged)");
		await flagged;
		await idling.done();
		await onA.logout();
		await onC.logout();
	});

	test("a mailbox made, renamed and deleted on one is so on the others", async () => {
		const [onA, onB] = await cluster.imap(user);
		if (!onA || !onB) throw new Error("no clients");
		const has = async (name: string) => {
			const { untagged } = await onB.ok('LIST "" "*"');
			return untagged.some(({ text }) => text.endsWith(name));
		};
		await onA.ok("CREATE Project/Plan");
		await until("Project/Plan on b", () => has("Project/Plan"));
		await onA.ok("RENAME Project Work");
		await until("Work/Plan on b", () => has("Work/Plan"));
		expect(await has("Project/Plan")).toBe(false);
		await onA.ok("DELETE Work/Plan");
		await until("Work/Plan gone on b", async () => !(await has("Work/Plan")));
		await onA.logout();
		await onB.logout();
	});
});

test("a node that was away while 500 messages came catches up, bodies too", async () => {
	const cluster = await startCluster({
		names: ["a", "b", "c"],
		users: [user],
	});
	try {
		const maker = new MessageMaker("away");
		const numbers = range(0, 520);
		const [a, b, c] = cluster.nodes;
		if (!a || !b || !c) throw new Error("no cluster");
		await sendAll(a, maker, numbers.slice(0, 20));
		await settled(cluster.nodes, 20);
		expect(await c.stop()).toBe(0);
		await Promise.all([
			sendAll(a, maker, numbers.slice(20, 270)),
			sendAll(b, maker, numbers.slice(270)),
		]);
		await c.start();
		expectExactly(await settled(cluster.nodes, 520), maker, numbers);
		await c.converged();
		await killOthers(cluster, c);
		await expectBodies(await c.imap(user, password), maker, numbers);
	} finally {
		await cluster.close();
	}
});

test("a node that joins late gets everything, through whichever node it joined", async () => {
	const cluster = await startCluster({ names: ["a", "b"], users: [user] });
	try {
		const maker = new MessageMaker("late");
		const numbers = range(0, 300);
		const [a, b] = cluster.nodes;
		if (!a || !b) throw new Error("no cluster");
		await sendAll(a, maker, numbers.slice(0, 150));
		await sendAll(b, maker, numbers.slice(150));
		const onA = await a.imap(user, password);
		await onA.select("INBOX");
		await onA.ok("STORE 1:50 +FLAGS.SILENT (\\Seen)");
		await onA.ok("STORE 51:60 +FLAGS.SILENT (\\Deleted)");
		await onA.ok("EXPUNGE");
		await onA.logout();
		const c = await cluster.add("c", b);
		await cluster.seen(3);
		const messages = await settled(cluster.nodes, 290);
		expect(
			messages.filter((each) => each.flags.includes("\\Seen")).length,
		).toBe(50);
		await c.converged();
		await killOthers(cluster, c);
		const alive = numbers.filter((number) =>
			messages.some((each) => each.messageId === maker.messageId(number)),
		);
		await expectBodies(await c.imap(user, password), maker, alive);
		expect(await send(c, maker, [1000])).toEqual([1000]);
	} finally {
		await cluster.close();
	}
});
