/** The status of a node: what its replica reports, and what it is by itself. */
import type { ClusterReplica } from "../../sync/replica.ts";
import type { ListenerName, NodeState, StatusJson } from "../status.ts";
import { version } from "../version.ts";

export interface OwnStatus {
	readonly name: string;
	readonly state: NodeState;
	readonly uptimeSeconds: number;
	/** Where it listens; what is not in it is off. */
	readonly listeners: ReadonlyMap<ListenerName, string>;
}

export function statusOf(
	replica: ClusterReplica,
	{ name, state, uptimeSeconds, listeners }: OwnStatus,
): StatusJson {
	const report = replica.report();
	const off = (listener: ListenerName): string =>
		listeners.get(listener) ?? "off";
	return {
		node: {
			name,
			id: report.node,
			state,
			version: version(),
			pid: process.pid,
			uptimeSeconds,
		},
		cluster: {
			id: report.cluster,
			members: report.members,
			up: report.up,
			converged: report.converged,
		},
		listeners: {
			smtp: off("smtp"),
			submission: off("submission"),
			submissions: off("submissions"),
			imap: off("imap"),
			imaps: off("imaps"),
			http: off("http"),
			dns: "off",
			p2p: off("p2p"),
		},
		peers: report.peers.map(({ isWaitedFor: _, hasCome, ...peer }) => ({
			...peer,
			...(!hasCome && { neverCame: true as const }),
		})),
		scrub: report.scrub,
		mail: {
			accounts: report.accounts,
			messages: report.messages,
			bodiesWithTooFewCopies: report.bodiesWithTooFewCopies,
			lostBodies: report.lostBodies,
			queue: 0,
		},
	};
}
