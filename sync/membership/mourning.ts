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

/** What was known of it. */
export interface Departed {
	readonly had: ReadonlyMap<Origin, Sequence>;
	/** It fell silent; its process may have gone on apart. */
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
		const { losses } = this.#options.mailboxes;
		tx.batch.put(keyOf(node), "1");
		tx.batch.put(`had/${node}`, undefined);
		// It was gone before this node came.
		if (had.size === 0) return;
		losses.leapClaims(tx, FLOOR_LEAP);
		if (!apart) return;
		for (const { mailbox, entry, had: known } of losses.entriesHad(had))
			if (!known) losses.claimAgain(tx, mailbox, entry);
	}
}
