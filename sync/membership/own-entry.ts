/** What this node tells of itself in the cluster document: where it is, its life (origin) and the drives of its bodies. */
import {
	type ClusterState,
	type Member,
	writeIncarnation,
	writeMember,
	writeSlots,
} from "../directory/cluster.ts";
import { Temporary } from "../faults.ts";
import type { NodeId } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import { ALL_SLOTS } from "../mailbox/slots.ts";
import type { Clock } from "../ports/clock.ts";

export interface OwnEntryOptions {
	readonly node: NodeId;
	/** How the node describes itself. */
	readonly self: Omit<Member, "joinedMilliseconds" | "node">;
	/** The drive that it writes bodies to. */
	readonly drive: string;
	readonly cluster: ClusterState;
	readonly ledger: Ledger;
	readonly clock: Clock;
	readonly stopped: () => boolean;
}

const AGAIN_MILLISECONDS = 1_000;

export class OwnEntry {
	readonly #options: OwnEntryOptions;

	constructor(options: OwnEntryOptions) {
		this.#options = options;
	}

	/** The first member of a new cluster, with all UID slots. */
	async found(): Promise<void> {
		const { ledger, clock } = this.#options;
		await ledger.write((tx) => {
			writeMember(tx, this.#member(clock.now()));
			this.#writeLife(tx);
			writeSlots(tx, ledger.origin, ALL_SLOTS);
		});
	}

	/**
	 * Tells where this node is now, if that changed since it last ran. Where the disk refuses, again and again. Resolves to
	 * whether it is told: false when the node stopped before.
	 */
	async tell(): Promise<boolean> {
		const { cluster, ledger, node, stopped } = this.#options;
		const known = cluster.member(node);
		const member = this.#member(known?.joinedMilliseconds ?? 0);
		try {
			await ledger.write((tx) => {
				if (known !== undefined && !sameMember(known, member))
					writeMember(tx, member);
				this.#writeLife(tx);
			});
			return true;
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			if (stopped()) return false;
			await this.#pause();
			return this.tell();
		}
	}

	/** A drive of this node besides the one that it writes to. */
	async nameDrive(drive: string): Promise<void> {
		const { ledger, node } = this.#options;
		await ledger.write((tx) =>
			writeIncarnation(tx, { origin: ledger.origin, node, drive }),
		);
	}

	#writeLife(tx: Transaction): void {
		const { cluster, ledger, node, drive } = this.#options;
		const { origin } = ledger;
		const there = cluster
			.incarnations()
			.some((one) => one.origin === origin && one.drive === drive);
		if (!there) writeIncarnation(tx, { origin, node, drive });
	}

	#member(joinedMilliseconds: number): Member {
		const { self, node } = this.#options;
		return { ...self, node, joinedMilliseconds };
	}

	#pause(): Promise<void> {
		const { clock } = this.#options;
		return new Promise((resolve) => {
			clock.after(AGAIN_MILLISECONDS, resolve);
		});
	}
}

const sameMember = (a: Member, b: Member): boolean =>
	JSON.stringify(Object.entries(a).sort()) ===
	JSON.stringify(Object.entries(b).sort());
