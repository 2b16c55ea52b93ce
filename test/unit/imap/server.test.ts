/** The server on sockets: TLS, limits, time limits, stopping, large messages, slow readers. */
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { startImapServer } from "../../../node/imap/server.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	IMAP_IDLE_MILLISECONDS_MAX,
	IMAP_INPUT_BYTES_MAX,
	IMAP_LINE_BEFORE_LOGIN_BYTES_MAX,
	IMAP_LINE_BYTES_MAX,
	IMAP_LITERAL_SKIP_BYTES_MAX,
	IMAP_LOGIN_MILLISECONDS_MAX,
	IMAP_OUTPUT_BYTES_MAX,
	IMAP_READ_AHEAD_BYTES,
	IMAP_STALL_MILLISECONDS_MAX,
	MESSAGE_BYTES_MAX,
} from "../../../sync/limits.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { RawClient } from "../../transcripts/client.ts";
import {
	startWorld,
	type World,
	type WorldOptions,
} from "../../transcripts/world.ts";

let world: World;
const clients: RawClient[] = [];

async function start(options?: WorldOptions): Promise<void> {
	world = await startWorld(options);
}

async function open(tls = false): Promise<RawClient> {
	const client = await RawClient.connect(world.server.address().port, tls);
	clients.push(client);
	return client;
}

async function logIn(mailbox?: string): Promise<RawClient> {
	const client = await open();
	await client.response();
	await client.command("a LOGIN ann@example.org secret");
	if (mailbox !== undefined) await client.command(`a SELECT ${mailbox}`);
	return client;
}

