/** What must never end DATA, and how content comes out of it, over all ways of cutting it into chunks. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DotDecoder } from "../../../node/smtp/dots.ts";
import { dotStuffed, SmtpClient } from "../../harness/smtp-client.ts";
import { startWorld, type World } from "./fakes.ts";

let world: World;
beforeEach(async () => {
	world = await startWorld();
});
afterEach(() => world.close());

const SMUGGLED =
	"MAIL FROM:<evil@there.test>\r\nRCPT TO:<bob@here.test>\r\nDATA\r\nevil\r\n";
const ENDS = ["\r\n", "\r", "\n", "\r\r", "\n\n", "\r\r\n", "\n\r", ""];
const sequences = ENDS.flatMap((before) =>
	ENDS.map((after) => `${before}.${after}`),
).filter((sequence) => !sequence.includes("\r\n.\r\n") && sequence !== ".");

async function inData(): Promise<SmtpClient> {
	const client = await SmtpClient.greeted(world.at);
	await client.pipeline([
		"MAIL FROM:<joe@there.test>",
		"RCPT TO:<ann@here.test>",
		"DATA",
	]);
	return client;
}

const unstuffed = (text: string): string => text.replace(/(^|\r\n)\./g, "$1");
const normalised = (text: string): string =>
	text.replace(/\r\n|\r|\n/g, "\r\n");

test.each(sequences.map((sequence) => [JSON.stringify(sequence), sequence]))(
	"%s does not end DATA, in one go or byte by byte",
	async (_, sequence) => {
		const wire = Buffer.from(`first\r\nlast${sequence}${SMUGGLED}end\r\n.\r\n`);
		for (const size of [wire.length, 1, 2, 3]) {
			const client = await inData();
			for (let at = 0; at < wire.length; at += size)
				await client.raw(wire.subarray(at, at + size));
			expect((await client.reply()).code).toBe(250);
			await client.quit();
		}
		expect(world.fake.deliveries).toHaveLength(4);
		for (let i = 0; i < 4; i++) {
			expect(world.fake.deliveries[i]?.recipients).toHaveLength(1);
			const stored = world.fake.content(i).toString();
			expect(stored).toContain("MAIL FROM:<evil@there.test>");
			expect(stored).toBe(
				normalised(unstuffed(wire.subarray(0, -3).toString())),
			);
		}
	},
);

test("the decoder finds the same end and the same content in any chunks", () => {
	const wires = fc
		.array(fc.constantFrom("\r", "\n", "\r\n", ".", "\r\n.", "a"), {
			maxLength: 30,
		})
		.map((parts) => `${parts.join("")}\r\n.\r\nQUIT\r\n`);
	fc.assert(
		fc.property(wires, fc.array(fc.nat(60), { maxLength: 8 }), (wire, cuts) => {
			// What RFC 5321 says, on the whole at once: a line start before it makes the first end the same as the others.
			const end = `\r\n${wire}`.indexOf("\r\n.\r\n") + 3;
			const bytes = Buffer.from(wire);
			const decoder = new DotDecoder();
			const out: Buffer[] = [];
			const places = [...new Set([0, ...cuts, bytes.length])]
				.filter((place) => place <= bytes.length)
				.sort((a, b) => a - b);
			let ended = -1;
			for (let i = 0; i + 1 < places.length && ended === -1; i++) {
				const rest = decoder.feed(
					bytes.subarray(places[i], places[i + 1]),
					out,
				);
				if (rest !== -1) ended = (places[i] ?? 0) + rest;
			}
			expect(ended).toBe(end);
			expect(Buffer.concat(out).toString()).toBe(
				unstuffed(wire.slice(0, end - 3)),
			);
		}),
		{ numRuns: 2_000 },
	);
});

test("what a client stuffs comes out as it went in", async () => {
	const contents = fc.array(
		fc.constantFrom("\r\n", ".", "..", "\r\n.", "a", "\r", "\n"),
		{ maxLength: 24 },
	);
	const client = await SmtpClient.greeted(world.at);
	await fc.assert(
		fc.asyncProperty(contents, fc.nat(40), async (parts, at) => {
			const text = parts.join("");
			const wire = dotStuffed(text);
			await client.pipeline([
				"MAIL FROM:<joe@there.test>",
				"RCPT TO:<ann@here.test>",
				"DATA",
			]);
			await client.raw(wire.subarray(0, at));
			await client.raw(wire.subarray(at));
			expect((await client.reply()).code).toBe(250);
			const sent = wire
				.subarray(0, -3)
				.toString()
				.replace(/(^|\r\n)\./g, "$1");
			expect(world.fake.content().toString()).toBe(normalised(sent));
		}),
		{ numRuns: 300 },
	);
	await client.quit();
});
