import { createTransport } from "nodemailer";
import { afterEach, expect, test, vi } from "vitest";
import { deriveScram } from "../../../node/accounts/scram.ts";
import type * as source from "../../../node/accounts/source.ts";
import { MemoryAuthenticator } from "../../../node/imap/memory-logins.ts";
import { realRandom } from "../../../sync/real/random.ts";
import { ScramClient, type ScramClientOptions } from "../../harness/scram.ts";
import { SmtpClient } from "../../harness/smtp-client.ts";
import { FakeDirectory, startWorld, testTls, type World } from "./fakes.ts";

/** Loopback is all that a test may use, so one of its addresses stands for the rest of the world. */
const ELSEWHERE = "127.0.0.77";
vi.mock("../../../node/accounts/source.ts", async (original) => {
	const real = await original<typeof source>();
	return {
		...real,
		isLoopback: (ip: string) => ip !== "127.0.0.77" && real.isLoopback(ip),
	};
});
const fromElsewhere = () => ({ ...world.at, localAddress: ELSEWHERE });

let world: World;
afterEach(() => world.close());

const submission = async (
	options: Parameters<typeof startWorld>[0] = {},
): Promise<SmtpClient> => {
	world = await startWorld({ kind: "submission", ...options });
	return SmtpClient.greeted(world.at);
};

test("mail only after AUTH, only as oneself, only to users here", async () => {
	const client = await submission({
		directory: new FakeDirectory("ann@here.test", "bob@here.test").alias(
			"info@here.test",
			"ann@here.test",
		),
	});
	expect((await client.command("MAIL FROM:<ann@here.test>")).text).toBe(
		"530 5.7.0 authentication required",
	);
	expect((await client.authPlain("ann@here.test", "wrong")).text).toMatch(
		/^535 5\.7\.8 /,
	);
	expect((await client.authPlain("ann@here.test", "secret")).code).toBe(235);
	expect((await client.command("MAIL FROM:<bob@here.test>")).text).toMatch(
		/^553 5\.7\.1 <bob@here\.test>: this address is not yours;/,
	);
	expect((await client.command("MAIL FROM:<info@here.test>")).code).toBe(250);
	expect((await client.command("RCPT TO:<x@there.test>")).text).toBe(
		"550 5.7.1 <x@there.test>: sending to other hosts is not part of this version",
	);
	expect((await client.command("RCPT TO:<eve@here.test>")).text).toBe(
		"550 5.1.1 <eve@here.test>: no such user here",
	);
	expect((await client.command("RSET")).code).toBe(250);
	const sent = await client.send({
		from: "Ann@Here.test",
		to: ["bob@here.test"],
		content: "Subject: x\r\n\r\nx\r\n",
	});
	expect(sent.code).toBe(250);
	expect(world.fake.stored().toString()).toContain(" with ESMTPA id ");
	await client.quit();
});

test("AUTH LOGIN, and a PLAIN that wants to be someone else", async () => {
	const client = await submission();
	const base64 = (text: string) => Buffer.from(text).toString("base64");
	const other = base64("bob@here.test\0ann@here.test\0secret");
	expect((await client.command(`AUTH PLAIN ${other}`)).code).toBe(535);
	expect((await client.command("AUTH LOGIN")).code).toBe(334);
	expect((await client.command(base64("ann@here.test"))).code).toBe(334);
	expect((await client.command(base64("secret"))).code).toBe(235);
	await client.quit();
});

test("outside loopback no AUTH before TLS, and none is offered", async () => {
	world = await startWorld({ kind: "submission" });
	const client = await SmtpClient.greeted(fromElsewhere());
	expect((await client.command("EHLO x")).lines.join()).not.toContain("AUTH");
	expect((await client.authPlain("ann@here.test", "secret")).text).toMatch(
		/^538 5\.7\.11 /,
	);
	expect((await client.command("MAIL FROM:<ann@here.test>")).code).toBe(530);
	expect((await client.startTls()).code).toBe(220);
	expect((await client.command("EHLO x")).lines).toContain(
		"AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS",
	);
	expect((await client.authPlain("ann@here.test", "secret")).code).toBe(235);
	await client.quit();
});

test("with allowPlaintextAuth it is offered to everyone", async () => {
	world = await startWorld({ kind: "submission", allowPlaintextAuth: true });
	const client = await SmtpClient.greeted(fromElsewhere());
	expect((await client.authPlain("ann@here.test", "secret")).code).toBe(235);
	await client.quit();
});

test("STARTTLS forgets what was said before, and takes nothing that came with it", async () => {
	const client = await submission();
	await client.authPlain("ann@here.test", "secret");
	await client.command("MAIL FROM:<ann@here.test>");
	expect((await client.startTls()).code).toBe(220);
	expect((await client.command("RCPT TO:<bob@here.test>")).code).toBe(503);
	await client.command("EHLO x");
	expect((await client.command("MAIL FROM:<ann@here.test>")).code).toBe(530);
	await client.authPlain("ann@here.test", "secret");
	const sent = await client.send({
		from: "ann@here.test",
		to: ["bob@here.test"],
		content: "Subject: x\r\n\r\nx\r\n",
	});
	expect(sent.code).toBe(250);
	expect(world.fake.stored().toString()).toContain(" with ESMTPSA id ");
	await client.quit();
	await expect.poll(() => world.server.connections()).toBe(0);
});

