/**
 * All mailboxes of this node: folds changes into rows, numbers messages where this node is the numberer, and shows what
 * may be shown. UIDs and stamps follow mailbox-consistency.md; the numbers of its rules stand beside the code. Knows
 * nothing of protocols, peers or time but what it is given.
 */
import { keys, segmentDocument } from "../documents/shapes.ts";
import type {
	AccountId,
	EntryId,
	MailboxId,
	ModSeq,
	Origin,
	Uid,
} from "../ids.ts";
import { WANTS_MAX, WANTS_TOLD_MAX } from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { foldSegment } from "./fold.ts";
import { Pending } from "./pending.ts";
import {
	type BoxRow,
	bodyTag,
	boxKey,
	decodeFacts,
	type EntryRow,
	type Facts,
	flagsOf,
	getBox,
	getRow,
	lives,
	newBox,
	rowKey,
	uidOf,
} from "./rows.ts";
import { nextUid, type SlotRange } from "./slots.ts";
import { Stamps } from "./stamps.ts";
import { messageOf, View, type ViewChange } from "./view.ts";

/** Rule 6: "this claim is too low here, please claim again", as it travels. */
export interface Want {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	/** The highest claim, which is not above E here. */
	readonly claim: number;
}

export interface MailboxesOptions {
	readonly origin: Origin;
	readonly store: Store;
	readonly clock: Clock;
	readonly diary: Log;
	readonly slots: () => SlotRange;
	/** Rule 2: is this node the one that numbers for the account? */
	readonly numbers: (account: AccountId) => boolean;
	/** Rule 7: is own change `sequence` on one more member, or can none be reached? */
	readonly secondCopy: (sequence: number) => boolean;
	/** An entry names a body that should be held here. Called within a batch. */
	readonly bodyNamed: (
		batch: Batch,
		facts: Facts,
		at: { mailbox: MailboxId; entry: EntryId },
		change: { origin: Origin; sequence: number },
	) => void;
	/** Claims that are too low here, to be told to the numberer. */
	readonly wants: (wants: readonly Want[]) => void;
}

interface Staged {
	readonly changes: ViewChange[];
	readonly box: BoxRow;
}

export class Mailboxes implements Fold {
	readonly #options: MailboxesOptions;
	readonly stamps: Stamps;
	readonly #pending: Pending;
	readonly #views = new Map<MailboxId, { view: View; users: number }>();
	/** Mailboxes that somebody looks at, and how many do: what may be shown there is shown at once. */
	readonly #looks = new Map<MailboxId, number>();
	/** Who waits for the UID of an entry. */
	readonly #watchers = new Map<EntryId, Set<(uid: Uid) => void>>();
	/** Touched in this batch, in order of arrival. */
	readonly #touched = new Map<string, [MailboxId, EntryId]>();
	readonly #staged = new Map<MailboxId, Staged>();
	#newWants: Want[] = [];
	/** Entries that live and have no UID yet: what a new numberer begins with. */
	readonly #unnumbered = new Map<string, [MailboxId, EntryId]>();
	/** Claims that some node finds too low, until a higher one comes (rule 6). */
	readonly #wanted = new Map<string, Want>();
	/** Entries that live, over all mailboxes: as committed, and what this batch adds. */
	#live = 0;
	#liveInBatch = 0;
	/** Looked-at mailboxes with entries that could not be shown yet. */
	readonly #waiting = new Set<MailboxId>();

	constructor(options: MailboxesOptions) {
		this.#options = options;
		this.stamps = new Stamps(options.clock, options.slots);
		this.#pending = new Pending(options.store);
		this.recount();
	}

	/** Messages in all mailboxes. */
	get live(): number {
		return this.#live;
	}

