/**
 * What this node does on behalf of its cluster: it numbers for the accounts that fall to it (rules 1 and 2), and says
 * whether what it wrote has its second copy (rule 7). Who is up changes that; evaluate() looks at it anew.
 */
import type { AccountStates } from "../directory/accounts.ts";
import type { ClusterState } from "../directory/cluster.ts";
import { Temporary } from "../faults.ts";
import type { AccountId, NodeId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { SlotRange } from "../mailbox/slots.ts";
import type { Copies } from "../replication/copies.ts";
import type { Rules } from "../rules.ts";
import { numbererOf } from "./numberer.ts";
import type { Presence } from "./presence.ts";

export interface DutyOptions {
	readonly self: NodeId;
	readonly rules: Rules;
	readonly presence: Presence;
	readonly cluster: ClusterState;
	/** This life has begun, and has all documents. */
	readonly isWhole: () => boolean;
	/** This life has begun: it may write. */
	readonly alive: () => boolean;
	/** It has caught up. */
	readonly isReady: () => boolean;
	/** It is catching up, since a moment ago. */
	readonly isMeeting: () => boolean;
	/** A member that is down may have gone on, apart. */
	readonly isApart: (node: NodeId) => boolean;
	readonly ledger: () => Ledger;
	readonly mailboxes: () => Mailboxes;
	readonly accounts: () => AccountStates;
	readonly copies: () => Copies;
}

export class Duty {
	readonly #options: DutyOptions;
	/** Who may number, as it was when all that waited was numbered last. */
	#numberers = "";
	/** The split that is now, as far as claims are spread in it. */
	#split = { members: "", number: 0 };

	constructor(options: DutyOptions) {
		this.#options = options;
	}

	/** Rule 2: one of the members that are up numbers. Nobody does before it is known who that is. */
	numbers(account: AccountId): boolean {
		const { self, rules, presence, isWhole, isReady, isMeeting } =
			this.#options;
		if (presence.isStarting || !isWhole()) return false;
		if (!rules.oneNumberer) return true;
		const others = presence.ready();
		// Where two sides of a split meet, both catch up: what one numbers before it has all is numbered anew.
		const ready = isReady() || (others.length === 0 && !isMeeting());
		const candidates = ready ? [self, ...others] : others;
		return numbererOf(account, candidates) === self;
	}

	/**
	 * Which split this is, where this node is on the side whose claims are spread: the one with more members, of two alike
	 * the one with the member that would number were all there. 0 without a split, and elsewhere.
	 */
	spreads(account: AccountId): number {
		const { self, rules, presence, isApart } = this.#options;
		if (!rules.spread) return 0;
		const present = new Set(presence.present());
		const others = presence.others().map(({ node }) => node);
		const apart = others.filter((node) => !present.has(node) && isApart(node));
		const members = apart.join();
		if (members !== this.#split.members)
			this.#split = { members, number: this.#split.number + 1 };
		if (apart.length === 0) return 0;
		const here = others.length + 1 - apart.length;
		const first = numbererOf(account, [self, ...others]);
		const isFirstHere = first !== undefined && !apart.includes(first);
		const isLarger =
			here > apart.length || (here === apart.length && isFirstHere);
		return isLarger ? this.#split.number : 0;
	}

	/** Rule 7. */
	hasSecondCopy(sequence: number): boolean {
		const { rules, presence, copies } = this.#options;
		return (
			!rules.secondCopy ||
			copies().count(sequence, false) >= 2 ||
			presence.ready().length === 0
		);
	}

	/** Rule 1. */
	slots(): SlotRange {
		const { cluster, ledger } = this.#options;
		const range = cluster.slots(ledger().origin);
		if (range === undefined)
			throw new Temporary("this node has no UID slots yet; it is joining");
		return range;
	}

	/** Who numbers may have changed: numbers all that waits and falls to this node now. */
	evaluate(): void {
		const { self, presence, isReady, isMeeting } = this.#options;
		const numberers = [
			presence.isStarting,
			isMeeting(),
			isReady() ? self : "",
			...presence.ready(),
		].join();
		if (numberers === this.#numberers || !this.#hasSlots) return;
		this.#numberers = numberers;
		this.#numberAll();
	}

	/** Something may wait that was passed over: all is looked at with the next evaluation. */
	again(): void {
		this.#numberers = "";
	}

	get #hasSlots(): boolean {
		const { cluster, ledger, alive } = this.#options;
		return alive() && cluster.slots(ledger().origin) !== undefined;
	}

	/** Where the disk refuses, it is tried again at the next evaluation. */
	#numberAll(): void {
		const { ledger, mailboxes, accounts } = this.#options;
		ledger()
			.write((tx) => {
				mailboxes().numbering.numberAll(tx);
				accounts().settleAll(tx);
			})
			.catch((error) => {
				if (!(error instanceof Temporary)) throw error;
				this.again();
			});
	}
}
