/**
 * All mailboxes of this node: folds changes into rows, has messages numbered where this node is the numberer, and shows
 * what may be shown. UIDs and stamps follow mailbox-consistency.md; the numbers of its rules stand beside the code. Knows
 * nothing of protocols, peers or time but what it is given. Its rooms: numbering (claims), showing (what becomes
 * visible), tokens and pairs (mod-sequences between nodes), watermarks (E between nodes), visits (a client selects), looking
 * and view (what sessions read), review (what waited at the start), losses (former lives and lost members).
 */
import type { EntryId, MailboxId, Uid } from "../ids.ts";
import { WANTS_MAX } from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import { keyChangeOf, type NewId } from "../log/transaction.ts";
import { prefixEnd } from "../ports/store.ts";
import {
	expectFolds,
	type Folded,
	foldNewEntry,
	foldSegment,
	type RecordPlace,
} from "./fold.ts";
import { Looking } from "./looking.ts";
import { Losses } from "./losses.ts";
import { NamedUids } from "./named-uids.ts";
import { Numbering } from "./numbering.ts";
import type { MailboxesOptions } from "./options.ts";
import { PairNotes } from "./pair-notes.ts";
import { type Pair, Pairs } from "./pairs.ts";
import { Pending } from "./pending.ts";
import { Review } from "./review.ts";
import {
	type BoxRow,
	boxKey,
	deadClaims,
	type EntryRow,
	getBox,
	getRow,
	lives,
	newBox,
	ownFlagOperation,
	ownOperation,
	rowKey,
} from "./rows.ts";
import { Showing } from "./showing.ts";
import { Stamps } from "./stamps.ts";
import { Tokens } from "./tokens.ts";
import { Touched } from "./touched.ts";
import { Unkept } from "./unkept.ts";
import type { View } from "./view.ts";
import { Visits } from "./visits.ts";
import { Waiting } from "./waiting.ts";
import { highestE, type Watermark, Watermarks } from "./watermarks.ts";

const BOXES_REMEMBERED = 1_000;

export class Mailboxes implements Fold {
	readonly stamps: Stamps;
	readonly pairs: Pairs;
	readonly numbering: Numbering;
	readonly tokens: Tokens;
	readonly watermarks: Watermarks;
	readonly losses: Losses;
	readonly namedUids: NamedUids;
	readonly unkept: Unkept;
	readonly visits: Visits;
	readonly #options: MailboxesOptions;
	readonly #pending: Pending;
	readonly #review: Review;
	readonly #showing: Showing;
	readonly #pairNotes: PairNotes;
	readonly #looking: Looking;
	/** Looked-at mailboxes where all that could be shown was: from then on only what is touched can become so. */
	readonly #shownAll = new Set<MailboxId>();
	/** Looked-at mailboxes with entries that wait for second copies. */
	readonly #waiting = new Waiting();
	/** As committed: SELECT and STATUS ask for them several times each. Until the next commit. */
	readonly #boxes = new Map<MailboxId, BoxRow>();
	readonly #touched = new Touched();
	/** Of an own operation, whether it has its second copy: as it was in this batch. */
	#copied: { readonly own: number; readonly isSafe: boolean } | undefined;
	/** Entries that live, over all mailboxes: as committed, and what this batch adds. */
	#live = 0;
	#liveInBatch = 0;