	/** Reads anew from the store what is held in memory (at the start, and when all documents came at once). */
	recount(): void {
		const { store } = this.#options;
		this.#live = 0;
		this.#unnumbered.clear();
		for (const [, box] of store.range("box/", prefixEnd("box/")))
			this.#live += (JSON.parse(box as string) as BoxRow).live;
		const batch = new Batch(store);
		this.#pending.load();
		for (const [mailbox, entry] of this.#pending.all()) {
			const row = getRow(batch, mailbox, entry);
			if (row !== undefined) this.#noteNumber(mailbox, entry, row);
			this.#noteLow(batch, mailbox, entry);
		}
	}

	#noteNumber(mailbox: MailboxId, entry: EntryId, row: EntryRow): void {
		const key = `${mailbox}/${entry}`;
		if (lives(row) && uidOf(row) === 0)
			this.#unnumbered.set(key, [mailbox, entry]);
		else this.#unnumbered.delete(key);
		const want = this.#wanted.get(key);
		if (want !== undefined && (row.x || uidOf(row) > want.claim))
			this.#wanted.delete(key);
	}

	// ------------------------------------------------------------------ Fold

	fold(tx: Transaction, change: KeyChange): void {
		const folded = foldSegment(tx.batch, change);
		if (folded === undefined) return;
		const { mailbox, entry } = folded;
		this.#liveInBatch += folded.livesMore;
		this.#noteNumber(mailbox, entry, folded.row);
		this.#touched.set(`${mailbox}/${entry}`, [mailbox, entry]);
		for (const place of folded.changed) this.#pending.add(tx.batch, ...place);
		for (const facts of folded.facts)
			this.#options.bodyNamed(tx.batch, facts, { mailbox, entry }, change);
	}

	finish(tx: Transaction): void {
		// Numbering touches entries again, which changes nothing for it: claims are not claimed twice.
		for (const [mailbox, entry] of [...this.#touched.values()]) {
			this.#number(tx, mailbox, entry);
			this.#askAgain(tx, mailbox, entry);
		}
		const looked = new Set(this.#waiting);
		for (const [mailbox] of this.#touched.values())
			if (this.#looks.has(mailbox)) looked.add(mailbox);
		for (const mailbox of looked) this.show(tx, mailbox);
	}

	committed(): void {
		this.#touched.clear();
		this.#live += this.#liveInBatch;
		this.#liveInBatch = 0;
		const told: View[] = [];
		for (const [mailbox, { changes, box }] of this.#staged) {
			this.#answerWatchers(changes);
			const view = this.#views.get(mailbox)?.view;
			if (view === undefined) continue;
			view.apply(changes, box.E + 1, box.H as ModSeq);
			if (changes.length > 0) told.push(view);
		}
		this.#staged.clear();
		for (const view of told) view.tell();
		if (this.#newWants.length > 0)
			this.#options.wants(this.#newWants.splice(0));
	}

	#answerWatchers(changes: readonly ViewChange[]): void {
		if (this.#watchers.size === 0) return;
		for (const change of changes)
			if (change.kind === "appeared")
				for (const told of this.#watchers.get(change.message.entry) ?? [])
					told(change.message.uid);
	}

	rolledBack(): void {
		this.#touched.clear();
		this.#liveInBatch = 0;
		this.#staged.clear();
		this.#newWants = [];
		this.recount();
	}

	// ------------------------------------------------------------------ numbering (rules 2 to 6)

	#number(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		const box = getBox(tx.batch, mailbox);
		if (row === undefined || !lives(row) || box.account === "") return;
		if (!this.#options.numbers(box.account)) return;
		const claim = uidOf(row);
		const key = `${mailbox}/${entry}`;
		// Rule 6: claimed again only if the claim found too low is still the highest.
		if (claim !== 0 && this.#wanted.get(key)?.claim !== claim) return;
		const above = Math.max(box.heardUid, box.E, box.heardE);
		const uid = nextUid(above, this.#options.slots());
		if (uid === undefined) {
			this.#options.diary.error("the UIDs of a mailbox are used up", {
				mailbox,
			});
			return;
		}
		this.#wanted.delete(key);
		tx.edit(segmentDocument(mailbox, row.s), {
			key: keys.claim(entry, uid),
			set: bodyTag(row.f as string),
		});
	}

	/** Rule 6: a claim that cannot be shown here is reported as soon as it arrives, whether a client looks or not. */
	#askAgain(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const want = this.#noteLow(tx.batch, mailbox, entry);
		if (want === undefined) return;
		this.#number(tx, mailbox, entry);
		if (this.#wanted.has(`${mailbox}/${entry}`)) this.#newWants.push(want);
	}

	/** The highest claim cannot be shown here any more, since it is not above E. */
	#noteLow(batch: Batch, mailbox: MailboxId, entry: EntryId): Want | undefined {
		const row = getRow(batch, mailbox, entry);
		if (row === undefined || !lives(row)) return undefined;
		const claim = uidOf(row);
		const box = getBox(batch, mailbox);
		if (claim === 0 || claim > box.E || isShownAs(row, claim)) return undefined;
		const want = { mailbox, entry, claim };
		this.#keepWant(want);
		return want;
	}

	#keepWant(want: Want): void {
		const key = `${want.mailbox}/${want.entry}`;
		if (this.#wanted.size < WANTS_MAX || this.#wanted.has(key))
			this.#wanted.set(key, want);
	}

	/** Another node finds these claims too low. Numbers them again, if this node is the numberer. */
	takeWants(tx: Transaction, wants: readonly Want[]): void {
		for (const want of wants) {
			const { mailbox, entry, claim } = want;
			const row = getRow(tx.batch, mailbox, entry);
			// Settled already. A claim that is not here yet may still come, after the news that it is too low.
			if (row !== undefined && (row.x || uidOf(row) > claim)) continue;
			this.#keepWant(want);
			if (row !== undefined) this.#number(tx, mailbox, entry);
		}
	}

	/** Claims known to be too low somewhere, to be told again: the first of them, the next when those are settled. */
	wanted(): Want[] {
		const first: Want[] = [];
		for (const want of this.#wanted.values()) {
			if (first.length >= WANTS_TOLD_MAX) break;
			first.push(want);
		}
		return first;
	}

	/** Who numbers may have changed: numbers all that waits and is now this node's to number. */
	numberAll(tx: Transaction): void {
		for (const [mailbox, entry] of [...this.#unnumbered.values()])
			this.#number(tx, mailbox, entry);
		for (const { mailbox, entry } of [...this.#wanted.values()])
			this.#number(tx, mailbox, entry);
	}

	/** Rule 8: a client named a UID that some node must have told; E follows, as far as that can be believed. */
	named(tx: Transaction, mailbox: MailboxId, uid: number): void {
		const box = getBox(tx.batch, mailbox);
		if (uid <= box.E || uid > Math.max(box.heardUid, box.heardE)) return;
		box.E = uid;
		tx.batch.change(boxKey(mailbox), box);
		this.#stage(mailbox, box);
		for (const entry of this.#pending.of(mailbox))
			this.#askAgain(tx, mailbox, entry);
	}

	// ------------------------------------------------------------------ showing (rules 6, 7, 11)

	/** Makes visible to clients of this node what may be: in UID order, and nothing that only this node has. */
	show(tx: Transaction, mailbox: MailboxId): void {
		const { batch } = tx;
		const box = getBox(batch, mailbox);
		const appearing: { uid: number; entry: EntryId; row: EntryRow }[] = [];
		let waits = false;
		for (const entry of this.#pending.of(mailbox)) {
			const row = getRow(batch, mailbox, entry);
			if (row === undefined) continue;
			if (!this.#isSafe(row)) {
				waits = true;
				// A lower UID must not be overtaken: it could never be shown then.
				if (lives(row) && uidOf(row) > 0 && !isShownAs(row, uidOf(row)))
					appearing.push({ uid: uidOf(row), entry, row });
			} else if (!lives(row)) this.#expunge(batch, mailbox, entry, row, box);
			else if (uidOf(row) > 0 && !isShownAs(row, uidOf(row)))
				appearing.push({ uid: uidOf(row), entry, row });
			else if (row.v !== undefined)
				this.#update(batch, mailbox, entry, row, box);
		}
		appearing.sort((a, b) => a.uid - b.uid);
		for (const { entry, row, uid } of appearing) {
			if (!this.#isSafe(row)) break;
			if (uid > box.E) this.#appear(batch, mailbox, entry, row, box);
			else if (row.v !== undefined)
				this.#update(batch, mailbox, entry, row, box, true);
		}
		batch.change(boxKey(mailbox), box);
		this.#stage(mailbox, box);
		if (waits && this.#looks.has(mailbox)) this.#waiting.add(mailbox);
		else this.#waiting.delete(mailbox);
	}

	/** Whether something waits for second copies, so that show should run again when they are made. */
	get hasWaiting(): boolean {
		return this.#waiting.size > 0;
	}

	/** Rule 7: all that this node did to the entry is on one more member, if one can be reached. */
	#isSafe(row: EntryRow): boolean {
		const own = row.o[this.#options.origin];
		return own === undefined || this.#options.secondCopy(own);
	}

	#appear(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
	): void {
		const uid = uidOf(row) as Uid;
		const replaced = row.v?.u;
		if (row.v !== undefined) count(box, row, -1);
		const stamp = this.stamps.give(batch, box);
		row.v = {
			u: uid,
			m: stamp,
			a: stamp,
			g: flagsOf(row),
			n: row.n,
			f: row.f as string,
		};
		box.E = uid;
		count(box, row, 1);
		batch.change(rowKey(mailbox, entry), row);
		this.#pending.remove(batch, mailbox, entry);
		this.#stage(mailbox, box).changes.push({
			kind: "appeared",
			message: messageOf(entry, row),
			replaced,
		});
	}

	/** Rule 11: every operation on a shown message stamps it, also where its flags look the same. */
	#update(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
		staysPending = false,
	): void {
		const shown = row.v as NonNullable<EntryRow["v"]>;
		if (shown.n !== row.n) {
			count(box, row, -1);
			shown.m = this.stamps.give(batch, box);
			shown.g = flagsOf(row);
			shown.n = row.n;
			count(box, row, 1);
			batch.change(rowKey(mailbox, entry), row);
			this.#stage(mailbox, box).changes.push({
				kind: "changed",
				message: messageOf(entry, row),
			});
		}
		if (!staysPending) this.#pending.remove(batch, mailbox, entry);
	}

	#expunge(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		box: BoxRow,
	): void {
		// A tombstone may come before the facts only in a damaged log; there is nothing to take away then.
		const { v: shown } = row;
		if (shown !== undefined) {
			count(box, row, -1);
			this.stamps.give(batch, box);
			delete row.v;
			batch.change(rowKey(mailbox, entry), row);
			this.#stage(mailbox, box).changes.push({
				kind: "gone",
				entry,
				uid: shown.u,
			});
		}
		this.#pending.remove(batch, mailbox, entry);
	}

	/** Takes back what was shown of an entry, since it cannot be true: it will be shown anew, as far as it may be. */
	unshow(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const { batch } = tx;
		const row = getRow(batch, mailbox, entry);
		if (row === undefined) return;
		this.#expunge(batch, mailbox, entry, row, getBox(batch, mailbox));
		batch.change(boxKey(mailbox), getBox(batch, mailbox));
		this.#pending.add(batch, mailbox, entry);
	}

	#stage(mailbox: MailboxId, box: BoxRow): Staged {
		let staged = this.#staged.get(mailbox);
		if (staged === undefined) {
			staged = { changes: [], box };
			this.#staged.set(mailbox, staged);
		}
		return staged;
	}

	// ------------------------------------------------------------------ looking

	/** Shows at once, from now on, what may be shown in the mailbox. The caller then has show() run once. */
	look(mailbox: MailboxId): () => void {
		this.#looks.set(mailbox, (this.#looks.get(mailbox) ?? 0) + 1);
		let held = true;
		return () => {
			if (!held) return;
			held = false;
			const left = (this.#looks.get(mailbox) ?? 1) - 1;
			if (left > 0) this.#looks.set(mailbox, left);
			else {
				this.#looks.delete(mailbox);
				this.#waiting.delete(mailbox);
			}
		};
	}

	/** The live view of a mailbox that is looked at, loaded if nobody had it. Give it back with release(). */
	acquire(mailbox: MailboxId): View {
		let held = this.#views.get(mailbox);
		if (held === undefined) {
			held = { view: new View(this.#options.store, mailbox), users: 0 };
			this.#views.set(mailbox, held);
		}
		held.users++;
		return held.view;
	}

	release(mailbox: MailboxId): void {
		const held = this.#views.get(mailbox);
		if (held !== undefined && --held.users === 0) this.#views.delete(mailbox);
	}

	/** Runs `told` once the entry is shown here, with its UID. */
	watch(entry: EntryId, told: (uid: Uid) => void): () => void {
		const watchers = this.#watchers.get(entry) ?? new Set();
		this.#watchers.set(entry, watchers);
		watchers.add(told);
		return () => {
			watchers.delete(told);
			if (watchers.size === 0 && this.#watchers.get(entry) === watchers)
				this.#watchers.delete(entry);
		};
	}

	/** As committed. */
	box(mailbox: MailboxId): BoxRow {
		const text = this.#options.store.get(boxKey(mailbox));
		return text === undefined
			? newBox()
			: (JSON.parse(text as string) as BoxRow);
	}

	/** The UID that the entry is shown under; "coming" when it lives and is not shown yet; else undefined. */
	shownUid(mailbox: MailboxId, entry: EntryId): Uid | "coming" | undefined {
		const row = this.row(mailbox, entry);
		if (row === undefined || !lives(row)) return undefined;
		return row.v?.u ?? "coming";
	}

	/** Whether the mailbox has something that was not shown yet. */
	hasPending(mailbox: MailboxId): boolean {
		return this.#pending.has(mailbox);
	}

	/** A client selects: shows what may be shown, and gives the mailbox its first stamp. */
	begin(tx: Transaction, mailbox: MailboxId): void {
		const box = getBox(tx.batch, mailbox);
		if (box.H === 0) {
			this.stamps.give(tx.batch, box);
			tx.batch.change(boxKey(mailbox), box);
		}
		this.show(tx, mailbox);
	}

	/** An entry came with a snapshot, without a change of its own: it is still to be shown. */
	noteAdopted(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		this.#pending.add(batch, mailbox, entry);
	}

	/** Entries that live, shown or not. */
	entries(mailbox: MailboxId): EntryId[] {
		const prefix = `ent/${mailbox}/`;
		return [...this.#options.store.range(prefix, prefixEnd(prefix))]
			.filter(([, row]) => lives(JSON.parse(row as string) as EntryRow))
			.map(([key]) => key.slice(prefix.length) as EntryId);
	}

	row(mailbox: MailboxId, entry: EntryId): EntryRow | undefined {
		return getRow(new Batch(this.#options.store), mailbox, entry);
	}
}

/** Shown under this UID, and with the body that it has now. */
const isShownAs = (row: EntryRow, uid: number): boolean =>
	row.v?.u === uid && sameBody(row.v.f, row.f as string);
const sameBody = (a: string, b: string): boolean =>
	a === b || decodeFacts(a).body.hash === decodeFacts(b).body.hash;

function count(box: BoxRow, row: EntryRow, by: 1 | -1): void {
	const shown = row.v as NonNullable<EntryRow["v"]>;
	box.shown += by;
	if (!shown.g.includes("\\Seen")) box.unseen += by;
	if (shown.g.includes("\\Deleted")) box.deleted += by;
	box.sizeBytes += by * decodeFacts(shown.f).body.sizeBytes;
}
