/** One session with much to do gives the others their turn (node/imap/serve.ts), whatever it is that keeps it busy. */
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { Input } from "../../../node/imap/input.ts";
import { Output } from "../../../node/imap/output.ts";
import { serve } from "../../../node/imap/serve.ts";
import { Session } from "../../../node/imap/session.ts";
import type { Clock } from "../../../sync/ports/clock.ts";
import { realClock } from "../../../sync/real/clock.ts";
import { ErrorLog } from "../../transcripts/world.ts";

const COMMANDS = 2_000;

/** Each look at it takes a millisecond: so many commands fit into a turn on a slow machine. */
function slowClock(): Clock {
	let now = 0;
	return { ...realClock, monotonic: () => ++now as never };
}

/** A session that reads from `input`; `said` counts its answers. */
function open(clock: Clock) {
	let text = "";
	const stream = new Writable({
		write(chunk: Buffer, _encoding, done) {
			text += chunk.toString("latin1");
			done();
		},
	});
	const output = new Output(stream, clock);
	const input = new Input({
		pause: () => {},
		resume: () => {},
		beforeWait: () => output.flush(),
	});
	const surroundings = { clock, hostname: "imap.test", log: new ErrorLog() };
	const transport = {
		isSecure: () => true,
		isLoopback: true,
		isCompressed: () => false,
	};
	const session = new Session(
		{ ...surroundings, allowUnauthenticate: false } as never,
		transport as never,
		input,
		output,
	);
	const over = serve(session);
	return {
		input,
		over,
		answers: () => text.split(" OK NOOP completed").length - 1,
	};
}

test("a client that sends thousands of commands at once does not keep another waiting for its one", async () => {
	const clock = slowClock();
	const busy = open(clock);
	const other = open(clock);
	// Both are in the middle of waiting for their clients.
	await new Promise(setImmediate);
	busy.input.feed(Buffer.from("b NOOP\r\n".repeat(COMMANDS)));
	setImmediate(() => other.input.feed(Buffer.from("o NOOP\r\n")));
	while (other.answers() === 0) await new Promise(setImmediate);
	expect(busy.answers()).toBeLessThan(COMMANDS / 10);
	for (const { input } of [busy, other])
		input.feed(Buffer.from("z LOGOUT\r\n"));
	await Promise.all([busy.over, other.over]);
	expect(busy.answers()).toBe(COMMANDS);
});
