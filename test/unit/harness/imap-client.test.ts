import { createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ImapClient } from "../../harness/imap-client.ts";

/** The instrument itself: what it reads must not depend on how the bytes are cut. */
const closers: (() => void)[] = [];
afterEach(() => {
	for (const close of closers.splice(0)) close();
});

async function against(serve: (socket: Socket) => void): Promise<ImapClient> {
	const server = createServer(serve);
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	if (address === null || typeof address === "string")
		throw new Error("no port");
	const client = await ImapClient.connect({
		host: "127.0.0.1",
		port: address.port,
	});
	closers.push(
		() => client.close(),
		() => server.close(),
	);
	return client;
}

const answer = Buffer.from(
	"* 1 FETCH (UID 7 BODY[] {15}\r\nA: b\r\n\r\nC {3}\r\n FLAGS (\\Seen) X {0}\r\n)\r\n* 2 EXISTS\r\nA1 OK [READ-ONLY] done\r\n",
);

test.each([1, 2, 3, 7, 1000])(
	"replies are read whatever the chunks: %i bytes each",
	async (size) => {
		const client = await against(async (socket) => {
			socket.setNoDelay(true).on("error", () => {});
			socket.write("* OK ready\r\n");
			await new Promise((resolve) => socket.once("data", resolve));
			for (let at = 0; at < answer.length; at += size) {
				socket.write(answer.subarray(at, at + size));
				await new Promise((resolve) => setImmediate(resolve));
			}
		});
		const reply = await client.ok("FETCH 1 (UID BODY[])");
		expect(reply.text).toBe("[READ-ONLY] done");
		expect(reply.untagged.map((line) => line.text)).toEqual([
			"1 FETCH (UID 7 BODY[] {15} FLAGS (\\Seen) X {0})",
			"2 EXISTS",
		]);
		expect(reply.untagged[0]?.literals.map(String)).toEqual([
			"A: b\r\n\r\nC {3}\r\n",
			"",
		]);
	},
);

test("a literal waits for the server's +, and a refusal instead of it ends the command", async () => {
	const heard: string[] = [];
	const client = await against((socket) => {
		socket.on("error", () => {}).write("* OK ready\r\n");
		socket.on("data", (chunk) => {
			const text = chunk.toString();
			heard.push(text);
			if (text.startsWith("A1") && text.endsWith("{5}\r\n"))
				socket.write("+ go\r\n");
			else if (heard.length === 2)
				socket.write("A1 OK [APPENDUID 1 2] stored\r\n");
			else socket.write("A2 NO [TOOBIG] no\r\n");
		});
	});
	await client.append("INBOX", Buffer.from("hello"));
	expect(heard).toEqual(['A1 APPEND "INBOX" () {5}\r\n', "hello\r\n"]);
	const refused = await client.command(["APPEND INBOX ", Buffer.from("x")]);
	expect(refused.status).toBe("NO");
	expect(heard.length).toBe(3);
});

test("a connection that ends rejects what waits, and the next command", async () => {
	const client = await against((socket) => {
		socket.on("error", () => {}).write("* OK ready\r\n");
		socket.on("data", () => socket.end());
	});
	await expect(client.command("NOOP")).rejects.toThrow("closed");
	await expect(client.command("NOOP")).rejects.toThrow("closed");
});
