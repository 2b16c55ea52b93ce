/** SMTP from every state: answered or closed with a reply, never a bug; nothing is kept. */
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deriveScram } from "../../node/accounts/scram.ts";
import { MemoryAuthenticator } from "../../node/imap/memory-logins.ts";
import { realRandom } from "../../sync/real/random.ts";
import { SmtpClient } from "../harness/smtp-client.ts";
import { FakeReplica, startWorld, type World } from "../unit/smtp/fakes.ts";
import { firstSeed, Mutator, rounds, usedBytes } from "./mutator.ts";

const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");
const lines = [
	"EHLO client.test\r\n",
	"HELO client.test\r\n",
	"MAIL FROM:<ann@here.test>\r\n",
	"MAIL FROM:<> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n",
	"RCPT TO:<bob@here.test>\r\n",
	'RCPT TO:<"b o b"@here.test> NOTIFY=NEVER\r\n',
	"DATA\r\nSubject: x\r\n\r\n..text\r\n.\r\n",
	"RSET\r\n",
	"NOOP x\r\n",
	"VRFY ann\r\n",
	"HELP\r\n",
	`AUTH PLAIN ${base64("\0ann@here.test\0secret")}\r\n`,
	`AUTH LOGIN\r\n${base64("ann@here.test")}\r\n${base64("secret")}\r\n`,
	`AUTH SCRAM-SHA-256 ${base64("n,,n=ann@here.test,r=x")}\r\n${base64("c=biws,r=x,p=AAAA")}\r\n`,
	"STARTTLS\r\n",
	"QUIT\r\n",
];
const states = [
	"",
	"EHLO x\r\n",
	`EHLO x\r\nAUTH PLAIN ${base64("\0ann@here.test\0secret")}\r\n`,
	`EHLO x\r\nAUTH PLAIN ${base64("\0ann@here.test\0secret")}\r\nMAIL FROM:<ann@here.test>\r\n`,
	`EHLO x\r\nAUTH PLAIN ${base64("\0ann@here.test\0secret")}\r\nMAIL FROM:<ann@here.test>\r\nRCPT TO:<bob@here.test>\r\nDATA\r\n`,
];

let world: World;
beforeAll(async () => {
	const fake = new FakeReplica();
	fake.forgetful = true;
	const authenticator = new MemoryAuthenticator(realRandom);
	const ann = { id: "ann", address: "ann@here.test" } as never;
	const keys = await deriveScram("secret", realRandom);
	authenticator.add("ann@here.test", "secret", ann, keys);
	world = await startWorld({ kind: "submission", fake, authenticator });
});
afterAll(() => world.close());

function exchange(octets: string): Promise<string> {
	const socket = connect(world.at);
	let text = "";
	socket.on("data", (chunk) => {
		text += chunk.toString("latin1");
	});
	socket.on("error", () => {});
	socket.end(Buffer.from(octets, "latin1"));
	return new Promise((resolve) => socket.once("close", () => resolve(text)));
}

async function fuzz(count: number): Promise<void> {
	for (let round = 0; round < count; round++) {
		const seed = firstSeed() + round;
		const mutator = new Mutator(seed);
		const said = Array.from({ length: 1 + mutator.below(8) }, () =>
			mutator.text(mutator.pick(lines), lines),
		).join("");
		const text = await exchange(mutator.pick(states) + said);
		const what = `PMNODE_FUZZ_SEED=${seed}: ${JSON.stringify(said.slice(0, 2_000))}`;
		expect(text, what).toMatch(/^220 /);
		// After STARTTLS come octets of TLS.
		const [clear = ""] = text.split(/^220 [^\r]*TLS[^\r]*\r\n/m);
		for (const line of clear.split("\r\n").slice(0, -1))
			expect(line, what).toMatch(/^[2345]\d\d[ -]/);
		expect(
			world.log.lines.filter(({ level }) => level === "error"),
			what,
		).toEqual([]);
		world.log.lines.length = 0;
		world.fake.deliveries.length = 0;
		world.fake.confirmed.length = 0;
		world.fake.bodiesByHash.clear();
	}
}

test(
	"mutated dialogues",
	async () => {
		await fuzz(rounds(100));
		const before = usedBytes();
		await fuzz(rounds(300));
		expect(usedBytes() - before).toBeLessThan(16 * 1024 * 1024);
		const client = await SmtpClient.greeted(world.at);
		expect((await client.command("NOOP")).code).toBe(250);
		await client.quit();
	},
	rounds(60_000),
);
