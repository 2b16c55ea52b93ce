/** pmnode as a mail host under test: one node, or two that hold each message twice before they acknowledge it. */
import { startCluster, type TestCluster } from "../harness/cluster.ts";
import { type MailHost, userAddress, userCount } from "./system.ts";

export interface PmnodeHost extends MailHost {
	readonly cluster: TestCluster;
}

/** Copies 1 is one node, 2 is a pair; clients come to the first node. */
export async function startPmnode(copies: 1 | 2): Promise<PmnodeHost> {
	const cluster = await startCluster({
		names: copies === 1 ? ["a"] : ["a", "b"],
		options: { copies: String(copies), "log-level": "warn" },
		users: Array.from({ length: userCount }, (_, index) =>
			userAddress(index + 1),
		),
	});
	const [first, second] = cluster.nodes;
	if (!first) throw new Error("no node");
	return {
		name: copies === 1 ? "pmnode" : "pmnode × 2",
		cluster,
		smtp: first.listener("smtp"),
		imap: first.listener("imap"),
		...(second ? { imapElsewhere: second.listener("imap") } : {}),
		pids: () => cluster.nodes.map((node) => node.pid),
		stop: () => cluster.close(),
	};
}
