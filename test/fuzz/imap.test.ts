/**
 * IMAP from every state, with lines of the transcripts and of words that mean something: answered, or cut with BYE; never a
 * bug; nothing is kept.
 */
import { readdirSync, readFileSync } from "node:fs";
import { deflateRawSync, constants as zlib } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandNames } from "../../node/imap/commands.ts";
import { RawClient } from "../transcripts/client.ts";
import { octetsOf } from "../transcripts/run.ts";
import { startWorld, type World } from "../transcripts/world.ts";
import { firstSeed, Mutator, rounds, usedBytes } from "./mutator.ts";

const folder = new URL("../transcripts/", import.meta.url);
/** Every line that some client says in a transcript. */
const lines = readdirSync(folder)
	.filter((name) => name.endsWith(".txt"))
	.flatMap((name) => readFileSync(new URL(name, folder), "utf8").split("\n"))
	.flatMap((line) => /^C\d*: (?!<)(.*)$/.exec(line)?.[1] ?? [])
	// Sessions that end at once see little; commandNames holds it, too.
	.filter((line) => !line.includes("LOGOUT"))
	.map((line) => octetsOf(line) + (line.endsWith("\\c") ? "" : "\r\n"));

const LOGIN = "z LOGIN ann@example.org secret\r\n";
const states = [
	"",
	LOGIN,
	`${LOGIN}z SELECT INBOX\r\n`,
	`${LOGIN}z EXAMINE INBOX\r\n`,
	`${LOGIN}z ENABLE IMAP4rev2 QRESYNC CONDSTORE UTF8=ACCEPT\r\nz SELECT INBOX\r\n`,
	`${LOGIN}z ENABLE QRESYNC\r\nz SELECT INBOX (QRESYNC (1001 1))\r\n`,
	`${LOGIN}z ENABLE UIDONLY\r\nz SELECT INBOX\r\n`,
	`${LOGIN}z SELECT INBOX\r\nz NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName SubscriptionChange MailboxMetadataChange))\r\n`,
	`${LOGIN}z SELECT INBOX\r\nz SEARCH RETURN (SAVE) ALL\r\n`,
	`${LOGIN}z SELECT INBOX\r\nz UNAUTHENTICATE\r\n`,
	`${LOGIN}z SELECT INBOX\r\nz IDLE\r\n`,
	`${LOGIN}z APPEND INBOX {30+}\r\nSubj`,
	`${LOGIN}z SELECT INBOX\r\nz UID REPLACE 1 INBOX CATENATE (TEXT {30+}\r\nSubj`,
	"z AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm5AZXhhbXBsZS5vcmcscj14\r\n",
];

/** Words of which lines are made that no transcript has. */
const words = [
	...commandNames,
	..."1:* 1 5:2 2,4 * 0 99 $ INBOX Sent nowhere () ( ) [ ] < > {0} {3} {5+} {9000+} {x} \\Seen NIL".split(
		" ",
	),
	...'(\\Seen $A) "quoted" "" +FLAGS -FLAGS.SILENT FLAGS BODY[] BODY.PEEK[1.TEXT]<0.5> BINARY.SIZE[] ENVELOPE (UID FLAGS)'.split(
		" ",
	),
	..."ALL NOT OR SUBJECT x UID UIDAFTER UIDBEFORE RETURN (MIN) (SAVE) CHARSET UTF-8 (MESSAGES) MODSEQ DONE RECENT".split(
		" ",
	),
	"(QRESYNC (1001 1 1:5 (1 1)))",
	"(CONDSTORE)",
	"(CHANGEDSINCE 1 VANISHED)",
	"(UNCHANGEDSINCE 0)",
	"(PARTIAL -1:-2)",
	"RETURN (SAVE PARTIAL 1:2)",
	"CATENATE (URL /INBOX/;UID=1 TEXT {3+}\r\nabc)",
	"UTF8 (~{3+}\r\nabc)",
	"SET (selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName))",
	"QRESYNC UIDONLY IMAP4rev2",
	"(USE (\\Sent))",
	"(/private/comment NIL)",
	"\r\n",
	"\0",
	"\xff",
];

let world: World;
beforeAll(async () => {
	world = await startWorld();
	for (let index = 0; index < 5; index++)
		world.deliver(`Subject: ${index}\r\n\r\ntext ${index}\r\n`);
});
afterAll(() => world.stop());

const madeUp = (mutator: Mutator): string => {
	const rest = Array.from({ length: mutator.below(8) }, () =>
		mutator.pick(words),
	);
	return `${mutator.pick(commandNames)} ${rest.join(" ")}\r\n`;
};

/** What one client sends in all. */
function dialogue(mutator: Mutator): { before: string; said: string } {
	const before = mutator.pick(states);
	const said = Array.from({ length: 1 + mutator.below(30) }, () => {
		const kind = mutator.below(6);
		if (kind === 0) return `t ${madeUp(mutator)}`;
		const good =
			kind === 1
				? `t ${mutator.pick(commandNames)} ${mutator.pick(lines)}`
				: mutator.pick(lines);
		return mutator.text(good, lines);
	});
	return { before, said: said.join("") };
}

/** All responses, to the end of the connection. */
async function exchange(before: string, said: string, deflated: boolean) {
	const client = await RawClient.connect(world.server.address().port);
	client.send(before);
	if (deflated) {
		await client.response();
		await client.until("z");
		await client.command("y COMPRESS DEFLATE");
		client.startCompression();
		const flush = { finishFlush: zlib.Z_SYNC_FLUSH };
		const bytes = deflateRawSync(Buffer.from(said, "latin1"), flush);
		client.socket.write(bytes);
	} else client.send(said);
	client.socket.end();
	const seen: string[] = [];
	for (;;) {
		const response = await client.response();
		if (response === undefined) break;
		seen.push(response);
	}
	client.close();
	return seen;
}

async function fuzz(count: number): Promise<void> {
	for (let round = 0; round < count; round++) {
		const seed = firstSeed() + round;
		const mutator = new Mutator(seed);
		const { before, said } = dialogue(mutator);
		const deflated = before === LOGIN && mutator.below(3) === 0;
		const what = `PMNODE_FUZZ_SEED=${seed}: ${JSON.stringify(said.slice(0, 2_000))}`;
		const seen = await exchange(before, said, deflated).catch((error) => {
			throw new Error(what, { cause: error });
		});
		if (!deflated) expect(seen[0], what).toMatch(/^\* OK /);
		for (const response of seen)
			expect(response, what).toMatch(/^(\*|\+|[^ ]+ (OK|NO|BAD)) /);
		expect(world.log.errors, what).toEqual([]);
	}
}

test(
	"mutated transcripts and made-up lines",
	async () => {
		expect(lines.length).toBeGreaterThan(300);
		await fuzz(rounds(200));
		const before = usedBytes();
		await fuzz(rounds(400));
		// What clients left in mailboxes is kept, nothing else; and all connections have ended.
		expect(usedBytes() - before).toBeLessThan(24 * 1024 * 1024);
		const client = await RawClient.connect(world.server.address().port);
		await client.response();
		const answer = await client.command("a LOGIN bob@example.org secret");
		expect(answer.at(-1)).toContain("a OK");
		client.close();
	},
	rounds(60_000),
);
