/**
 * Several sessions in one mailbox, each as another kind of client (CONDSTORE, QRESYNC, UIDONLY, NOTIFY, within COMPRESS),
 * that change it under each other with pipelined commands: none is told what cannot be, and all end up knowing what is.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorld, type World } from "../transcripts/world.ts";
import { firstSeed, Mutator, rounds, usedBytes } from "./mutator.ts";
import { play } from "./sessions.ts";

const LOGIN = "LOGIN ann@example.org secret";

let world: World;
beforeAll(async () => {
	world = await startWorld();
});
afterAll(() => world.stop());

async function fuzz(count: number): Promise<void> {
	for (let round = 0; round < count; round++) {
		const seed = firstSeed() + round;
		const inbox = world.account.mailbox("INBOX");
		inbox.expunge(inbox.uids().slice(5));
		while (inbox.uids().length < 5)
			world.deliver("Subject: one\r\n\r\ntext\r\n");
		const { port } = world.server.address();
		await play(port, LOGIN, new Mutator(seed), 80).catch((error) => {
			throw new Error(`PMNODE_FUZZ_SEED=${seed}: ${error}`, { cause: error });
		});
		expect(world.log.errors, `PMNODE_FUZZ_SEED=${seed}`).toEqual([]);
	}
}

test(
	"sessions of all kinds in one mailbox",
	async () => {
		await fuzz(rounds(20));
		const before = usedBytes();
		await fuzz(rounds(40));
		expect(usedBytes() - before).toBeLessThan(24 * 1024 * 1024);
	},
	rounds(60_000),
);
