import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { uid } from "../../../sync/ids.ts";
import { until } from "../../harness/until.ts";
import { RawClient } from "../../transcripts/client.ts";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
afterEach(() => world.stop());

const TEXT_BYTES = 2 * 1024 * 1024;

test("what happens while a text is sent is told after it, not within", async () => {
	world = await startWorld();
	world.deliver(`Subject: x\r\n\r\n${"a".repeat(TEXT_BYTES)}`);
	const { bodies, account } = world;
	const client = await RawClient.connect(world.server.address().port);
	await client.response();
	await client.command("a LOGIN ann@example.org secret");
	await client.command("a SELECT INBOX");
	await client.command(
		"a NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge))",
	);
	const stream = bodies.stream.bind(bodies);
	let pieces = 0;
	bodies.stream = async function* (...args) {
		for await (const piece of stream(...args)) {
			// In the midst of the literal, and with room to write in between.
			if (++pieces === 10) {
				account
					.mailbox("INBOX")
					.store([uid(1)], { mode: "add", flags: ["\\Flagged"] });
				world.deliver("sent", "Sent");
			}
			yield piece;
		}
	};
	client.send("b FETCH 1 BODY.PEEK[TEXT]\r\n");
	const text = await client.response();
	expect(text?.length).toBe(
		`* 1 FETCH (BODY[TEXT] {${TEXT_BYTES}}\r\n`.length + TEXT_BYTES + 1,
	);
	expect(text).toMatch(/^\* 1 FETCH \(BODY\[TEXT\] \{\d+\}\r\na+\)$/);
	expect(await client.response()).toBe("* 1 FETCH (UID 1 FLAGS (\\Flagged))");
	expect(await client.response()).toBe("b OK FETCH completed");
	expect(await client.response()).toMatch(/^\* STATUS Sent \(MESSAGES 1 /);
	client.close();
});

test("a session that has gone watches nothing any more", async () => {
	world = await startWorld();
	const client = await RawClient.connect(world.server.address().port);
	await client.response();
	await client.command("a LOGIN ann@example.org secret");
	await client.command(
		"a NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))",
	);
	expect(world.account.listeners).toBeGreaterThan(0);
	client.socket.end();
	await once(client.socket, "close");
	await until("nothing is watched", () => world.account.listeners === 0);
});
