/** A mailbox that a session looks at: the SelectedMailbox of api.ts on a live view. */

import type {
	FlagChange,
	Message,
	NewMessage,
	Placed,
	SelectedMailbox,
} from "../api.ts";
import { ClientFault, Temporary } from "../faults.ts";
import type { EntryId, MailboxId, ModSeq, Uid, UidRange } from "../ids.ts";
import {
	MOVE_BATCH_COUNT,
	SEEN_TIMES_MAX,
	STORE_BATCH_COUNT,
} from "../limits.ts";
import type { Transaction, Work } from "../log/ledger.ts";
import { type Made, NOTHING_MADE } from "../log/transaction.ts";
import { expectRows, getRow, liveBytesOf, lives } from "../mailbox/rows.ts";
import { isKnown } from "../mailbox/tokens.ts";
import type { Known, View } from "../mailbox/view.ts";
import type { Cancel } from "../ports/clock.ts";
import { among, without } from "../ranges.ts";
import { type AccountSession, checkFlags, randomEntryIds } from "./account.ts";
import type { AccountMailbox } from "./accounts.ts";
import type { Context } from "./context.ts";
import {
	addEntry,
	changeFlags,
	copyEntry,
	expunge,
	inPlaceOrder,
	movedId,
	moveEntries,
	type Original,
	originalOf,
} from "./edits.ts";
import { checkRoom } from "./quota.ts";

export class Selected implements SelectedMailbox {
	readonly id: MailboxId;
	readonly uidValidity: number;
	readonly #context: Context;
	readonly #account: AccountSession;
	readonly #view: View;
	/** Rule 8: this node had caught up with all members when the mailbox was selected. */
	readonly #wasComplete: boolean;
	/** The last token that the client named. */
	#token = 0;
	#release: (() => void) | undefined;

