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
/** The same with TLS from the start. */
let secureWorld: World;
beforeAll(async () => {
	[world, secureWorld] = await Promise.all([
		startWorld(),
		startWorld({ implicitTls: true }),
	]);
	for (const one of [world, secureWorld])
		for (let index = 0; index < 5; index++)
			one.deliver(`Subject: ${index}\r\n\r\ntext ${index}\r\n`);
});
afterAll(() => Promise.all([world.stop(), secureWorld.stop()]));

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

type Layer = "tls" | "deflate";

/**
 * All responses, to the end of the connection. Below the deflated commands lie, if `layers` say so, deflated octets that
 * were damaged; below TLS nothing can be.
 */
async function exchange(
	before: string,
	said: string,
	layers: ReadonlySet<Layer>,
	damage: (octets: string) => string = (octets) => octets,
) {
	const isTls = layers.has("tls");
	const { server } = isTls ? secureWorld : world;
	const client = await RawClient.connect(server.address().port, isTls);
	if (layers.has("deflate")) {
		// Compressed from the login on: the state is reached within.
		client.send(LOGIN);
		await client.response();
		await client.until("z");
		await client.command("y COMPRESS DEFLATE");
		client.startCompression();
		const flush = { finishFlush: zlib.Z_SYNC_FLUSH };
		const text = before.slice(LOGIN.length) + said;
		const bytes = deflateRawSync(Buffer.from(text, "latin1"), flush);
		const sent = damage(bytes.toString("latin1"));
		client.socket.write(Buffer.from(sent, "latin1"));
	} else client.send(before + said);
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

async function fuzz(
	count: number,
	layersOf: (before: string, mutator: Mutator) => readonly Layer[],
): Promise<void> {
	for (let round = 0; round < count; round++) {
		const seed = firstSeed() + round;
		const mutator = new Mutator(seed);
		const { before, said } = dialogue(mutator);
		const layers = new Set(layersOf(before, mutator));
		const deflated = layers.has("deflate");
		const damage = (octets: string) =>
			mutator.below(4) === 0 ? mutator.text(octets, lines) : octets;
		const what = `PMNODE_FUZZ_SEED=${seed}, ${[...layers]}: ${JSON.stringify(said.slice(0, 2_000))}`;
		const seen = await exchange(before, said, layers, damage).catch((error) => {
			throw new Error(what, { cause: error });
		});
		if (!deflated) expect(seen[0], what).toMatch(/^\* OK /);
		for (const response of seen)
			expect(response, what).toMatch(/^(\*|\+|[^ ]+ (OK|NO|BAD)) /);
		for (const { log } of [world, secureWorld])
			expect(log.errors, what).toEqual([]);
	}
}

const sometimesDeflated = (before: string, mutator: Mutator) =>
	before === LOGIN && mutator.below(3) === 0 ? (["deflate"] as const) : [];
/** Each state of a client that has logged in is reached within; the others have TLS alone. */
const within = (before: string, mutator: Mutator): readonly Layer[] => {
	if (!before.startsWith(LOGIN) || before.includes("UNAUTHENTICATE"))
		return ["tls"];
	return mutator.pick([["tls"], ["deflate"], ["tls", "deflate"]] as const);
};

test(
	"mutated transcripts and made-up lines",
	async () => {
		expect(lines.length).toBeGreaterThan(300);
		await fuzz(rounds(200), sometimesDeflated);
		const before = usedBytes();
		await fuzz(rounds(400), sometimesDeflated);
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

test(
	"the same within TLS and within COMPRESS, from each state",
	async () => {
		await fuzz(rounds(100), within);
		const before = usedBytes();
		await fuzz(rounds(200), within);
		expect(usedBytes() - before).toBeLessThan(24 * 1024 * 1024);
		const client = await RawClient.connect(
			secureWorld.server.address().port,
			true,
		);
		await client.response();
		const answer = await client.command("a LOGIN bob@example.org secret");
		expect(answer.at(-1)).toContain("a OK");
		client.close();
	},
	rounds(60_000),
);
