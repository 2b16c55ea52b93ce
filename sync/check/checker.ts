/**
 * `pmnode check`: looks at all that a node holds, against itself and its peers, while it serves, and mends what can be
 * mended. The checks themselves are pure and lie beside this file (the simulator uses them as well); here is their order, their
 * pace, and what is said of them.
 */
import type { CheckOptions, CheckResult } from "../api.ts";
import type { ClusterState, Member } from "../directory/cluster.ts";
import type { AccountId } from "../ids.ts";
import {
	CHECK_PAUSE_MILLISECONDS,
	CHECK_SLICE_MILLISECONDS,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Bodies, BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Store } from "../ports/store.ts";
import type { Space } from "../space/space.ts";
import { hasMail } from "./held.ts";
import { Mender, type MenderOptions } from "./mend.ts";
import { PeerDocuments } from "./peers.ts";
import { Run } from "./run.ts";

export interface CheckerOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly cluster: ClusterState;
	readonly bodies: Bodies;
	readonly fetchBody: MenderOptions["fetchBody"];
	readonly network: Network;
	readonly clock: Clock;
	readonly diary: Log;
	readonly arrived: (vector: Vector) => Promise<boolean>;
	readonly directoryChanged: (account: AccountId | "cluster") => void;
	readonly adopted: Space["adopted"];
	/** Whether no member has the body. */
	readonly isLost: (body: BodyRef) => boolean;
	/** Whether it is not here yet, and being fetched. */
	readonly isAwaited: (body: BodyRef) => boolean;
	/** Own changes that fewer members hold than the operator wants: the first of them, the last there is, and how many. */
	readonly tooFewCopies: () => {
		readonly first: number;
		readonly head: number;
		readonly count: number;
	};
}

export class Checker {
	readonly #options: CheckerOptions;
	readonly peers: PeerDocuments;
	readonly mender: Mender;
	/** When this turn of work began (monotonic). */
	#began = Number.NEGATIVE_INFINITY;

	constructor(options: CheckerOptions) {
		this.#options = options;
		const breathe = () => this.breathe();
		this.peers = new PeerDocuments({
			...options,
			breathe,
			member: (node) => options.cluster.member(node),
			hasMail: (id) => hasMail(options.store, id),
			mergeFrom: (member, ids) => this.mender.mergeFrom(member, ids),
		});
		this.mender = new Mender({
			...options,
			breathe,
			peers: this.peers,
			reachable: () => this.reachable(),
		});
	}

	/** The other members that can be asked now. */
	reachable(): Member[] {
		const { network, cluster } = this.#options;
		return network
			.peers()
			.filter(({ state }) => state === "up")
			.map(({ node }) => cluster.member(node))
			.filter((member) => member !== undefined);
	}

	/** After some milliseconds of work: lets others have a turn. */
	async breathe(): Promise<void> {
		const { clock } = this.#options;
		if (clock.monotonic() - this.#began < CHECK_SLICE_MILLISECONDS) return;
		await new Promise<void>((resolve) => {
			clock.after(CHECK_PAUSE_MILLISECONDS, resolve);
		});
		this.#began = clock.monotonic();
	}

	async check(options: CheckOptions): Promise<CheckResult> {
		const run = new Run(this, this.#options, options);
		const first = await run.all();
		if (first.mended === 0) return first;
		// What was mended must hold, and may have let more be seen.
		const again = new Run(
			this,
			this.#options,
			{ ...options, repair: false },
			run,
		);
		const { problems } = await again.all();
		return { problems, mended: first.mended };
	}
}
