/** AUTHENTICATE with mechanisms that a text file cannot play: both sides compute. */
import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScramClient, type ScramClientOptions } from "../../harness/scram.ts";
import { RawClient } from "../../transcripts/client.ts";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
let client: RawClient;
beforeEach(async () => {
	world = await startWorld();
	client = await RawClient.connect(world.server.address().port);
	await client.response();
});
afterEach(async () => {
	client.close();
	await world.stop();
	expect(world.log.errors).toEqual([]);
});

const base64 = (text: string) => Buffer.from(text).toString("base64");
const text = (response: string | undefined) => {
	expect(response).toMatch(/^\+ /);
	return Buffer.from(response?.slice(2) ?? "", "base64").toString();
};

/** Logs in with SCRAM; resolves to the tagged response. */
async function logIn(
	mechanism: string,
	options: Partial<ScramClientOptions> = {},
	hasInitial = true,
): Promise<string | undefined> {
	const user = "ann@example.org";
	const scram = new ScramClient({ user, password: "secret", ...options });
	const first = base64(scram.first);
	if (hasInitial) client.send(`a AUTHENTICATE ${mechanism} ${first}\r\n`);
	else {
		client.send(`a AUTHENTICATE ${mechanism}\r\n`);
		expect(await client.response()).toBe("+ ");
		client.send(`${first}\r\n`);
	}
	const serverFirst = await client.response();
	if (!serverFirst?.startsWith("+")) return serverFirst;
	client.send(`${base64(scram.answer(text(serverFirst)))}\r\n`);
	const serverFinal = await client.response();
	if (!serverFinal?.startsWith("+")) return serverFinal;
	expect(scram.trusts(text(serverFinal))).toBe(true);
	client.send("\r\n");
	return client.response();
}

test("SCRAM-SHA-256, with and without an initial response", async () => {
	expect(await logIn("SCRAM-SHA-256", { password: "x" })).toMatch(
		/^a NO \[AUTHENTICATIONFAILED\]/,
	);
	expect(await logIn("SCRAM-SHA-256", { user: "eve@example.org" })).toMatch(
		/^a NO \[AUTHENTICATIONFAILED\]/,
	);
	expect(await logIn("SCRAM-SHA-256", {}, false)).toMatch(/^a OK \[CAPABILITY/);
	expect((await client.command("b SELECT INBOX")).at(-1)).toMatch(/^b OK/);
});

test("SCRAM-SHA-256-PLUS is offered with TLS only, and binds to it", async () => {
	const [offer] = await client.command("a CAPABILITY");
	expect(offer).not.toContain("PLUS");
	const plus = (type: string, binding: Uint8Array) =>
		logIn("SCRAM-SHA-256-PLUS", { gs2Header: `p=${type},,`, binding });
	expect(await plus("tls-exporter", Buffer.alloc(32))).toMatch(/^a NO/);
	expect((await client.command("a STARTTLS")).at(-1)).toMatch(/^a OK/);
	await client.startTls();
	const socket = client.socket as TLSSocket;
	// Somebody in between took the offer away.
	expect(await logIn("SCRAM-SHA-256", { gs2Header: "y,," })).toMatch(/^a NO/);
	expect(await plus("tls-exporter", Buffer.alloc(32))).toMatch(/^a NO/);
	expect(
		await plus(
			"tls-server-end-point",
			createHash("sha256").update(socket.getPeerCertificate().raw).digest(),
		),
	).toMatch(/^a OK/);
});

test("bound to the exported key of the connection", async () => {
	await client.command("a STARTTLS");
	await client.startTls();
	const socket = client.socket as TLSSocket;
	const binding = socket.exportKeyingMaterial(
		32,
		"EXPORTER-Channel-Binding",
		Buffer.alloc(0),
	);
	const gs2Header = "p=tls-exporter,,";
	expect(await logIn("SCRAM-SHA-256-PLUS", { gs2Header, binding })).toMatch(
		/^a OK/,
	);
});

test("an exchange can be cancelled at each step, and broken messages are BAD", async () => {
	expect(await client.command("a AUTHENTICATE SCRAM-SHA-256 eHg=")).toEqual([
		"a BAD not a SCRAM message",
	]);
	client.send("a AUTHENTICATE SCRAM-SHA-256\r\n*\r\n");
	expect(await client.response()).toBe("+ ");
	expect(await client.response()).toMatch(/^a BAD/);
	client.send(
		`a AUTHENTICATE SCRAM-SHA-256 ${base64("n,,n=ann@example.org,r=x")}\r\n`,
	);
	expect(text(await client.response())).toMatch(/^r=x/);
	client.send("*\r\n");
	expect(await client.response()).toMatch(/^a BAD/);
	expect(await logIn("SCRAM-SHA-256")).toMatch(/^a OK/);
});

test("AUTHENTICATE LOGIN, with and without an initial response", async () => {
	const prompts = {
		user: base64("User Name\0"),
		password: base64("Password\0"),
	};
	client.send("a AUTHENTICATE LOGIN\r\n");
	expect(await client.response()).toBe(`+ ${prompts.user}`);
	client.send(`${base64("ann@example.org")}\r\n`);
	expect(await client.response()).toBe(`+ ${prompts.password}`);
	client.send(`${base64("wrong")}\r\n`);
	expect(await client.response()).toMatch(/^a NO \[AUTHENTICATIONFAILED\]/);
	client.send(`a AUTHENTICATE LOGIN ${base64("ann@example.org")}\r\n`);
	expect(await client.response()).toBe(`+ ${prompts.password}`);
	client.send(`${base64("secret")}\r\n`);
	expect(await client.response()).toMatch(/^a OK/);
});
