/**
 * All mailboxes of this node: folds changes into rows, has messages numbered where this node is the numberer, and shows
 * what may be shown. UIDs and stamps follow mailbox-consistency.md; the numbers of its rules stand beside the code. Knows
 * nothing of protocols, peers or time but what it is given. Its rooms: numbering (claims), showing (what becomes
 * visible), tokens and pairs (mod-sequences between nodes), watermarks (E between nodes), view (what sessions read).
 */
import type { AccountId, EntryId, MailboxId, Origin, Uid } from "../ids.ts";
import { UID_BELIEVED_AHEAD_MAX, VIEWS_IDLE_MESSAGES_MAX } from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import { type Folded, foldSegment } from "./fold.ts";
import { Numbering, type Want } from "./numbering.ts";
import { PairNotes } from "./pair-notes.ts";
import { type Pair, Pairs } from "./pairs.ts";
import { Pending } from "./pending.ts";
import {
	type BoxRow,
	boxKey,
	deadClaims,
	type EntryRow,
	type Facts,
	getBox,
	getRow,
	lives,
	newBox,
	operationsOf,
	rowKey,
	uidOf,
} from "./rows.ts";
import { Showing } from "./showing.ts";
import type { SlotRange } from "./slots.ts";
import { Stamps } from "./stamps.ts";
import { Tokens } from "./tokens.ts";
import { View, type ViewChange } from "./view.ts";
import { highestE, type Watermark, Watermarks } from "./watermarks.ts";

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
	/** Rule 7: is own change `sequence` on one more member, or can none be reached? */
	readonly secondCopy: (sequence: number) => boolean;
	/** Rule 9: whether tokens of this stamp slot are worth nothing. */
	readonly isRetired: (stampSlot: number) => boolean;
	/** An entry names a body that should be held here. Called within a batch. */
	readonly bodyNamed: (
		batch: Batch,
		facts: Facts,
		change: { origin: Origin; sequence: number },
	) => void;
	/** An entry changed. Called within a batch. */
	readonly folded: (batch: Batch, folded: Folded, change: KeyChange) => void;
	/** Claims that are too low here, to be told to the numberer. */
	readonly wants: (wants: readonly Want[]) => void;
	/** A pair that was made here, for all members (rule 12). */
	readonly pairMade: (pair: Pair) => void;
	/** Watermarks that no claim tells, for all members (rule 3). */
	readonly watermarks: (watermarks: readonly Watermark[]) => void;
	/** Has a batch made, for what waits in memory. */
	readonly flush: () => void;
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

export class Mailboxes implements Fold {
	readonly stamps: Stamps;
	readonly pairs: Pairs;
	readonly numbering: Numbering;
	readonly tokens: Tokens;
	readonly watermarks: Watermarks;
	readonly #options: MailboxesOptions;
	readonly #pending: Pending;
	readonly #showing: Showing;
	readonly #pairNotes: PairNotes;
	readonly #views = new Map<MailboxId, { view: View; users: number }>();
	/** Mailboxes that somebody looks at, and how many do: what may be shown there is shown at once. */
	readonly #looks = new Map<MailboxId, number>();
	/** Looked-at mailboxes where all that could be shown was: from then on only what is touched can become so. */
	readonly #shownAll = new Set<MailboxId>();
	/** Looked-at mailboxes with entries that wait for second copies. */
	readonly #waiting = new Map<MailboxId, Set<EntryId>>();
	readonly #shownListeners = new Map<MailboxId, Set<() => void>>();
	/** Who waits for the UID of an entry. */
	readonly #watchers = new Map<EntryId, Set<(uid: Uid) => void>>();
	/** Touched in this batch, in order of arrival. */
	readonly #touched = new Map<MailboxId, Set<EntryId>>();
	/** Told to a client with this batch. */
	readonly #told = new Set<MailboxId>();
	/** Entries that live, over all mailboxes: as committed, and what this batch adds. */
	#live = 0;
	#liveInBatch = 0;

