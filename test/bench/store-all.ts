/** A flag on all messages of a mailbox of two nodes: until the answer, that is durable on both, and until the other one shows it. */
import { until } from "../harness/until.ts";
import { filled, fillSome, fillUp } from "./imap-operations.ts";
import { atRest, cpuSeconds } from "./statistics.ts";
import { login, type MailHost } from "./system.ts";

export interface StoredAll {
	readonly seconds: number;
	/** Until the other node shows it. */
	readonly elsewhereSeconds: number;
	/** Of each node up to then. */
	readonly cpuSeconds: readonly number[];
}

/** Fills the mailbox, then sets the flag and takes it off again, `rounds` times. */
export async function storeAll(
	host: MailHost,
	messages: number,
	rounds: number,
): Promise<StoredAll[]> {
	await fillSome(host, messages);
	await fillUp(host, messages);
	const client = await login(host.imap, filled.user);
	const elsewhere = await login(host.imapElsewhere ?? host.imap, filled.user);
	try {
		for (const one of [client, elsewhere]) {
			const { exists } = await one.select(filled.mailbox);
			if (exists !== messages)
				throw new Error(`${host.name}: ${exists} of ${messages} messages`);
		}
		const taken: StoredAll[] = [];
		for (let round = 0; round < rounds; round++) {
			await atRest(host.pids());
			const used = () => host.pids().map((pid) => cpuSeconds([pid]));
			const before = used();
			const start = performance.now();
			const seconds = () => (performance.now() - start) / 1000;
			await client.ok("STORE 1:* +FLAGS.SILENT (\\Answered)");
			const answered = seconds();
			await until("the other node to show the flags", async () => {
				const { untagged } = await elsewhere.ok("UID SEARCH UNANSWERED");
				return untagged.some(({ text }) => text.trim() === "SEARCH");
			});
			taken.push({
				seconds: answered,
				elsewhereSeconds: seconds(),
				cpuSeconds: used().map((now, at) => now - (before[at] ?? 0)),
			});
			await client.ok("STORE 1:* -FLAGS.SILENT (\\Answered)");
		}
		return taken;
	} finally {
		await client.logout();
		await elsewhere.logout();
	}
}
