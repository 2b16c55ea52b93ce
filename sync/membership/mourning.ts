/**
 * Rule 9, when a member is removed for good: it may have told its clients UIDs that nobody heard of. Claims leap above
 * them; and was it apart when it was lost (silent, not gone with its process), what it is not known to have had is
 * claimed again. Each member that knew it sees to that once.
 */
import type { ClusterState } from "../directory/cluster.ts";
import type { NodeId, Origin, Sequence } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import { FLOOR_LEAP } from "../mailbox/leap.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Store } from "../ports/store.ts";
import { Facts } from "../replication/facts.ts";

/** What was known of it; nothing, if this node never met it. */
export interface Departed {
	readonly had: ReadonlyMap<Origin, Sequence>;
	/** It was not seen to go with its process, which may have gone on apart. */
	readonly apart: boolean;
}

export interface MourningOptions {
	readonly state: ClusterState;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly store: Store;
	readonly departed: (node: NodeId) => Departed;
}

const keyOf = (node: NodeId): string => `mourned/${node}`;

export class Mourning {
	readonly #options: MourningOptions;
	readonly #done = new Set<NodeId>();

	constructor(options: MourningOptions) {
		this.#options = options;
	}

	/** This node has come to the cluster: members removed before that were mourned by those who knew them. */
	arrive(tx: Transaction): void {
		for (const node of this.#options.state.removed())
			tx.batch.put(keyOf(node), "1");
	}

	/** Members may have been removed. */
	evaluate(write: (work: (tx: Transaction) => void) => void): void {
		const { state, store } = this.#options;
		for (const node of state.removed()) {
			if (this.#done.has(node)) continue;
			this.#done.add(node);
			if (store.get(keyOf(node)) !== undefined) continue;
			const departed = this.#options.departed(node);
			write((tx) => this.#mourn(tx, node, departed));
		}
	}

	#mourn(tx: Transaction, node: NodeId, { had, apart }: Departed): void {
		const { losses, numbering } = this.#options.mailboxes;
		tx.batch.put(keyOf(node), "1");
		tx.batch.putAll(Facts.forgetting(node));
		losses.leapClaims(tx, FLOOR_LEAP);
		if (!apart) return;
		// Of whom it never met this node knows nothing; others do, but for what was numbered here.
		for (const { mailbox, entry, claim, had: known } of losses.entriesHad(had))
			if (!known && (had.size > 0 || numbering.isOwnClaim(claim)))
				losses.claimAgain(tx, mailbox, entry);
	}
}