	constructor(options: MailboxesOptions) {
		this.#options = options;
		const { store, clock, slots, rules } = options;
		this.stamps = new Stamps(store, clock, slots, rules);
		this.pairs = new Pairs(store, clock, options.flush);
		this.numbering = new Numbering({
			...options,
			// Which entry the end of a batch is at, it knows: nothing was shown of it yet.
			numbered: (mailbox, entry) => {
				if (!this.#touched.isAt(mailbox, entry)) this.#touch(mailbox, entry);
			},
		});
		this.watermarks = new Watermarks(store);
		const { stamps, pairs } = this;
		this.tokens = new Tokens({ ...options, stamps, pairs });
		this.unkept = new Unkept(clock, stamps, options.pairMade);
		this.#pending = new Pending(store);
		this.#looking = new Looking(store, (mailbox) => {
			this.#shownAll.delete(mailbox);
			this.#waiting.delete(mailbox);
		});
		this.#showing = new Showing({
			stamps,
			rules,
			pending: this.#pending,
			ownOf: (row) => ownOperation(row, options.origin),
			ownFlagsOf: (row) => ownFlagOperation(row, options.origin),
			isCopied: (own) => this.#isCopied(own),
		});
		this.namedUids = new NamedUids({
			rules,
			pending: this.#pending,
			numbering: this.numbering,
			showing: this.#showing,
		});
		this.losses = new Losses({
			stamps,
			store,
			watermarks: this.watermarks,
			numbering: this.numbering,
			showing: this.#showing,
		});
		this.#pairNotes = new PairNotes({
			...options,
			pairs,
			stamps,
			box: (mailbox) => this.box(mailbox),
			isExact: (mailbox) => this.visits.isExact(mailbox),
			made: (pair) => options.pairMade(pair),
		});
		this.visits = new Visits({
			rules,
			stamps,
			pairs,
			pairNotes: this.#pairNotes,
			tokens: this.tokens,
			unkept: this.unkept,
			pending: this.#pending,
			numbering: this.numbering,
			namedUids: this.namedUids,
			showing: this.#showing,
			looking: this.#looking,
			show: (tx, mailbox) => this.show(tx, mailbox),
			box: (mailbox) => this.box(mailbox),
		});
		this.#review = new Review({
			...options,
			numbering: this.numbering,
			pending: this.#pending,
		});
		this.#readBoxes();
		this.#pending.load();
		this.#review.start();
	}

	/** Messages in all mailboxes. */
	get live(): number {
		return this.#live;
	}

	/** Reads anew from the store what is held in memory (when all documents came at once, or rows were mended). */
	recount(): void {
		this.#review.clear();
		this.numbering.clear();
		this.#readBoxes();
		this.#pending.load();
		this.#review.atOnce();
	}

	#readBoxes(): void {
		const { store } = this.#options;
		this.#boxes.clear();
		this.#live = 0;
		for (const [key, text] of store.range("box/", prefixEnd("box/"))) {
			const box = JSON.parse(text as string) as BoxRow;
			this.#live += box.live;
			this.watermarks.note(key.slice("box/".length) as MailboxId, box);
		}
	}

	// ------------------------------------------------------------------ Fold

	expect = expectFolds;

	fold(tx: Transaction, change: KeyChange): void {
		const folded = foldSegment(tx.batch, change, this.#options.rules);
		if (folded !== undefined) this.#folded(tx, folded, change);
	}

	foldNew(tx: Transaction, change: NewId): void {
		const folded = foldNewEntry(tx.batch, change, this.#options.rules);
		if (folded !== undefined) this.#folded(tx, folded, change, true);
		else
			for (const edit of change.edits) this.fold(tx, keyChangeOf(change, edit));
	}

	/** `isNew`: nothing was known of the entry. */
	#folded(
		tx: Transaction,
		folded: Folded,
		change: RecordPlace,
		isNew = false,
	): void {
		const { mailbox, entry, row } = folded;
		this.#liveInBatch += folded.livesMore;
		if (isNew) this.numbering.noteNew(mailbox, entry, row);
		else this.numbering.note(mailbox, entry, row);
		this.#options.folded(tx.batch, folded, change);
		const { changed, facts } = folded;
		for (let i = 0; i < changed.length; i++) {
			const place = changed[i] as (typeof changed)[number];
			this.#touch(place[0], place[1]);
		}
		if (this.#looking.hasView(mailbox)) this.#stageDead(tx.batch, mailbox, row);
		if (!lives(row)) return;
		for (let i = 0; i < facts.length; i++) {
			const named = facts[i] as (typeof facts)[number];
			this.#options.bodyNamed(tx.batch, named, change, [mailbox, entry]);
		}
	}

	#touch(mailbox: MailboxId, entry: EntryId): void {
		this.#touched.add(mailbox, entry);
		// Also again: it may have been shown in between.
		this.#pending.add(mailbox, entry);
	}

	/** Rule 15: a view knows which claims are dead. */
	#stageDead(batch: Batch, mailbox: MailboxId, row: EntryRow): void {
		if (row.u.length === 0) return;
		const claims = deadClaims(row);
		if (claims.length === 0) return;
		this.#showing
			.stage(mailbox, getBox(batch, mailbox))
			.changes.push({ kind: "dead", claims, uid: row.v?.u });
	}

	finish(tx: Transaction): void {
		const { askAtOnce } = this.#options.rules;
		this.#review.some(tx);
		this.namedUids.noteAll(tx);
		// Numbering touches entries again, which changes nothing for it: claims are not claimed twice.
		this.numbering.together(() =>
			this.#touched.each(tx.batch, (mailbox, entry, row) => {
				this.numbering.number(tx, mailbox, entry, row);
				if (askAtOnce) this.numbering.askAgain(tx, mailbox, entry, row);
			}),
		);
		this.numbering.ended();
		const looked = new Set(this.#waiting.mailboxes());
		for (const mailbox of this.#touched.mailboxes())
			if (this.#looking.has(mailbox)) looked.add(mailbox);
		for (const mailbox of looked) this.#showSome(tx, mailbox);
		this.#pending.settle(tx.batch);
		this.pairs.finish(tx.batch);
	}

	committed(): void {
		this.#boxes.clear();
		this.#touched.clear();
		this.#copied = undefined;
		this.#pending.committed();
		this.numbering.committed();
		this.#review.committed();
		if (this.numbering.takePassedOver()) this.#review.again();
		this.#live += this.#liveInBatch;
		this.#liveInBatch = 0;
		this.pairs.committed();
		const ahead: Watermark[] = [];
		for (const [mailbox, staged] of this.#showing.take()) {
			const { box } = staged;
			this.unkept.kept(mailbox, box.H);
			if (this.watermarks.note(mailbox, box))
				ahead.push({ mailbox, E: highestE(box) });
			if (this.#looking.has(mailbox) || this.visits.isTold(mailbox))
				this.#pairNotes.told(mailbox);
			this.#looking.take(mailbox, staged);
		}
		this.visits.ended();
		this.unkept.committed();
		this.namedUids.committed();
		this.#looking.tell();
		if (ahead.length > 0) this.#options.watermarks(ahead);
		const wants = this.numbering.takeNews();
		if (wants.length > 0) this.#options.wants(wants);
		for (const one of this.numbering.takeUsedUp()) this.#options.usedUp(...one);
	}

	rolledBack(): void {
		this.#touched.clear();
		this.#copied = undefined;
		this.visits.ended();
		this.namedUids.rolledBack();
		this.#liveInBatch = 0;
		this.#showing.take();
		this.#shownAll.clear();
		this.#waiting.clear();
		this.pairs.rolledBack();
		this.stamps.rolledBack();
		this.#pending.rolledBack();
		this.numbering.rolledBack((...place) => this.row(...place));
		this.#readBoxes();
		this.#review.rolledBack();
	}

	// ------------------------------------------------------------------ numbering (rules 2 to 6)

	/**
	 * What this node found too low is told before what it has: of what its life is known to have had, the next one takes as
	 * shown whatever nobody was asked to renumber (rule 9).
	 */
	tellWanted(): void {
		const wants = this.numbering.wanted(WANTS_MAX);
		if (wants.length > 0) this.#options.wants(wants);
	}

	/** Other nodes told these E. */
	watermarksHeard(tx: Transaction, told: readonly Watermark[]): void {
		for (const [mailbox, box] of this.watermarks.heard(tx, told))
			this.#showing.stage(mailbox, box);
	}

	// ------------------------------------------------------------------ showing (rules 6, 7, 11)

	/** Makes visible to clients of this node what may be: in UID order, and nothing that only this node has. */
	show(tx: Transaction, mailbox: MailboxId): void {
		this.#review.all(tx, mailbox);
		this.namedUids.note(tx, mailbox);
		if (!this.#options.rules.askAtOnce)
			for (const entry of this.#pending.of(mailbox))
				this.numbering.askAgain(tx, mailbox, entry);
		const rows = this.#pending
			.of(mailbox)
			.map((entry) => [entry, getRow(tx.batch, mailbox, entry)] as const);
		const waiting = this.#showing.show(tx.batch, mailbox, rows);
		if (!this.#looking.has(mailbox)) return;
		this.#shownAll.add(mailbox);
		this.#waiting.set(mailbox, waiting);
	}

	/** The same at the end of each batch: after the first time only what was touched, or waited, can have become fit. */
	#showSome(tx: Transaction, mailbox: MailboxId): void {
		if (this.namedUids.waits(mailbox) || !this.#shownAll.has(mailbox)) {
			this.show(tx, mailbox);
			return;
		}
		const { entries, still, below } = this.#waiting.due(
			mailbox,
			(entry) => this.#touched.has(mailbox, entry),
			(own) => this.#isCopied(own),
		);
		const rows = this.#touched.rowsWith(tx.batch, mailbox, entries);
		const waiting = this.#showing.show(tx.batch, mailbox, rows, below);
		for (const [entry, wait] of waiting) still.set(entry, wait);
		this.#waiting.set(mailbox, still);
	}

	/** The highest own operation for whose second copy one of these waits to be shown, if somebody looks; 0: none does. */
	waitsFor(
		mailbox: MailboxId,
		some: readonly { readonly entry: EntryId }[],
	): number {
		return this.#waiting.highest(mailbox, some, this.#options.secondCopy);
	}

	/** Whether something waits for second copies, so that show should run again when they are made. */
	get hasWaiting(): boolean {
		return this.#waiting.size > 0;
	}

	#isCopied(own: number): boolean {
		if (own === 0) return true;
		// Most entries of a batch have the same one, and who is up does not change within a batch.
		if (this.#copied?.own !== own)
			this.#copied = { own, isSafe: this.#options.secondCopy(own) };
		return this.#copied.isSafe;
	}

	/** Takes back what was shown of an entry, since it cannot be true: it will be shown anew, as far as it may be. */
	unshow(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		this.#showing.unshow(tx.batch, mailbox, entry, row);
		this.#pending.add(mailbox, entry);
		this.#shownAll.delete(mailbox);
	}

	/** Pairs of other nodes. */
	pairsHeard(pairs: readonly Pair[]): void {
		for (const pair of pairs) this.pairs.add(pair);
	}

	// ------------------------------------------------------------------ looking

	/** Shows at once, from now on, what may be shown in the mailbox. The caller then has show() run once. */
	look(mailbox: MailboxId): () => void {
		return this.#looking.look(mailbox);
	}
	/** The live view of a mailbox, loaded if nobody had it. Give it back with release(). */
	acquire(mailbox: MailboxId): View {
		const view = this.#looking.acquire(mailbox);
		view.tellHigher(this.unkept.of(mailbox));
		return view;
	}
	release(mailbox: MailboxId): void {
		this.#looking.release(mailbox);
	}
	/** The live view, or one for this moment. */
	glance(mailbox: MailboxId): View {
		return this.#looking.glance(mailbox);
	}
	/** Runs after something else is shown in the mailbox than before. */
	onShown(mailbox: MailboxId, run: () => void): () => void {
		return this.#looking.onShown(mailbox, run);
	}
	/** Runs `told` for each of the entries once it is shown here, with its UID. */
	watch(
		entries: readonly EntryId[],
		told: (entry: EntryId, uid: Uid) => void,
	): () => void {
		return this.#looking.watch(entries, told);
	}
	/** Rows were mended in the store: what is held of them in memory follows. */
	reread(mailbox: MailboxId): void {
		this.#boxes.clear();
		this.#looking.reread(mailbox, this.box(mailbox), (entry) =>
			this.row(mailbox, entry),
		);
	}

	/** As committed. */
	box(mailbox: MailboxId): Readonly<BoxRow> {
		let box = this.#boxes.get(mailbox);
		if (box === undefined) {
			const text = this.#options.store.get(boxKey(mailbox));
			box = text === undefined ? newBox() : JSON.parse(text as string);
			if (this.#boxes.size >= BOXES_REMEMBERED) this.#boxes.clear();
			this.#boxes.set(mailbox, box as BoxRow);
		}
		return box as BoxRow;
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

	/** What views show of the entry is all there is: nothing of it waits to be shown, also with what is in the batch. */
	isAsShown(batch: Batch, mailbox: MailboxId, entry: EntryId): boolean {
		return (
			!this.#pending.includes(mailbox, entry) &&
			!batch.holds(rowKey(mailbox, entry))
		);
	}

	/** An entry came with a snapshot, without a change of its own: it is still to be shown. */
	noteAdopted(mailbox: MailboxId, entry: EntryId): void {
		this.#pending.add(mailbox, entry);
	}

	/** All members know that the entry is dead: it is taken from what is shown, and forgotten. Returns its UIDs. */
	forget(tx: Transaction, mailbox: MailboxId, entry: EntryId): number[] {
		const { batch } = tx;
		const row = getRow(batch, mailbox, entry);
		if (row === undefined) return [];
		this.#showing.show(batch, mailbox, [[entry, row]]);
		this.#touched.drop(mailbox, entry);
		this.#pending.remove(batch, mailbox, entry);
		batch.change(rowKey(mailbox, entry), undefined);
		return row.u;
	}

	/** Nothing more is to be made or written. */
	stop(): void {
		this.#review.stop();
		this.#pairNotes.stop();
		this.pairs.stop();
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
