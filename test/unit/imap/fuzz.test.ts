/** Random commands from every state: answered or cut with BYE, never a bug, and others are served. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandNames } from "../../../node/imap/commands.ts";
import { RawClient } from "../../transcripts/client.ts";
import { startWorld, type World } from "../../transcripts/world.ts";

let world: World;
beforeAll(async () => {
	world = await startWorld();
	for (let index = 0; index < 5; index++)
		world.deliver(`Subject: ${index}\r\n\r\ntext ${index}\r\n`);
});
afterAll(() => world.stop());

const word = fc.constantFrom(
	...commandNames,
	..."1:* 1 5:2 2,4 * 0 99 INBOX Sent nowhere () ( ) [ ] < > {0} {3} {5+} {9000+} {x} \\Seen".split(
		" ",
	),
	...'(\\Seen $A) "quoted" "" NIL +FLAGS -FLAGS.SILENT FLAGS BODY[] BODY.PEEK[1.TEXT]<0.5> ENVELOPE (UID FLAGS)'.split(
		" ",
	),
	..."ALL NOT OR SUBJECT x UID 1:5 RETURN (MIN) CHARSET UTF-8 (MESSAGES) DONE RECENT RENAME".split(
		" ",
	),
	..."(QRESYNC (1001 1 1:5 (1 1))) (CONDSTORE) (CHANGEDSINCE 1 VANISHED) (UNCHANGEDSINCE 0) MODSEQ $ (SAVE) (PARTIAL -1:-2)".split(
		" ",
	),
	"(QRESYNC (1001 1 1:5 (1 1)))",
	"(CHANGEDSINCE 1 VANISHED)",
	"RETURN (SAVE PARTIAL 1:2)",
	"CATENATE (URL /INBOX/;UID=1 TEXT {3+}\r\nabc)",
	"UTF8 (~{3+}\r\nabc)",
	"SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName))",
	"QRESYNC UIDONLY IMAP4rev2",
	"(USE (\\Sent))",
	"\r\n",
	"\0",
	"\xff",
);
const line = fc.array(word, { maxLength: 8 }).map((words) => words.join(" "));
const known = fc
	.tuple(fc.constantFrom(...commandNames), line)
	.map(([name, rest]) => `t ${name} ${rest}`);
const lines = fc.array(fc.oneof(line, known, known), {
	minLength: 1,
	maxLength: 12,
});
const state = fc.constantFrom(
	"",
	"a LOGIN ann@example.org secret\r\n",
	"a LOGIN ann@example.org secret\r\nb SELECT INBOX\r\n",
	"a LOGIN ann@example.org secret\r\nb EXAMINE INBOX\r\nc IDLE\r\n",
	"a LOGIN ann@example.org secret\r\nb ENABLE QRESYNC IMAP4rev2\r\nc SELECT INBOX (QRESYNC (1001 1))\r\n",
	"a LOGIN ann@example.org secret\r\nb ENABLE UIDONLY\r\nc SELECT INBOX\r\n",
	"a LOGIN ann@example.org secret\r\nb SELECT INBOX\r\nc NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName))\r\n",
);

test("random commands", async () => {
	const { port } = world.server.address();
	await fc.assert(
		fc.asyncProperty(state, lines, async (before, sent) => {
			const client = await RawClient.connect(port);
			client.send(`${before}${sent.join("\r\n")}\r\n`);
			client.socket.end();
			// To the end: the server has gone through all of it.
			const seen: string[] = [];
			for (;;) {
				const response = await client.response();
				if (response === undefined) break;
				seen.push(response);
			}
			client.close();
			expect(seen[0]).toMatch(/^\* OK /);
			expect(world.log.errors).toEqual([]);
			for (const response of seen)
				expect(response).toMatch(/^(\*|\+|\S+ (OK|NO|BAD)) /);
		}),
		{ numRuns: 400 },
	);
	const client = await RawClient.connect(port);
	await client.response();
	const answer = await client.command("a LOGIN ann@example.org secret");
	expect(answer.at(-1)).toContain("a OK");
	client.close();
});
