/** Workload of a node that was away: how long until it has all that came meanwhile, bodies included. */
import { MessageMaker } from "../harness/messages.ts";
import { Mailboxes, messageBytes, send } from "./delivery.ts";
import { startPmnode } from "./pmnode.ts";
import { login, userCount } from "./system.ts";

/**
 * Seconds from starting the node again until its mailboxes show all `count` messages and `wait --converged` returns.
 * Afterwards the other node is stopped and every body is read, so that none can have been fetched late.
 */
export async function catchUp(
	count: number,
	connections: number,
): Promise<number> {
	const host = await startPmnode(2);
	try {
		const [stays, away] = host.cluster.nodes;
		if (!stays || !away) throw new Error("no pair");
		await away.stop();
		await send(
			host.smtp,
			new MessageMaker("catchup", messageBytes),
			count,
			connections,
		);
		const start = performance.now();
		await away.start();
		const mailboxes = await Mailboxes.open(away.listener("imap"));
		await mailboxes.holds(count);
		await mailboxes.close();
		await away.converged(300);
		const seconds = (performance.now() - start) / 1000;
		await stays.kill9();
		const bodies = await readBodies(away.listener("imap"));
		if (bodies !== count)
			throw new Error(`${bodies} of ${count} bodies on the node that was away`);
		return seconds;
	} finally {
		await host.stop();
	}
}

/** How many messages of about the right size can be read there. */
async function readBodies(at: Parameters<typeof login>[0]): Promise<number> {
	let found = 0;
	for (let user = 1; user <= userCount; user++) {
		const client = await login(at, user);
		const { exists } = await client.select("INBOX");
		for (let from = 1; from <= exists; from += 200) {
			const { untagged } = await client.ok(
				`FETCH ${from}:${Math.min(exists, from + 199)} (BODY.PEEK[])`,
			);
			found += untagged.filter(
				(line) => (line.literals[0]?.length ?? 0) >= messageBytes - 200,
			).length;
		}
		await client.logout();
	}
	return found;
}
