/** IMAP from every state, with the transcripts as what is good: answered, or cut with BYE; never a bug; nothing is kept. */
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
	`${LOGIN}z ENABLE UIDONLY\r\nz SELECT INBOX\r\n`,
	`${LOGIN}z SELECT INBOX\r\nz IDLE\r\n`,
	`${LOGIN}z APPEND INBOX {30+}\r\nSubj`,
	"z AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm5AZXhhbXBsZS5vcmcscj14\r\n",
];

let world: World;
beforeAll(async () => {
	world = await startWorld();
	for (let index = 0; index < 5; index++)
		world.deliver(`Subject: ${index}\r\n\r\ntext ${index}\r\n`);
});
afterAll(() => world.stop());

/** What one client sends in all. */
function dialogue(mutator: Mutator): { before: string; said: string } {
	const before = mutator.pick(states);
	const said = Array.from({ length: 1 + mutator.below(30) }, () => {
		const good =
			mutator.below(4) === 0
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
	"mutated transcripts",
	async () => {
		expect(lines.length).toBeGreaterThan(300);
		await fuzz(rounds(100));
		const before = usedBytes();
		await fuzz(rounds(300));
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
