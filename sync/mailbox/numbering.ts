/**
 * Claims of UIDs (rules 2 to 6): what has none yet, what was claimed too low, and how it is claimed. In a split the claims
 * of one side are spread (rules.ts), so that a heal numbers the other side's anew and not both.
 */
import { keys, segmentDocument } from "../documents/shapes.ts";
import type { AccountId, EntryId, MailboxId, Origin } from "../ids.ts";
import { WANTS_TOLD_MAX } from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import { isDead } from "./dead.ts";
import { foldFirstClaim } from "./fold.ts";
import {
	type BoxRow,
	bodyTag,
	type EntryRow,
	getBox,
	getRow,
	isShownAs,
	lives,
	rowKey,
	uidOf,
} from "./rows.ts";
import { ALL_SLOTS, nextUid, type SlotRange } from "./slots.ts";
import { type Want, Wanted } from "./wanted.ts";

/** Above what the other side numbers in a short split: some hundred messages. */
const SPREAD_FIRST = 2_048;
/** And between two claims: the other side may number ten times as much before it comes near. */
const SPREAD = 16;

export interface NumberingOptions {
	readonly origin: Origin;
	readonly store: Store;
	readonly rules: Rules;
	readonly slots: () => SlotRange;
	/** Rule 2: is this node the one that numbers for the account? */
	readonly numbers: (account: AccountId) => boolean;
	/**
	 * Which split this node numbers in, on the side whose claims are spread; 0 where there is none, or this is another side.
	 * Slots of two sides lie between one another: where both count on from the same UID and show what they number, almost
	 * all of both is too low for the other. So one side goes ahead, and what it showed stays.
	 */
	readonly spreads: (account: AccountId) => number;
	/** Other than usual, in simulations: so many wants are known at most. */
	readonly wantsMax?: number | undefined;
	/** The entry has its first UID. Called within a batch. */
	readonly numbered: (mailbox: MailboxId, entry: EntryId) => void;
}

type Place = readonly [MailboxId, EntryId];

/** What this node has to do with the numbers of an account. */
interface Duty {
	readonly numbers: boolean;
	/** NumberingOptions.spreads */
	readonly split: number;
	readonly slots: SlotRange;
}
const NO_DUTY: Duty = { numbers: false, split: 0, slots: ALL_SLOTS };

export class Numbering {
	readonly #options: NumberingOptions;
	/** Entries that live and have no UID yet: what a new numberer begins with. */
	readonly #unnumbered = new Map<string, Place>();
	/** The same of entries that came with this batch, which nearly always ends with a UID for each of them: see ended(). */
	#fresh: (readonly [MailboxId, EntryId, EntryRow])[] = [];
	readonly #wanted: Wanted;
	/** A claim was found too low here that there was no room to ask for. */
	#passedOver = false;
	#news: Want[] = [];
	/** What this batch may have changed above, and the want as it was before. */
	readonly #staged = new Map<
		string,
		{ readonly place: Place; readonly want: Want | undefined }
	>();
	/** Mailboxes that were numbered in, in the split that is now. */
	readonly #ahead = new Map<MailboxId, number>();
	/** While many are numbered at once. */
	#duties: Map<AccountId, Duty> | undefined;
	/** Mailboxes where no UID was left for something in this batch. */
	readonly #usedUp = new Map<MailboxId, AccountId>();

	constructor(options: NumberingOptions) {
		this.#options = options;
		const { store, rules, wantsMax } = options;
		this.#wanted = new Wanted(wantsMax);
		const batch = new Batch(store);
		if (rules.keepWants)
			this.#wanted.load(store, (want) => isSettled(batch, want));
	}

	/** Forgets what is read anew with note() and noteLow(). */
	clear(): void {
		this.#unnumbered.clear();
		this.#fresh = [];
		this.#usedUp.clear();
		this.#news = [];
		this.#staged.clear();
	}

	committed(): void {
		this.#wanted.committed();
		this.#staged.clear();
	}

