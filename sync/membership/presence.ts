/** Who is there: the other members, as the network and what was heard of them tell. */
import type { ClusterState, Member } from "../directory/cluster.ts";
import type { NodeId } from "../ids.ts";
import type { Network } from "../ports/network.ts";
import type { PeerFacts } from "../replication/facts.ts";
import type { Contact } from "./lives.ts";

export interface PresenceOptions {
	readonly network: Network;
	readonly cluster: ClusterState;
	readonly facts: (node: NodeId) => PeerFacts;
	readonly isLinked: (node: NodeId) => boolean;
}

export class Presence {
	readonly #options: PresenceOptions;

	constructor(options: PresenceOptions) {
		this.#options = options;
	}

	/** Members, without this one. */
	others(): Member[] {
		const { cluster, network } = this.#options;
		return cluster.members().filter(({ node }) => node !== network.self);
	}

	/** Members, without this one, that are up (or silent for a moment), also those that are catching up. */
	present(): NodeId[] {
		const { network, facts } = this.#options;
		return network
			.peers()
			.filter(({ state }) => state !== "down")
			.map(({ node }) => node)
			.filter((node) => !facts(node).absent);
	}

	/** Those that have caught up. */
	ready(): NodeId[] {
		return this.present().filter((node) => this.#options.facts(node).ready);
	}

	/** Whether a member may be up of which nothing was heard yet since this process started. */
	get isStarting(): boolean {
		const { facts } = this.#options;
		return this.present().some((node) => facts(node).holds === undefined);
	}

	/** Each other member as a new life of this node sees it (rule 9). */
	contacts(): Contact[] {
		const { network, facts, isLinked } = this.#options;
		const statuses = new Map(
			network.peers().map((peer) => [peer.node, peer.state]),
		);
		return this.others().map(({ node }) => {
			const { holds, absent, reviving } = facts(node);
			const linked = isLinked(node);
			return {
				node,
				linked,
				serves: !absent && !reviving,
				reviving,
				vector: holds?.vector ?? new Map(),
				down: !linked && statuses.get(node) === "down",
			};
		});
	}
}