/** Turns the event loop until something holds. */
async function until(holds: () => boolean): Promise<void> {
	// In time and not in turns: what other threads do may have to wait for a core.
	const end = realClock.monotonic() + 30_000;
	while (!holds()) {
		if (realClock.monotonic() > end) throw new Error("it never came to hold");
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Turns the event loop until a number has not moved for long. */
async function settled(number: () => number): Promise<void> {
	let last = number();
	for (let quiet = 0; quiet < 1_000; quiet++) {
		await new Promise((resolve) => setImmediate(resolve));
		if (number() === last) continue;
		last = number();
		quiet = 0;
	}
}

afterEach(async () => {
	for (const client of clients.splice(0)) client.close();
	await world.stop();
	expect(world.log.errors).toEqual([]);
});

describe("TLS", () => {
	test("from the start", async () => {
		await start({ implicitTls: true });
		const client = await open(true);
		const greeting = await client.response();
		expect(greeting).toContain("AUTH=PLAIN");
		expect(greeting).not.toContain("STARTTLS");
		const answer = await client.command("a LOGIN ann@example.org secret");
		expect(answer.at(-1)).toContain("a OK");
		await client.command("b LOGOUT");
		expect(await client.response()).toBe(undefined);
		await until(() => world.server.connections() === 0);
	});

	test("who does not speak it is cut, others are served", async () => {
		await start({ implicitTls: true });
		const stranger = await open();
		stranger.send("a CAPABILITY\r\n");
		expect(await stranger.response()).toBe(undefined);
		expect(await (await open(true)).response()).toContain("* OK");
	});

	test("a silent handshake ends", async () => {
		const clock = new SimClock();
		await start({ implicitTls: true, clock });
		const stranger = await open();
		await until(() => world.server.connections() === 1);
		await clock.advance(IMAP_LOGIN_MILLISECONDS_MAX);
		expect(await stranger.response()).toBe(undefined);
	});
});

describe("time limits", () => {
	test("before login", async () => {
		const clock = new SimClock();
		await start({ clock });
		const client = await open();
		await client.command("a NOOP");
		await clock.advance(IMAP_LOGIN_MILLISECONDS_MAX - 1);
		await client.command("a NOOP");
		await clock.advance(1);
		expect(await client.response()).toBe("* BYE Too slow to log in");
		expect(await client.response()).toBe(undefined);
	});

	test("after login, also in IDLE and in the middle of a literal", async () => {
		const clock = new SimClock();
		await start({ clock });
		const silent = await logIn();
		const idling = await logIn("INBOX");
		idling.send("a IDLE\r\n");
		await idling.response();
		const appending = await logIn();
		appending.send("a APPEND INBOX {5}\r\n");
		await appending.response();
		await clock.advance(IMAP_IDLE_MILLISECONDS_MAX - 1);
		const busy = await logIn();
		await clock.advance(60_000);
		for (const client of [silent, idling, appending]) {
			expect(await client.response()).toBe("* BYE Silent for too long");
			expect(await client.response()).toBe(undefined);
		}
		expect((await busy.command("a NOOP")).at(-1)).toContain("a OK");
	});
});

describe("limits", () => {
	test("fit one another", () => {
		// A line must fit into what is read ahead of it, or nobody would ever take it.
		expect(IMAP_INPUT_BYTES_MAX).toBeGreaterThan(IMAP_LINE_BYTES_MAX);
		expect(IMAP_LINE_BEFORE_LOGIN_BYTES_MAX).toBeLessThan(IMAP_LINE_BYTES_MAX);
		expect(IMAP_LITERAL_SKIP_BYTES_MAX).toBeGreaterThan(MESSAGE_BYTES_MAX);
		expect(IMAP_READ_AHEAD_BYTES).toBeGreaterThan(BODY_MEMORY_BYTES_MAX);
	});

	test("sections of one FETCH, and what it holds of them", async () => {
		await start();
		world.deliver(`Subject: x\r\n\r\n${"y".repeat(200_000)}`);
		const client = await logIn("INBOX");
		const items = (count: number) =>
			Array.from({ length: count }, (_, n) => `BODY.PEEK[]<${n}.199000>`);
		const [many] = await client.command(`a FETCH 1 (${items(20).join(" ")})`);
		expect(many?.length).toBeGreaterThan(20 * 199_000);
		const refused = await client.command(`b FETCH 1 (${items(257).join(" ")})`);
		expect(refused).toEqual(["b NO [LIMIT] Too many sections in one FETCH"]);
	});

	test("a line without end", async () => {
		await start();
		const client = await logIn();
		client.send("x".repeat(IMAP_LINE_BYTES_MAX + 1));
		expect(await client.response()).toBe(
			"* BYE [TOOBIG] Command line is too long",
		);
		expect(await client.response()).toBe(undefined);
	});

	test("lines of many literals", async () => {
		await start();
		const client = await logIn();
		const literal = `{40000+}\r\n${"x".repeat(40_000)}`;
		const answer = await client.command(`a RENAME ${literal} ${literal}`);
		expect(answer).toEqual(["a NO [TOOBIG] Literal is too large"]);
		expect((await client.command("b NOOP")).at(-1)).toContain("b OK");
	});

	test("no IMAP at all", async () => {
		await start();
		const client = await open();
		await client.response();
		client.send("nonsense\r\n".repeat(60));
		for (let count = 0; count < 50; count++) await client.response();
		expect(await client.response()).toBe("* BYE Too many bad commands");
	});

	test("who pipelines without reading is held back, and cut when nothing moves", async () => {
		const clock = new SimClock();
		await start({ clock });
		world.deliver("x".repeat(100_000));
		const client = await logIn("INBOX");
		const before = process.memoryUsage().arrayBuffers;
		client.socket.pause();
		let reads = 0;
		const read = world.bodies.read.bind(world.bodies);
		world.bodies.read = (...range) => {
			reads++;
			return read(...range);
		};
		for (let count = 0; count < 400; count++)
			client.send("a FETCH 1 BODY.PEEK[]\r\n");
		await until(() => reads > 10);
		await settled(() => reads);
		expect(reads).toBeLessThan(200);
		// 40 MB are asked for; what waits here is bounded (the kernel's buffers hold some more).
		expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(
			8 * IMAP_OUTPUT_BYTES_MAX,
		);
		expect(world.server.connections()).toBe(1);
		await clock.advance(2 * IMAP_STALL_MILLISECONDS_MAX);
		await until(() => world.server.connections() === 0);
	});
});

describe("large messages", () => {
	test("go in and out whole, and in parts", async () => {
		await start();
		const client = await logIn("INBOX");
		const line = `${"0123456789".repeat(7)}\r\n`;
		const text = `Subject: large\r\n\r\n${line.repeat(100_000)}`;
		client.send(`a APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
		expect((await client.until("a")).at(-1)).toContain("a OK [APPENDUID");
		const [all] = await client.command("b FETCH 1 BODY.PEEK[]");
		expect(all).toBe(`* 1 FETCH (BODY[] {${text.length}}\r\n${text})`);
		const [part] = await client.command(
			"c FETCH 1 BODY.PEEK[]<7000000.300000>",
		);
		expect(part).toBe(
			`* 1 FETCH (BODY[]<7000000> {200018}\r\n${text.slice(7_000_000)})`,
		);
	});

	test("come decoded, whole and in parts (BINARY)", async () => {
		await start();
		const client = await logIn("INBOX");
		const octets = Buffer.alloc(1_000_000, "some octets\0");
		const head = (encoding: string) =>
			`Subject: large\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
		const base64 = octets.toString("base64").replace(/.{76}/g, "$&\r\n");
		const text = `${head("base64")}${base64}\r\n`;
		client.send(`a APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
		await client.until("a");
		const whole = `${head("binary")}${octets.toString("latin1")}`;
		const [all] = await client.command("b FETCH 1 BINARY.PEEK[]");
		expect(all).toBe(`* 1 FETCH (BINARY[] ~{${whole.length}}\r\n${whole})`);
		const [part] = await client.command("c FETCH 1 BINARY.PEEK[]<70.400000>");
		expect(part).toBe(
			`* 1 FETCH (BINARY[]<70> ~{400000}\r\n${whole.slice(70, 400_070)})`,
		);
		const [size] = await client.command("d FETCH 1 BINARY.SIZE[1]");
		expect(size).toBe("* 1 FETCH (BINARY.SIZE[1] 1000000)");
	});
});

describe("stopping", () => {
	test("sessions at rest and in IDLE get BYE; a command that runs comes to its end", async () => {
		await start();
		const resting = await logIn();
		const idling = await logIn("INBOX");
		idling.send("a IDLE\r\n");
		await idling.response();
		const working = await logIn();
		const gate = Promise.withResolvers<void>();
		const { account } = world;
		const create = account.create.bind(account);
		let isWorking = false;
		account.create = async (name) => {
			isWorking = true;
			await gate.promise;
			await create(name);
		};
		working.send("a CREATE x\r\nb NOOP\r\n");
		await until(() => isWorking);
		const stopped = world.server.stop(5_000);
		for (const client of [resting, idling])
			expect(await client.response()).toBe("* BYE Server is shutting down");
		gate.resolve();
		expect(await working.response()).toMatch(/^a OK .*CREATE completed/);
		expect(await working.response()).toBe("* BYE Server is shutting down");
		await stopped;
		expect(world.server.connections()).toBe(0);
		await expect(open()).rejects.toThrow("ECONNREFUSED");
	});

	test("a message that is being appended comes in whole", async () => {
		await start();
		const client = await logIn();
		client.send("a APPEND INBOX {10}\r\n");
		expect(await client.response()).toContain("+ ");
		client.send("01234");
		const stopped = world.server.stop(5_000);
		client.send("56789\r\n");
		expect(await client.response()).toContain("a OK [APPENDUID");
		expect(await client.response()).toContain("* BYE");
		await stopped;
	});

	test("does not wait for ever", async () => {
		await start();
		const client = await logIn();
		let isWorking = false;
		world.account.create = () => {
			isWorking = true;
			return new Promise(() => {});
		};
		client.send("a CREATE x\r\n");
		await until(() => isWorking);
		await world.server.stop(50);
		expect(await client.response()).toBe(undefined);
	});
});

describe("connections", () => {
	test("a client that closes its half still gets its answers", async () => {
		await start();
		const socket = connect({
			port: world.server.address().port,
			host: "127.0.0.1",
			allowHalfOpen: true,
		});
		let text = "";
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.end("a NOOP\r\nb CAPABILITY\r\n");
		await new Promise((resolve) => socket.once("close", resolve));
		expect(text).toContain("a OK");
		expect(text).toContain("b OK");
	});

	test("a taken port is an error that names itself", async () => {
		await start();
		const { host, port } = world.server.address();
		const { account: _, ...rest } = world;
		const again = startImapServer({
			...(rest as never as Parameters<typeof startImapServer>[0]),
			listen: { host, port },
		});
		await expect(again).rejects.toThrow("EADDRINUSE");
	});
});