	/** Nothing of the batch was kept: all is as before; `row` gives rows as committed. */
	rolledBack(
		row: (mailbox: MailboxId, entry: EntryId) => EntryRow | undefined,
	): void {
		this.#wanted.rolledBack();
		this.#fresh = [];
		const staged = [...this.#staged];
		for (const [key, { place, want }] of staged) {
			if (want === undefined) this.#wanted.delete(key);
			else this.#wanted.set(want);
			const committed = row(...place);
			if (committed === undefined) this.#unnumbered.delete(key);
			else this.note(...place, committed);
		}
		this.#usedUp.clear();
		this.#news = [];
		this.#staged.clear();
	}

	#stage(key: string, mailbox: MailboxId, entry: EntryId): void {
		if (this.#staged.has(key)) return;
		const want = this.#wanted.get(key);
		this.#staged.set(key, { place: [mailbox, entry], want });
	}

	/** The entry is so now. */
	note(mailbox: MailboxId, entry: EntryId, row: EntryRow): void {
		const isUnnumbered = lives(row) && uidOf(row) === 0;
		// Most changes are of what has its number, and nothing is wanted.
		if (!isUnnumbered && this.#unnumbered.size + this.#wanted.size === 0)
			return;
		const key = rowKey(mailbox, entry);
		const want = this.#wanted.get(key);
		if (isUnnumbered === this.#unnumbered.has(key) && want === undefined)
			return;
		this.#stage(key, mailbox, entry);
		if (isUnnumbered) this.#unnumbered.set(key, [mailbox, entry]);
		else this.#unnumbered.delete(key);
		if (want !== undefined && (row.x || uidOf(row) > want.claim))
			this.#wanted.delete(key);
	}

	/** It has come just now, with all that is known of it, and the batch goes on to change `row`. */
	noteNew(mailbox: MailboxId, entry: EntryId, row: EntryRow): void {
		this.#fresh.push([mailbox, entry, row]);
	}

	/** All is numbered that this batch numbers: what came with it and has no UID waits for one from now on. */
	ended(): void {
		for (const [mailbox, entry, row] of this.#fresh)
			if (uidOf(row) === 0) this.note(mailbox, entry, row);
		this.#fresh = [];
	}

	isUnnumbered(mailbox: MailboxId, entry: EntryId): boolean {
		return this.#unnumbered.has(rowKey(mailbox, entry));
	}

	/** Numbers many entries at once: who numbers, and with which slots, is asked once for all of them. */
	together(run: () => void): void {
		this.#duties = new Map();
		try {
			run();
		} finally {
			this.#duties = undefined;
		}
	}

	#dutyOf(account: AccountId): Duty {
		const known = this.#duties?.get(account);
		if (known !== undefined) return known;
		const { numbers, slots, spreads } = this.#options;
		const duty = numbers(account)
			? { numbers: true, split: spreads(account), slots: slots() }
			: NO_DUTY;
		this.#duties?.set(account, duty);
		return duty;
	}

	/** `row`: that of the entry, if the caller has it. */
	number(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		row = getRow(tx.batch, mailbox, entry),
	): void {
		if (row === undefined || !lives(row)) return;
		const claim = uidOf(row);
		if (claim !== 0 && this.#wanted.size === 0) return;
		// Rule 6: claimed again only if no higher one came since it was found too low.
		if (claim !== 0 && this.#claimWanted(mailbox, entry) < claim) return;
		const box = getBox(tx.batch, mailbox);
		if (box.account === "") return;
		const { numbers, split, slots } = this.#dutyOf(box.account);
		if (!numbers) return;
		// It is numbered when its document is put together again (check/heal.ts).
		if (tx.isDamaged(segmentDocument(mailbox, row.s))) return;
		const above = this.#above(box);
		const lead = this.#lead(mailbox, split);
		const uid = nextUid(above + lead, slots) ?? nextUid(above, slots);
		if (uid === undefined) {
			this.#usedUp.set(mailbox, box.account);
			return;
		}
		this.#numbered(mailbox, entry);
		const document = segmentDocument(mailbox, row.s);
		const claimed = {
			key: keys.claim(entry, uid),
			set: bodyTag(row.f as string),
			isNew: true,
		} as const;
		// Of nearly all it is the first claim.
		if (row.u.length > 0) tx.edit(document, claimed);
		else {
			const sequence = tx.editFolded(document, claimed);
			const change = { origin: this.#options.origin, sequence };
			foldFirstClaim(tx.batch, mailbox, entry, row, uid, change);
			this.#options.numbered(mailbox, entry);
		}
	}

	#claimWanted(mailbox: MailboxId, entry: EntryId): number {
		return this.#wanted.get(rowKey(mailbox, entry))?.claim ?? 0;
	}

	/** It is claimed: whatever waited for that does no more. Of nearly all nothing did. */
	#numbered(mailbox: MailboxId, entry: EntryId): void {
		if (this.#unnumbered.size + this.#wanted.size === 0) return;
		const key = rowKey(mailbox, entry);
		this.#stage(key, mailbox, entry);
		this.#wanted.delete(key);
		this.#unnumbered.delete(key);
	}

	/** Rule 3: above every UID and every E heard of. */
	#above(box: BoxRow): number {
		return this.#options.rules.aboveE
			? Math.max(box.heardUid, box.E, box.heardE)
			: box.heardUid;
	}

	#lead(mailbox: MailboxId, split: number): number {
		if (split === 0) {
			if (this.#ahead.size > 0) this.#ahead.clear();
			return 0;
		}
		const isFirst = this.#ahead.get(mailbox) !== split;
		this.#ahead.set(mailbox, split);
		return isFirst ? SPREAD_FIRST : SPREAD;
	}

	/** Rule 6: a claim that cannot be shown here is reported as soon as it arrives, whether a client looks or not. */
	askAgain(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		row = getRow(tx.batch, mailbox, entry),
	): void {
		const want = this.noteLow(tx.batch, mailbox, entry, row);
		if (want === undefined) return;
		this.number(tx, mailbox, entry, row);
		if (this.#wanted.has(rowKey(mailbox, entry))) this.#news.push(want);
	}

	/** The highest claim cannot be shown here any more, since it is not above E. */
	noteLow(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row = getRow(batch, mailbox, entry),
	): Want | undefined {
		if (row === undefined || !lives(row)) return undefined;
		const claim = uidOf(row);
		if (claim === 0 || isShownAs(row, claim)) return undefined;
		if (claim > getBox(batch, mailbox).E) return undefined;
		const want = { mailbox, entry, claim };
		if (!this.#keepWant(want)) this.#passedOver = true;
		return want;
	}

	/** Whether, since this said so last, claims were passed over for which there is room now. */
	takePassedOver(): boolean {
		if (!this.#passedOver || !this.#wanted.isHalfEmpty) return false;
		this.#passedOver = false;
		return true;
	}

	#keepWant(want: Want): boolean {
		const key = rowKey(want.mailbox, want.entry);
		this.#stage(key, want.mailbox, want.entry);
		return this.#keepHighest(key, want);
	}
	#keepHighest(key: string, want: Want): boolean {
		const known = this.#wanted.get(key);
		if (known !== undefined && known.claim >= want.claim) return true;
		return this.#wanted.set(want);
	}

	/**
	 * Another node finds these claims too low: known from now on, whatever becomes of the batch in which they are taken. False
	 * where there is no room for all of them.
	 */
	hear(wants: readonly Want[]): boolean {
		if (!this.#options.rules.keepWants) return true;
		let room = true;
		for (const want of wants) {
			const key = rowKey(want.mailbox, want.entry);
			room = this.#keepHighest(key, want) && room;
		}
		return room;
	}

	/** Another node finds these claims too low. Numbers them again, if this node is the numberer. */
	takeWants(tx: Transaction, wants: readonly Want[]): void {
		for (const want of wants) {
			const { mailbox, entry } = want;
			const row = getRow(tx.batch, mailbox, entry);
			if (isSettled(tx.batch, want, row)) {
				this.#settled(tx.batch, want);
				continue;
			}
			this.#keepWant(want);
			if (row !== undefined) this.number(tx, mailbox, entry);
		}
	}

	/** What is known of it need not be what was heard. */
	#settled(batch: Batch, { mailbox, entry }: Want): void {
		const key = rowKey(mailbox, entry);
		const known = this.#wanted.get(key);
		if (known === undefined || !isSettled(batch, known)) return;
		this.#stage(key, mailbox, entry);
		this.#wanted.delete(key);
	}

	/** Rule 1: only this node, or a former life of it, claims so. */
	isOwnClaim(claim: number): boolean {
		return nextUid(claim - 1, this.#options.slots()) === claim;
	}

	/** Whether some node finds the claim of the entry too low. */
	isWanted(mailbox: MailboxId, entry: EntryId): boolean {
		return this.#wanted.has(rowKey(mailbox, entry));
	}

	/** All wants are in the store, or it need not hold them. */
	get isKept(): boolean {
		return !this.#options.rules.keepWants || this.#wanted.isKept;
	}
	/** In the batch with what members are known to have had: nobody may be known to have had what it asked to renumber. */
	keep(batch: Batch): void {
		if (this.#options.rules.keepWants) this.#wanted.keep(batch);
	}

	/** Claims known to be too low somewhere, to be told again: the first of them, the next when those are settled. */
	wanted(most = WANTS_TOLD_MAX): Want[] {
		const first: Want[] = [];
		for (const want of this.#wanted.values()) {
			if (first.length >= most) break;
			first.push(want);
		}
		return first;
	}

	/** Who numbers may have changed: numbers all that waits and is now this node's to number. */
	numberAll(tx: Transaction): void {
		this.together(() => {
			for (const [mailbox, entry] of [...this.#unnumbered.values()])
				this.number(tx, mailbox, entry);
			for (const { mailbox, entry } of [...this.#wanted.values()])
				this.number(tx, mailbox, entry);
		});
	}

	/** Mailboxes whose UIDs are used up: they must be renewed. */
	takeUsedUp(): [MailboxId, AccountId][] {
		const all = [...this.#usedUp];
		this.#usedUp.clear();
		return all;
	}

	/** What this batch found too low; asked for once. */
	takeNews(): Want[] {
		return this.#news.splice(0);
	}
}

/** A higher claim came, or the entry is gone. A claim that is not here yet may still come, after the news that it is too low. */
function isSettled(
	batch: Batch,
	{ mailbox, entry, claim }: Want,
	row = getRow(batch, mailbox, entry),
): boolean {
	if (row === undefined) return isDead(batch, mailbox, claim);
	return row.x === true || uidOf(row) > claim;
}