	constructor(
		context: Context,
		account: AccountSession,
		mailbox: AccountMailbox,
		complete: boolean,
		unlook: () => void,
	) {
		this.id = mailbox.id;
		this.uidValidity = mailbox.uidValidity;
		this.#context = context;
		this.#account = account;
		this.#wasComplete = complete;
		this.#view = context.mailboxes.acquire(mailbox.id);
		this.#release = () => {
			unlook();
			context.mailboxes.release(mailbox.id);
		};
	}

	get uidNext(): number {
		return this.#view.uidNext;
	}
	get highestModSeq(): ModSeq {
		// 0 where nothing was ever shown and the disk is full: RFC 7162 §3.1.2.1 wants a positive number.
		return Math.max(1, this.#view.highestModSeq) as ModSeq;
	}
	uids(): readonly Uid[] {
		return this.#view.uids();
	}
	get(uid: Uid): Message | undefined {
		return this.#view.get(uid);
	}
	flagsOf(uid: Uid): readonly string[] | undefined {
		return this.#view.flagsOf(uid);
	}
	resolve(uid: Uid): Message | undefined {
		return this.#view.resolve(uid);
	}
	get cursor(): number {
		return this.#view.cursor;
	}
	touchedSince(cursor: number): readonly Uid[] | "all" {
		return this.#view.touchedSince(cursor);
	}

	onChange(run: () => void): Cancel {
		const view = this.#view.onChange(run);
		const account = this.#context.accounts.onChange(this.#account.id, () => {
			if (this.gone) run();
		});
		return () => {
			view();
			account();
		};
	}

	get gone(): boolean {
		const { cluster, accounts } = this.#context;
		if (cluster.addressOf(this.#account.id) === undefined) return true;
		const now = accounts.get(this.#account.id).mailbox(this.id);
		return now?.uidValidity !== this.uidValidity;
	}

	/** All that clients were told anywhere is known here. */
	get #isComplete(): boolean {
		return this.#wasComplete && this.#context.inTouch();
	}

	named(uid: number): Promise<void> {
		if (uid < this.uidNext) return Promise.resolve();
		const { mailboxes } = this.#context;
		return this.#note(
			(tx) => mailboxes.namedUids.named(tx, this.id, uid, this.#isComplete),
			() => mailboxes.namedUids.nameLater(this.id, uid, this.#isComplete),
		);
	}

	tokenNamed(token: number): Promise<void> {
		this.#token = token;
		if (token <= this.#view.highestModSeq) return Promise.resolve();
		const { mailboxes } = this.#context;
		const complete = this.#isComplete;
		return this.#note(
			(tx) => mailboxes.visits.tokenNamed(tx, this.id, token, complete),
			() =>
				mailboxes.visits.beginUnkept(this.id, {
					complete,
					fresh: false,
					told: { uid: 0, modSeq: token },
				}),
		);
	}

	/** No answer depends on it alone, and a disk that refuses is told to whoever writes something. */
	async #note(work: Work, refused: () => void): Promise<void> {
		try {
			await this.#context.ledger.write(work);
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			refused();
		}
	}

	changedSince(token: number): readonly Uid[] {
		return this.#view.changed(this.#known(token));
	}
	#known(token: number): Known {
		const { tokens } = this.#context.mailboxes;
		return tokens.known(this.id, token, this.#isComplete);
	}

	vanished(known?: readonly UidRange[]): readonly UidRange[] {
		const { rules, mailboxes } = this.#context;
		const asked = known ?? [[1, this.uidNext - 1] as const];
		if (!rules.allDead && mailboxes.stamps.isOwn(this.#token))
			return among(asked, this.#view.goneHere());
		if (rules.onlyKnown && !(rules.complete && this.#isComplete))
			return this.#view.deadOf(asked);
		return without(asked, this.uids());
	}

	release(): void {
		this.#release?.();
		this.#release = undefined;
	}

	// ------------------------------------------------------------------ writing

	#entries(uids: readonly Uid[]): { uid: Uid; entry: EntryId }[] {
		return uids.flatMap((uid) => {
			const message = this.#view.resolve(uid);
			return message === undefined ? [] : [{ uid, entry: message.entry }];
		});
	}

	async store(
		uids: readonly Uid[],
		change: FlagChange,
		unchangedSince?: number,
	): Promise<readonly Uid[]> {
		checkFlags(change.flags);
		const modified: Uid[] = [];
		const known =
			unchangedSince === undefined ? undefined : this.#known(unchangedSince);
		await this.#inSteps(this.#forSteps(uids), (tx, some) => {
			expectRows(
				tx.batch,
				this.id,
				some.map(({ entry }) => entry),
			);
			for (const { uid, entry } of some) {
				const row = known && getRow(tx.batch, this.id, entry);
				// Rule 14: as of this batch, whatever came between the command and it.
				if (known && row && !isKnown(row, known)) modified.push(uid);
				else changeFlags(tx, this.id, entry, change);
			}
		});
		return modified;
	}

	async expunge(uids: readonly Uid[]): Promise<void> {
		await this.#inSteps(this.#forSteps(uids), (tx, some) => {
			const entries = some.map(({ entry }) => entry);
			expectRows(tx.batch, this.id, entries);
			for (const entry of entries) expunge(tx, this.id, entry);
		});
	}

	/** In the order of the UIDs, unless they are so many that it takes several steps. */
	#forSteps(uids: readonly Uid[]): { uid: Uid; entry: EntryId }[] {
		const entries = this.#entries(uids);
		if (entries.length <= STORE_BATCH_COUNT) return entries;
		const { mailboxes } = this.#context;
		return inPlaceOrder(entries, (entry) => mailboxes.row(this.id, entry)?.s);
	}

	/** In steps, so that a command on a whole mailbox does not keep all others waiting. */
	async #inSteps<One extends { readonly entry: EntryId }>(
		all: readonly One[],
		edit: (tx: Transaction, some: readonly One[]) => void,
		stepCount = STORE_BATCH_COUNT,
	): Promise<void> {
		const { ledger, second } = this.#context;
		const isPart = all.length > stepCount;
		let sequence = 0;
		for (let i = 0; i < all.length; i += stepCount) {
			const some = all.slice(i, i + stepCount);
			const made = await ledger.write((tx) => edit(tx, some), { isPart });
			sequence = Math.max(sequence, made);
		}
		await second(sequence);
		await this.#seen(all);
	}

	/**
	 * What this session did to the messages is in its view when the command ends; also where another one did more to them
	 * meanwhile, since a message is shown with all or nothing of that.
	 */
	async #seen(all: readonly { readonly entry: EntryId }[]): Promise<void> {
		const { mailboxes, second } = this.#context;
		for (let times = 0; times < SEEN_TIMES_MAX; times++) {
			if (!mailboxes.hasPending(this.id)) return;
			await this.#account.showNow(this.id);
			const later = mailboxes.waitsFor(this.id, all);
			if (later === 0) return;
			await second(later);
		}
	}

	async copy(
		uids: readonly Uid[],
		target: string,
	): Promise<Placed & { readonly from: readonly Uid[] }> {
		const { ledger, second, random, clock } = this.#context;
		const box = this.#target(target);
		const now = clock.now();
		const found = this.#entries(uids);
		const ids = randomEntryIds(random, found.length);
		const pairs = found.map((one, i) => ({ ...one, to: ids[i] as EntryId }));
		return this.#place(box, pairs, async () => {
			const sequence = await ledger.write((tx) => {
				const originals = pairs.map((one) => this.#original(tx, one));
				this.#checkRoom(tx, originals);
				for (const [i, { to }] of pairs.entries()) {
					const original = originals[i];
					if (original !== undefined) copyEntry(tx, original, box.id, to, now);
				}
			});
			await second(sequence);
		});
	}

	/** What is to be copied, as of the batch: of what has nothing new in it the view knows all, and no row need be read. */
	#original(
		tx: Transaction,
		{ uid, entry }: { uid: Uid; entry: EntryId },
	): Original | undefined {
		const shown = this.#context.mailboxes.isAsShown(tx.batch, this.id, entry)
			? this.#view.get(uid)
			: undefined;
		return shown?.entry === entry ? shown : originalOf(tx, this.id, entry);
	}

	async move(
		uids: readonly Uid[],
		target: string,
	): Promise<Placed & { readonly from: readonly Uid[] }> {
		const { clock, rules } = this.#context;
		const box = this.#target(target);
		if (box.id === this.id)
			throw new ClientFault(
				"CANNOT",
				"the messages are in this mailbox already",
			);
		const now = clock.now();
		const pairs = this.#entries(uids).map(({ uid, entry }) => ({
			uid,
			entry,
			to: movedId(entry, box.id),
		}));
		// Not all or nothing, as a copy is (RFC 6851 §3.3).
		return this.#place(box, pairs, () =>
			this.#inSteps(
				pairs,
				(tx, some) => {
					const entries = some.map(({ entry }) => entry);
					const ids = some.map(({ to }) => to);
					moveEntries(tx, this.id, entries, box.id, now, rules, ids);
				},
				MOVE_BATCH_COUNT,
			),
		);
	}

	async replace(
		uid: Uid,
		target: string,
		message: NewMessage,
	): Promise<Placed> {
		const { ledger, copies, random, clock, mayAccept } = this.#context;
		const box = this.#target(target);
		checkFlags(message.flags);
		mayAccept();
		const now = clock.now();
		const [to] = randomEntryIds(random, 1) as [EntryId];
		const pairs = this.#entries([uid]).map(({ entry }) => ({ uid, entry, to }));
		let made: Made = NOTHING_MADE;
		const start = clock.monotonic();
		const { uidValidity, uids } = await this.#place(box, pairs, async () => {
			made = await ledger.make((tx) => {
				const [pair] = pairs;
				const row = pair && getRow(tx.batch, this.id, pair.entry);
				if (row === undefined || pair === undefined || !lives(row))
					throw new ClientFault("CANNOT", "the message has gone");
				const more = message.body.sizeBytes - liveBytesOf(row);
				checkRoom(this.#context, this.#account.id, more, 0, tx.batch);
				const facts = {
					body: message.body,
					internalDateMilliseconds: message.internalDateMilliseconds ?? now,
					savedMilliseconds: now,
					from: null,
				};
				addEntry(tx, box.id, pair.to, facts, message.flags);
				expunge(tx, this.id, pair.entry);
			});
			await copies(made);
			await this.#seen(pairs);
		});
		// As in append(): a member may have come meanwhile.
		await copies(made, clock.monotonic() - start);
		return { uidValidity, uids };
	}

	/** A copy counts as much as what it is made of. */
	#checkRoom(
		tx: Transaction,
		originals: readonly (Original | undefined)[],
	): void {
		let bytes = 0;
		let count = 0;
		for (const original of originals) {
			if (original === undefined) continue;
			bytes += original.body.sizeBytes;
			count++;
		}
		checkRoom(this.#context, this.#account.id, bytes, count, tx.batch);
	}

	#target(name: string): AccountMailbox {
		const found = this.#account.find(name);
		if (found === undefined)
			throw new ClientFault("NONEXISTENT", "there is no such mailbox");
		return found;
	}

	async #place(
		target: AccountMailbox,
		pairs: readonly { uid: Uid; to: EntryId }[],
		bring: () => Promise<void>,
	): Promise<Placed & { readonly from: readonly Uid[] }> {
		const { uids, late } = await this.#account.place(
			target,
			pairs.map(({ to }) => to),
			bring,
		);
		const { uidValidity } = target;
		const there = pairs.filter(({ to }) => uids.has(to));
		return late
			? { uidValidity, uids: undefined, from: pairs.map(({ uid }) => uid) }
			: {
					uidValidity,
					uids: there.map(({ to }) => uids.get(to) as Uid),
					from: there.map(({ uid }) => uid),
				};
	}
}