	constructor(options: MailboxesOptions) {
		this.#options = options;
		const { store, clock, slots, rules } = options;
		this.stamps = new Stamps(store, clock, slots, rules);
		this.pairs = new Pairs(store, clock, options.flush);
		this.numbering = new Numbering(options);
		this.watermarks = new Watermarks(store);
		const { stamps, pairs } = this;
		this.tokens = new Tokens({ ...options, stamps, pairs });
		this.#pending = new Pending(store);
		this.#showing = new Showing({
			stamps,
			rules,
			pending: this.#pending,
			isSafe: (row) => this.#isSafe(row),
		});
		this.#pairNotes = new PairNotes({
			...options,
			pairs,
			stamps,
			box: (mailbox) => this.box(mailbox),
			isExact: (mailbox) => this.#isExact(mailbox),
			made: (pair) => options.pairMade(pair),
		});
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
		this.numbering.clear();
		for (const [key, text] of store.range("box/", prefixEnd("box/"))) {
			const box = JSON.parse(text as string) as BoxRow;
			this.#live += box.live;
			this.watermarks.note(key.slice("box/".length) as MailboxId, box);
		}
		const batch = new Batch(store);
		this.#pending.load();
		for (const [mailbox, entry] of this.#pending.all()) {
			const row = getRow(batch, mailbox, entry);
			if (row !== undefined) this.numbering.note(mailbox, entry, row);
			if (this.#options.rules.askAtOnce)
				this.numbering.noteLow(batch, mailbox, entry);
		}
	}

	// ------------------------------------------------------------------ Fold

	fold(tx: Transaction, change: KeyChange): void {
		const folded = foldSegment(tx.batch, change, this.#options.rules);
		if (folded === undefined) return;
		const { mailbox, entry, row } = folded;
		this.#liveInBatch += folded.livesMore;
		this.numbering.note(mailbox, entry, row);
		this.#options.folded(tx.batch, folded, change);
		for (const place of folded.changed) this.#touch(tx.batch, ...place);
		if (this.#views.has(mailbox)) this.#stageDead(tx.batch, mailbox, row);
		if (!lives(row)) return;
		for (const facts of folded.facts)
			this.#options.bodyNamed(tx.batch, facts, change);
	}

	#touch(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		const touched = this.#touched.get(mailbox) ?? new Set();
		this.#touched.set(mailbox, touched);
		touched.add(entry);
		this.#pending.add(batch, mailbox, entry);
	}

	/** Rule 15: a view knows which claims are dead. */
	#stageDead(batch: Batch, mailbox: MailboxId, row: EntryRow): void {
		const claims = deadClaims(row);
		if (claims.length === 0) return;
		this.#showing
			.stage(mailbox, getBox(batch, mailbox))
			.changes.push({ kind: "dead", claims, uid: row.v?.u });
	}

	finish(tx: Transaction): void {
		const { askAtOnce } = this.#options.rules;
		// Numbering touches entries again, which changes nothing for it: claims are not claimed twice.
		for (const [mailbox, entries] of [...this.#touched])
			for (const entry of [...entries]) {
				this.numbering.number(tx, mailbox, entry);
				if (askAtOnce) this.numbering.askAgain(tx, mailbox, entry);
			}
		const looked = new Set(this.#waiting.keys());
		for (const mailbox of this.#touched.keys())
			if (this.#looks.has(mailbox)) looked.add(mailbox);
		for (const mailbox of looked) this.#showSome(tx, mailbox);
		this.pairs.finish(tx.batch);
	}

	committed(): void {
		this.#touched.clear();
		this.#live += this.#liveInBatch;
		this.#liveInBatch = 0;
		this.pairs.committed();
		const told: View[] = [];
		const shown: (() => void)[] = [];
		const ahead: Watermark[] = [];
		for (const [mailbox, { changes, box }] of this.#showing.take()) {
			this.#answerWatchers(changes);
			if (changes.length > 0)
				shown.push(...(this.#shownListeners.get(mailbox) ?? []));
			if (this.watermarks.note(mailbox, box))
				ahead.push({ mailbox, E: highestE(box) });
			if (this.#looks.has(mailbox) || this.#told.has(mailbox))
				this.#pairNotes.told(mailbox);
			const view = this.#views.get(mailbox)?.view;
			if (view === undefined) continue;
			view.apply(changes, box.E + 1, box.H as View["highestModSeq"]);
			if (changes.length > 0) told.push(view);
		}
		this.#told.clear();
		for (const view of told) view.tell();
		for (const run of shown) run();
		if (ahead.length > 0) this.#options.watermarks(ahead);
		const wants = this.numbering.takeNews();
		if (wants.length > 0) this.#options.wants(wants);
	}

	#answerWatchers(changes: readonly ViewChange[]): void {
		if (this.#watchers.size === 0) return;
		for (const change of changes)
			if (change.kind === "appeared")
				for (const told of this.#watchers.get(change.row.entry) ?? [])
					told(change.row.uid);
	}

	rolledBack(): void {
		this.#touched.clear();
		this.#told.clear();
		this.#liveInBatch = 0;
		this.#showing.take();
		this.#shownAll.clear();
		this.#waiting.clear();
		this.pairs.rolledBack();
		this.stamps.rolledBack();
		this.recount();
	}

	// ------------------------------------------------------------------ numbering (rules 2 to 6)

	/** Rule 8: a client named a UID that some node must have told; E follows, as far as that can be believed. */
	named(
		tx: Transaction,
		mailbox: MailboxId,
		uid: number,
		complete: boolean,
	): void {
		const box = getBox(tx.batch, mailbox);
		const believed = complete
			? Math.max(box.heardUid, box.heardE)
			: box.heardUid + UID_BELIEVED_AHEAD_MAX;
		if (!this.#options.rules.nameUids || uid <= box.E || uid > believed) return;
		box.E = uid;
		tx.batch.change(boxKey(mailbox), box);
		this.#showing.stage(mailbox, box);
		for (const entry of this.#pending.of(mailbox))
			this.numbering.askAgain(tx, mailbox, entry);
	}

	/** Rule 8: a client named a token that some node must have told: HIGHESTMODSEQ goes above it. */
	tokenNamed(
		tx: Transaction,
		mailbox: MailboxId,
		token: number,
		complete: boolean,
	): void {
		const box = getBox(tx.batch, mailbox);
		if (!this.#options.rules.nameTokens || token <= box.H) return;
		if (!this.stamps.believes(token, complete)) return;
		this.stamps.named(token);
		this.stamps.give(tx.batch, box);
		this.#tellWith(tx.batch, mailbox, box);
	}

	/** Other nodes told these E. */
	watermarksHeard(tx: Transaction, told: readonly Watermark[]): void {
		for (const [mailbox, box] of this.watermarks.heard(tx, told))
			this.#showing.stage(mailbox, box);
	}

	// ------------------------------------------------------------------ showing (rules 6, 7, 11)

	/** Makes visible to clients of this node what may be: in UID order, and nothing that only this node has. */
	show(tx: Transaction, mailbox: MailboxId): void {
		if (!this.#options.rules.askAtOnce)
			for (const entry of this.#pending.of(mailbox))
				this.numbering.askAgain(tx, mailbox, entry);
		const entries = this.#pending.of(mailbox);
		const waiting = this.#showing.show(tx.batch, mailbox, entries);
		if (!this.#looks.has(mailbox)) return;
		this.#shownAll.add(mailbox);
		this.#keepWaiting(mailbox, waiting);
	}

	/** The same at the end of each batch: after the first time only what was touched, or waited, can have become fit. */
	#showSome(tx: Transaction, mailbox: MailboxId): void {
		if (!this.#shownAll.has(mailbox)) {
			this.show(tx, mailbox);
			return;
		}
		const entries = new Set(this.#waiting.get(mailbox));
		for (const entry of this.#touched.get(mailbox) ?? []) entries.add(entry);
		const waiting = this.#showing.show(tx.batch, mailbox, entries);
		this.#keepWaiting(mailbox, waiting);
	}

	#keepWaiting(mailbox: MailboxId, waiting: Set<EntryId>): void {
		if (waiting.size > 0) this.#waiting.set(mailbox, waiting);
		else this.#waiting.delete(mailbox);
	}

	/** Whether something waits for second copies, so that show should run again when they are made. */
	get hasWaiting(): boolean {
		return this.#waiting.size > 0;
	}

	#isSafe(row: EntryRow): boolean {
		const { origin, secondCopy } = this.#options;
		const own = operationsOf(row)[origin];
		return own === undefined || secondCopy(own);
	}

	/** Takes back what was shown of an entry, since it cannot be true: it will be shown anew, as far as it may be. */
	unshow(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		this.#showing.unshow(tx.batch, mailbox, entry, row);
		this.#pending.add(tx.batch, mailbox, entry);
		this.#shownAll.delete(mailbox);
	}

	/** Rule 12: all that was applied here is shown, or gets a claim before it is: then that claim is what a token lacks. */
	#isExact(mailbox: MailboxId): boolean {
		for (const entry of this.#pending.of(mailbox))
			if (!this.numbering.isUnnumbered(mailbox, entry)) return false;
		return true;
	}

	/** Rule 11: the mailbox is told with its HIGHESTMODSEQ. */
	#tellWith(batch: Batch, mailbox: MailboxId, box: BoxRow): void {
		batch.change(boxKey(mailbox), box);
		this.#showing.stage(mailbox, box);
		this.#told.add(mailbox);
	}

	/** A client selects, or asks for the status: shows what may be shown, and sees to what is told of it. */
	begin(tx: Transaction, mailbox: MailboxId, telling: Telling): void {
		// First: what is shown with this is above no UID that the client knows, and would have to be numbered anew.
		this.show(tx, mailbox);
		const { told, complete, fresh } = telling;
		if (told !== undefined) {
			this.named(tx, mailbox, told.uid, complete);
			this.tokenNamed(tx, mailbox, told.modSeq, complete);
		}
		const box = getBox(tx.batch, mailbox);
		const exact = this.#isExact(mailbox);
		this.tokens.tell(tx.batch, mailbox, box, { exact, fresh });
		this.#tellWith(tx.batch, mailbox, box);
	}

	/** Whether a status has to be seen to first: something is to be shown, or another node told a higher stamp. */
	isBehind(mailbox: MailboxId, box: BoxRow): boolean {
		if (this.#pending.has(mailbox) || box.H === 0) return true;
		return (this.pairs.top(mailbox)?.token ?? 0) > box.H;
	}

	/** What is committed of the mailbox is told to a client. */
	told(mailbox: MailboxId): void {
		this.#pairNotes.told(mailbox);
	}

	/** A member catches up for a client that selects: what it lacks of pairs, and the mailbox's E. */
	forMember(
		mailbox: MailboxId,
		tokens: readonly number[],
	): { readonly pairs: Pair[]; readonly E: number } {
		if (this.#looks.has(mailbox) || this.box(mailbox).H > 0)
			this.#pairNotes.make(mailbox);
		return {
			pairs: this.pairs.beyond(mailbox, tokens),
			E: highestE(this.box(mailbox)),
		};
	}

	/** Pairs of other nodes. */
	pairsHeard(pairs: readonly Pair[]): void {
		for (const pair of pairs) this.pairs.add(pair);
	}

	// ------------------------------------------------------------------ lives and losses (rule 9)

	/** Stamps and every E move far up, above all that a former life may have told; HIGHESTMODSEQs start anew. */
	leap(tx: Transaction, by: number): void {
		this.stamps.leap(tx.batch, by);
		for (const [mailbox, box] of this.watermarks.raiseAll(tx, by, true)) {
			box.H = 0;
			this.#showing.stage(mailbox, box);
		}
	}

	/** Claims leap, above all that a lost member may have told. */
	leapClaims(tx: Transaction, by: number): void {
		for (const [mailbox, box] of this.watermarks.raiseAll(tx, by, false))
			this.#showing.stage(mailbox, box);
	}

	/** Of what lives, what somebody with this vector had, with all operations on it known here: `had`; or had not. */
	*entriesHad(
		vector: Vector,
	): Iterable<{ mailbox: MailboxId; entry: EntryId; had: boolean }> {
		const { store } = this.#options;
		for (const [key, text] of store.range("ent/", prefixEnd("ent/"))) {
			const row = JSON.parse(text as string) as EntryRow;
			if (!lives(row) || uidOf(row) === 0) continue;
			const [, mailbox, entry] = key.split("/") as [string, MailboxId, EntryId];
			const had = Object.entries(operationsOf(row)).every(
				([origin, sequence]) => sequence <= (vector.get(origin as Origin) ?? 0),
			);
			yield { mailbox, entry, had };
		}
	}

	/** A former life showed the entry under its highest claim: so it counts as shown here. */
	takeAsShown(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined || !lives(row) || uidOf(row) === 0) return;
		this.#showing.takeAsShown(tx.batch, mailbox, entry, row);
	}

	/** A lost member may have shown something else under the entry's UID, or above it: it is claimed again. */
	claimAgain(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		const claim = uidOf(row);
		this.numbering.takeWants(tx, [{ mailbox, entry, claim }]);
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
			if (left > 0) {
				this.#looks.set(mailbox, left);
				return;
			}
			this.#looks.delete(mailbox);
			this.#shownAll.delete(mailbox);
			this.#waiting.delete(mailbox);
		};
	}

	/** Runs after something else is shown in the mailbox than before. */
	onShown(mailbox: MailboxId, run: () => void): () => void {
		const listeners = this.#shownListeners.get(mailbox) ?? new Set();
		this.#shownListeners.set(mailbox, listeners);
		listeners.add(run);
		return () => {
			listeners.delete(run);
			if (
				listeners.size === 0 &&
				this.#shownListeners.get(mailbox) === listeners
			)
				this.#shownListeners.delete(mailbox);
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

	/** What was looked at last stays in memory, within a bound: it will be looked at again. */
	release(mailbox: MailboxId): void {
		const held = this.#views.get(mailbox);
		if (held === undefined || --held.users > 0) return;
		this.#views.delete(mailbox);
		this.#views.set(mailbox, held);
		let messages = 0;
		for (const [id, { view, users }] of [...this.#views].reverse()) {
			if (users > 0) continue;
			messages += view.size;
			if (messages > VIEWS_IDLE_MESSAGES_MAX) this.#views.delete(id);
		}
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

	/** Rows were mended in the store: what is held of them in memory follows, also where a session looks at it. */
	reread(mailbox: MailboxId): void {
		const held = this.#views.get(mailbox);
		if (held === undefined) return;
		if (held.users === 0) {
			this.#views.delete(mailbox);
			return;
		}
		const { view } = held;
		const stale = view.uids().flatMap((uid): ViewChange[] => {
			const entry = view.get(uid)?.entry;
			if (entry === undefined) return [];
			const isShown = this.row(mailbox, entry)?.v?.u === uid;
			return isShown ? [] : [{ kind: "gone", entry, uid }];
		});
		if (stale.length === 0) return;
		const box = this.box(mailbox);
		view.apply(stale, box.E + 1, box.H as View["highestModSeq"]);
		view.tell();
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

	/** An entry came with a snapshot, without a change of its own: it is still to be shown. */
	noteAdopted(batch: Batch, mailbox: MailboxId, entry: EntryId): void {
		this.#pending.add(batch, mailbox, entry);
	}

	/** All members know that the entry is dead: it is taken from what is shown, and forgotten. Returns its UIDs. */
	forget(tx: Transaction, mailbox: MailboxId, entry: EntryId): number[] {
		const { batch } = tx;
		const row = getRow(batch, mailbox, entry);
		if (row === undefined) return [];
		this.#showing.show(batch, mailbox, [entry]);
		this.#pending.remove(batch, mailbox, entry);
		batch.change(rowKey(mailbox, entry), undefined);
		return row.u;
	}

	/** Nothing more is to be made or written. */
	stop(): void {
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
