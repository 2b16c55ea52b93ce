/** What the mailboxes of a node are given. Types only. */
import type { AccountId, EntryId, MailboxId, Origin } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import type { Vector } from "../log/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import type { Folded, RecordPlace } from "./fold.ts";
import type { Pair } from "./pairs.ts";
import type { Facts } from "./rows.ts";
import type { SlotRange } from "./slots.ts";
import type { Want } from "./wanted.ts";
import type { Watermark } from "./watermarks.ts";

export interface MailboxesOptions {
	readonly origin: Origin;
	readonly rules: Rules;
	readonly store: Store;
	readonly clock: Clock;
	readonly diary: Log;
	readonly slots: () => SlotRange;
	/** A life that has none yet gives no stamps, and has told none. */
	readonly hasSlots: () => boolean;
	/** What is held durably. */
	readonly vector: () => Vector;
	/** Rule 2: is this node the one that numbers for the account? */
	readonly numbers: (account: AccountId) => boolean;
	readonly spreads: (account: AccountId) => number;
	/** Rule 7: is own change `sequence` on one more member, or can none be reached? */
	readonly secondCopy: (sequence: number) => boolean;
	/** Rule 9: whether tokens of this stamp slot are worth nothing. */
	readonly isRetired: (stampSlot: number) => boolean;
	/** An entry names a body that should be held here. Called within a batch. */
	readonly bodyNamed: (
		batch: Batch,
		facts: Facts,
		change: { origin: Origin; sequence: number },
		by: readonly [MailboxId, EntryId],
	) => void;
	/** An entry changed. Called within a batch. */
	readonly folded: (batch: Batch, folded: Folded, change: RecordPlace) => void;
	/** No UID is left in the mailbox: it must be renewed (rule I5). */
	readonly usedUp: (mailbox: MailboxId, account: AccountId) => void;
	/** Claims that are too low here, to be told to the numberer. */
	readonly wants: (wants: readonly Want[]) => void;
	/** A pair that was made here, for all members (rule 12). */
	readonly pairMade: (pair: Pair) => void;
	/** Watermarks that no claim tells, for all members (rule 3). */
	readonly watermarks: (watermarks: readonly Watermark[]) => void;
	/** Has a batch made, for what waits in memory. */
	readonly flush: () => void;
	/** Other than usual, in simulations (review.ts). */
	readonly reviewEntries?: number | undefined;
	/** Other than usual, in simulations (numbering.ts). */
	readonly wantsMax?: number | undefined;
}

/** To a client that selects, or asks for the status. */
export interface Telling {
	/** Rule 8: this node has caught up with all members. */
	readonly complete: boolean;
	/** Rule 11: HIGHESTMODSEQ must be new. */
	readonly fresh: boolean;
	/** The highest UID and the token that the client names. */
	readonly told?: { readonly uid: number; readonly modSeq: number } | undefined;
}
