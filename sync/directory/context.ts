import type { MailboxId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Made } from "../log/transaction.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { SlotRange } from "../mailbox/slots.ts";
import type { Bodies, BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Rules } from "../rules.ts";
import type { AccountStates } from "./accounts.ts";
import type { ClusterState } from "./cluster.ts";

/** What the users' side of a replica works with. */
export interface Context {
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly cluster: ClusterState;
	readonly accounts: AccountStates;
	readonly bodies: Bodies;
	readonly clock: Clock;
	readonly random: Random;
	readonly rules: Rules;
	readonly slots: () => SlotRange;
	/** Resolves when own change `sequence` is on one more member, or none can be reached (rule 7); 0 at once. */
	readonly second: (sequence: number) => Promise<void>;
	/**
	 * Resolves when what was made, with its bodies, is on `--copies` members; rejects with Temporary. `waitedMilliseconds`: so long the
	 * command has waited already, of the time that members which are catching up are waited for.
	 */
	readonly copies: (made: Made, waitedMilliseconds?: number) => Promise<void>;
	/** Rejects with Temporary where too few members are up and the operator wants mail deferred then. */
	readonly mayAccept: () => void;
	/**
	 * Catches up with the members that can be reached, for a bounded time (rule 8). Resolves to whether the view of the
	 * mailbox is complete: caught up with all members.
	 */
	readonly catchUp: (mailbox: MailboxId) => Promise<boolean>;
	/** Whether all members can be talked to: only then a view that was complete still is. */
	readonly inTouch: () => boolean;
	/** False for a body that was taken in, but not named for hours: it was cleared as one that nobody wants. */
	readonly mayName: (body: BodyRef) => boolean;
}
