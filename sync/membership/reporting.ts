/** How it goes with the cluster, as this node sees it: for operators, and for whoever waits until all is alike. */
import type { PeerReport, ReplicaReport } from "../api.ts";
import type { Scrub } from "../check/scrub.ts";
import type { ClusterState } from "../directory/cluster.ts";
import type { NodeId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import { missing } from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Copies } from "../replication/copies.ts";
import type { BodyNeeds } from "../replication/needs.ts";
import type { OwnBodies } from "../replication/own-bodies.ts";
import type { Replication } from "../replication/replication.ts";
import type { Presence } from "./presence.ts";

export interface ReportingOptions {
	readonly network: Network;
	readonly clock: Clock;
	/** How many copies the operator wants. */
	readonly copies: number;
	readonly clusterId: () => string;
	readonly alive: () => boolean;
	readonly presence: Presence;
	readonly cluster: ClusterState;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly needs: BodyNeeds;
	readonly held: Copies;
	readonly ownBodies: OwnBodies;
	readonly replication: Replication;
	readonly scrub: Scrub;
}

const REPORT_MILLISECONDS = 50;

export class Reporting {
	readonly #options: ReportingOptions;
	readonly #listeners = new Set<() => void>();
	#scheduled = false;

	constructor(options: ReportingOptions) {
		this.#options = options;
	}

	report(): ReplicaReport {
		const { network, clusterId, cluster, ledger, mailboxes, needs, scrub } =
			this.#options;
		const peers = network.peers().map((peer) => this.#peerReport(peer));
		const up = peers.filter(({ state }) => state === "up");
		return {
			cluster: clusterId(),
			node: network.self,
			origin: ledger.origin,
			members: cluster.members().length,
			up: 1 + up.length,
			converged: this.#isConverged(up),
			peers,
			accounts: cluster.userCount,
			messages: mailboxes.live,
			bodiesWithTooFewCopies: this.tooFewCopies().count,
			missingBodies: needs.count,
			lostBodies: needs.lostCount,
			scrub: scrub.report(),
		};
	}

	/** Own changes from `first` to `head` that fewer members hold than the operator wants, and there are; and how many messages they bring. */
	tooFewCopies(): { first: number; head: number; count: number } {
		const first = this.firstWithTooFewCopies();
		const count = this.#options.ownBodies.countFrom(first);
		return { first, head: this.ownHead, count };
	}

	firstWithTooFewCopies(): number {
		const { cluster, copies, held } = this.#options;
		const members = cluster.members().length;
		return held.firstWithTooFew(Math.min(copies, members), this.ownHead);
	}

	get ownHead(): number {
		const { log, origin } = this.#options.ledger;
		return log.vector.get(origin) ?? 0;
	}

	#peerReport({
		node,
		state,
		rttMilliseconds,
	}: ReturnType<Network["peers"]>[number]): PeerReport {
		const { replication, ledger, cluster } = this.#options;
		const { holds, absent, had, refuses } = replication.facts(node);
		return {
			id: node,
			name: cluster.member(node)?.name ?? "",
			state,
			rttMilliseconds,
			isWaitedFor: !absent,
			hasCome: had.size > 0 || this.#hasWritten(node),
			missingChanges: missing(holds?.vector ?? new Map(), ledger.log.vector),
			missingBodies: holds?.missingBodies ?? 0,
			...(refuses && {
				refuses: `change ${refuses.sequence}: ${refuses.reason}`,
			}),
		};
	}

	/** It may have met other members only. */
	#hasWritten(node: NodeId): boolean {
		const { cluster, ledger } = this.#options;
		return cluster
			.incarnations()
			.some((one) => one.node === node && ledger.log.vector.has(one.origin));
	}

	#isConverged(up: readonly PeerReport[]): boolean {
		const { alive, presence, needs, replication } = this.#options;
		return (
			alive() &&
			!presence.isStarting &&
			needs.count === 0 &&
			replication.behind() === 0 &&
			up.every(
				({ id, missingChanges, missingBodies }) =>
					replication.isLinked(id) &&
					missingChanges === 0 &&
					missingBodies === 0,
			)
		);
	}

	onReport(run: () => void): Cancel {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	/** Something in the report may have changed: listeners hear of it once for all that happens in a short time. */
	changed(): void {
		if (this.#scheduled || this.#listeners.size === 0) return;
		this.#scheduled = true;
		this.#options.clock.after(REPORT_MILLISECONDS, () => {
			this.#scheduled = false;
			for (const run of [...this.#listeners]) run();
		});
	}
}