test("a command pipelined behind STARTTLS in clear is not run", async () => {
	const client = await submission();
	await client.raw("STARTTLS\r\nNOOP\r\nNOOP\r\n");
	expect((await client.reply()).code).toBe(220);
	client.destroy();
	await expect(client.reply()).rejects.toThrow();
	await expect.poll(() => world.server.connections()).toBe(0);
});

test("TLS from the start, with nodemailer", async () => {
	world = await startWorld({ kind: "submissions" });
	const transport = createTransport({
		...world.at,
		secure: true,
		tls: { rejectUnauthorized: false },
		auth: { user: "ann@here.test", pass: "secret" },
	});
	const info = await transport.sendMail({
		from: "ann@here.test",
		to: "bob@here.test",
		subject: "grüße",
		text: "line\n.\n..\nend",
		attachments: [{ filename: "x.bin", content: Buffer.alloc(10_000, 7) }],
	});
	expect(info.accepted).toEqual(["bob@here.test"]);
	expect(world.fake.content().toString()).toContain("\r\n.\r\n..\r\nend");
	transport.close();
});

test("STARTTLS, with nodemailer", async () => {
	world = await startWorld({ kind: "submission" });
	const transport = createTransport({
		...world.at,
		requireTLS: true,
		tls: { rejectUnauthorized: false },
		auth: { user: "ann@here.test", pass: "secret" },
	});
	await transport.sendMail({
		from: "ann@here.test",
		to: "ann@here.test",
		text: "hello",
	});
	expect(world.fake.stored().toString()).toContain(" with ESMTPSA id ");
	transport.close();
});

test("a new certificate is used for the next handshake, without a restart", async () => {
	const first = await testTls();
	let current = first;
	let reload = () => {};
	world = await startWorld({
		kind: "submission",
		tls: {
			secureContext: () => current.secureContext(),
			pem: () => current.pem(),
			onReload: (run) => {
				reload = run;
				return () => {};
			},
			close: () => {},
		},
	});
	const certificate = async () => {
		const client = await SmtpClient.greeted(world.at);
		await client.startTls();
		const der = client.peerCertificate();
		await client.quit();
		return der?.toString("hex");
	};
	const before = await certificate();
	current = await testTls("other.test");
	reload();
	const after = await certificate();
	expect(before).toBeTruthy();
	expect(after).toBeTruthy();
	expect(after).not.toBe(before);
});

test("stop ends connections also under TLS and in the middle of a handshake", async () => {
	world = await startWorld({ kind: "submissions" });
	const inTls = await SmtpClient.connect({ ...world.at, tls: true });
	await inTls.reply();
	const silent = await SmtpClient.connect(world.at);
	await expect.poll(() => world.server.connections()).toBe(2);
	await world.server.stop(0);
	await Promise.all([inTls.closed, silent.closed]);
	await expect.poll(() => world.server.connections()).toBe(0);
});

test("AUTH SCRAM-SHA-256, bound to TLS too", async () => {
	const authenticator = new MemoryAuthenticator(realRandom);
	const keys = await deriveScram("secret", realRandom);
	const ann = { id: "ann", address: "ann@here.test" } as never;
	authenticator.add("ann@here.test", "secret", ann, keys);
	const base64 = (text: string) => Buffer.from(text).toString("base64");
	const logIn = async (
		client: SmtpClient,
		mechanism: string,
		options: Partial<ScramClientOptions> = {},
	) => {
		const user = "ann@here.test";
		const scram = new ScramClient({ user, password: "secret", ...options });
		const first = await client.command(
			`AUTH ${mechanism} ${base64(scram.first)}`,
		);
		if (first.code !== 334) return first;
		const text = Buffer.from(first.text.slice(4), "base64").toString();
		const second = await client.command(base64(scram.answer(text)));
		if (second.code !== 334) return second;
		const final = Buffer.from(second.text.slice(4), "base64").toString();
		expect(scram.trusts(final)).toBe(true);
		return client.command("");
	};
	const client = await submission({ authenticator });
	await client.command("EHLO x");
	expect((await client.command("AUTH SCRAM-SHA-256")).code).toBe(334);
	expect((await client.command("*")).code).toBe(501);
	expect((await client.command("AUTH SCRAM-SHA-256 !")).code).toBe(501);
	expect((await client.command("AUTH SCRAM-SHA-256 eHg=")).code).toBe(501);
	const wrong = await logIn(client, "SCRAM-SHA-256", { password: "x" });
	expect(wrong.text).toMatch(/^535 5\.7\.8 /);
	const plus = await logIn(client, "SCRAM-SHA-256-PLUS");
	expect(plus.code).toBe(504);
	expect((await client.startTls()).code).toBe(220);
	await client.command("EHLO x");
	const unbound = await logIn(client, "SCRAM-SHA-256", { gs2Header: "y,," });
	expect(unbound.code).toBe(535);
	const binding = client.exportKeyingMaterial();
	const gs2Header = "p=tls-exporter,,";
	const other = await logIn(client, "SCRAM-SHA-256-PLUS", {
		gs2Header,
		binding: Buffer.alloc(32),
	});
	expect(other.code).toBe(535);
	const right = { gs2Header, binding };
	const bound = await logIn(client, "SCRAM-SHA-256-PLUS", right);
	expect(bound.code).toBe(235);
	expect((await client.command("MAIL FROM:<ann@here.test>")).code).toBe(250);
	expect((await client.command("AUTH SCRAM-SHA-256")).code).toBe(503);
	await client.quit();
});
