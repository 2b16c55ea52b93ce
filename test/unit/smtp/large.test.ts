import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MESSAGE_BYTES_MAX } from "../../../sync/limits.ts";
import { SmtpClient } from "../../harness/smtp-client.ts";
import { startWorld, type World } from "./fakes.ts";

// What is held, not what waits to be collected.
setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
const MiB = 1024 * 1024;
let world: World;
beforeEach(async () => {
	world = await startWorld();
	world.fake.forgetful = true;
});
afterEach(() => world.close());

async function inData(parameters = ""): Promise<SmtpClient> {
	const client = await SmtpClient.greeted(world.at);
	await client.pipeline([
		`MAIL FROM:<joe@there.test>${parameters}`,
		"RCPT TO:<ann@here.test>",
		"DATA",
	]);
	return client;
}

/** Sends `sizeBytes` of proper lines, one chunk after the other. */
async function pour(client: SmtpClient, sizeBytes: number): Promise<void> {
	const lines = Buffer.alloc(64 * 1024, `${"x".repeat(62)}\r\n`);
	for (let sent = 0; sent < sizeBytes; sent += lines.length)
		await client.raw(lines.subarray(0, sizeBytes - sent));
}

test("50 MiB go through in little memory, while the body store is slow", async () => {
	const used = () => {
		gc();
		const { heapUsed, arrayBuffers } = process.memoryUsage();
		return heapUsed + arrayBuffers;
	};
	const before = used();
	let most = 0;
	let writes = 0;
	world.fake.onWrite = () => {
		if (++writes % 100 === 0) most = Math.max(most, used() - before);
		return new Promise((resolve) => setImmediate(resolve));
	};
	const client = await inData(` SIZE=${MESSAGE_BYTES_MAX}`);
	await pour(client, MESSAGE_BYTES_MAX);
	await client.raw(".\r\n");
	expect((await client.reply()).code).toBe(250);
	expect(world.fake.deliveries[0]?.body.sizeBytes).toBeGreaterThan(
		MESSAGE_BYTES_MAX,
	);
	expect(writes).toBeGreaterThan(500);
	expect(most).toBeLessThan(8 * MiB);
	await client.quit();
});

test("a body store that stands still holds the client back", async () => {
	let release = () => {};
	world.fake.onWrite = () =>
		new Promise((resolve) => {
			release = resolve;
		});
	const client = await inData();
	let poured = false;
	const pouring = pour(client, MESSAGE_BYTES_MAX).then(() => {
		poured = true;
	});
	// A second conversation takes its course meanwhile, and shows that time has passed for the first.
	for (let i = 0; i < 50; i++) {
		const other = await SmtpClient.greeted(world.at);
		await other.quit();
	}
	expect(poured).toBe(false);
	world.fake.onWrite = () => undefined;
	release();
	await pouring;
	await client.raw(".\r\n");
	expect((await client.reply()).code).toBe(250);
	await client.quit();
});

test("one that is announced too big is refused at MAIL, one that becomes it at its end", async () => {
	const client = await SmtpClient.greeted(world.at);
	expect(
		(await client.command(`MAIL FROM:<> SIZE=${MESSAGE_BYTES_MAX + 1}`)).text,
	).toMatch(/^552 5\.3\.4 /);
	await client.quit();
	const silent = await inData();
	await pour(silent, MESSAGE_BYTES_MAX + 64);
	await silent.raw(".\r\n");
	expect((await silent.reply()).text).toMatch(/^552 5\.3\.4 /);
	expect(world.fake.aborted).toBe(1);
	await silent.quit();
	expect(world.fake.deliveries).toEqual([]);
});

test("one without end is cut off", async () => {
	const client = await inData();
	void pour(client, 3 * MESSAGE_BYTES_MAX);
	expect((await client.reply()).code).toBe(421);
	client.destroy();
	await client.closed;
	expect(world.fake.deliveries).toEqual([]);
});
