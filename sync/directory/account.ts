/** One account as a session uses it: the Account of api.ts on mailboxes and documents. */

import type {
	Account,
	AnnotationChange,
	MailboxInfo,
	MailboxStatus,
	Message,
	NewMessage,
	Placed,
	Quota,
	Role,
	ToldElsewhere,
} from "../api.ts";
import { accountDocument, keys } from "../documents/shapes.ts";
import { ClientFault, Temporary } from "../faults.ts";
import type { AccountId, Address, EntryId, MailboxId, Uid } from "../ids.ts";
import {
	KEYWORD_BYTES_MAX,
	KEYWORDS_MAX,
	NUMBERED_MILLISECONDS_MAX,
	SUBSCRIPTIONS_MAX,
} from "../limits.ts";
import { type Made, NOTHING_MADE } from "../log/transaction.ts";
import type { Telling } from "../mailbox/options.ts";
import { noteNewRow } from "../mailbox/rows.ts";
import { DELIMITER, splitName } from "../mailbox/tree.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { AccountMailbox } from "./accounts.ts";
import {
	ACCOUNT_ITSELF,
	type Annotated,
	annotate,
	removeAnnotations,
} from "./annotations.ts";
import type { Context } from "./context.ts";
import { bodyTooOld } from "./deliver.ts";
import { addEntry, expunge, moveEntries } from "./edits.ts";
import {
	checkName,
	createMailbox,
	renameMailbox,
	subscribeEdit,
} from "./naming.ts";
import { checkRoom, quotaOf } from "./quota.ts";
import { Selected } from "./selected.ts";

export class AccountSession implements Account {
	readonly id: AccountId;
	readonly address: Address;
	readonly #context: Context;

	constructor(context: Context, id: AccountId, address: Address) {
		this.#context = context;
		this.id = id;
		this.address = address;
	}

	get #state() {
		return this.#context.accounts.get(this.id);
	}

	onChange(run: () => void): Cancel {
		return this.#context.accounts.onChange(this.id, run);
	}

	async watch(name: string, run: () => void): Promise<Cancel> {
		const { mailboxes } = this.#context;
		const { id } = this.#mustFind(name);
		const unlook = mailboxes.look(id);
		const stop = mailboxes.onShown(id, run);
		const cancel = () => {
			stop();
			unlook();
		};
		try {
			await this.showNow(id, { complete: false, fresh: false });
		} catch (error) {
			cancel();
			throw error;
		}
		return cancel;
	}

	mailboxes(): readonly MailboxInfo[] {
		return this.#state.mailboxes();
	}
	subscriptions(): readonly string[] {
		return this.#state.subscriptions();
	}
	find(name: string): AccountMailbox | undefined {
		// Whoever is still logged in when the user is removed.
		if (this.#context.cluster.addressOf(this.id) === undefined)
			return undefined;
		const state = this.#state;
		return state.named(name) ?? state.named(splitName(name).join(DELIMITER));
	}
	#mustFind(name: string): AccountMailbox {
		const found = this.find(name);
		if (found === undefined)
			throw new ClientFault("NONEXISTENT", "there is no such mailbox");
		return found;
	}

	// ------------------------------------------------------------------ the tree

	async create(name: string, role?: Role): Promise<void> {
		const { ledger, second } = this.#context;
		const trimmed = name.endsWith(DELIMITER) ? name.slice(0, -1) : name;
		const sequence = await ledger.write((tx) => {
			if (this.find(trimmed) !== undefined)
				throw new ClientFault(
					"ALREADYEXISTS",
					"there is such a mailbox already",
				);
			createMailbox(tx, this.#context, this.id, trimmed, role);
		});
		await second(sequence);
	}

	/** Expunges what this node has seen of it; what comes from elsewhere meanwhile keeps the mailbox alive. */
	async remove(name: string): Promise<void> {
		const { ledger, second } = this.#context;
		const sequence = await ledger.write((tx) => {
			const mailbox = this.#mustFind(name);
			if (this.#state.isBuiltIn(mailbox))
				throw new ClientFault("CANNOT", `${mailbox.name} cannot be deleted`);
			if (this.#hasChildren(mailbox.name))
				throw new ClientFault("HASCHILDREN", "the mailbox has others below it");
			for (const entry of this.#context.mailboxes.entries(mailbox.id))
				expunge(tx, mailbox.id, entry);
			removeAnnotations(tx, this.#context, this.id, mailbox.id);
			for (const uidValidity of this.#state.claims(mailbox.id))
				tx.edit(accountDocument(this.id), {
					key: keys.mailboxDeleted(mailbox.id, uidValidity),
					set: true,
				});
		});
		await second(sequence);
	}

	#hasChildren(name: string): boolean {
		return this.#state
			.mailboxes()
			.some((other) => other.name.startsWith(name + DELIMITER));
	}

	async rename(from: string, to: string): Promise<void> {
		const { ledger, second, clock, rules } = this.#context;
		const sequence = await ledger.write((tx) => {
			const mailbox = this.#mustFind(from);
			if (this.find(to) !== undefined)
				throw new ClientFault(
					"ALREADYEXISTS",
					"there is such a mailbox already",
				);
			if (mailbox.role === "inbox") {
				// RFC 9051 §6.3.6: the messages move into a new mailbox, INBOX stays and is empty.
				const target = createMailbox(tx, this.#context, this.id, to);
				const entries = this.#context.mailboxes.entries(mailbox.id);
				moveEntries(tx, mailbox.id, entries, target, clock.now(), rules);
				return;
			}
			if (this.#state.isBuiltIn(mailbox))
				throw new ClientFault("CANNOT", `${mailbox.name} cannot be renamed`);
			renameMailbox(
				tx,
				this.#context,
				this.id,
				mailbox,
				splitName(to).join(DELIMITER),
			);
		});
		await second(sequence);
	}

	async subscribe(name: string, on: boolean): Promise<void> {
		const { ledger, second } = this.#context;
		const full = splitName(name).join(DELIMITER);
		const subscribed = this.subscriptions();
		if (subscribed.includes(full) === on) return;
		// There need not be such a mailbox, but there could be.
		if (on) checkName(full);
		if (on && subscribed.length >= SUBSCRIPTIONS_MAX)
			throw new ClientFault("LIMIT", "the account has too many subscriptions");
		const sequence = await ledger.write((tx) =>
			subscribeEdit(tx, this.id, full, on),
		);
		await second(sequence);
	}

	// ------------------------------------------------------------------ contents

	async status(name: string): Promise<MailboxStatus> {
		const { mailboxes } = this.#context;
		const mailbox = this.#mustFind(name);
		if (mailboxes.visits.isBehind(mailbox.id, mailboxes.box(mailbox.id)))
			this.#checkTellable(
				mailbox.id,
				await this.showNow(mailbox.id, { complete: false, fresh: false }),
			);
		const box = mailboxes.box(mailbox.id);
		mailboxes.visits.told(mailbox.id);
		return {
			messages: box.shown,
			unseen: box.unseen,
			deleted: box.deleted,
			deletedBytes: box.deletedBytes,
			sizeBytes: box.sizeBytes,
			uidNext: box.E + 1,
			uidValidity: mailbox.uidValidity,
			highestModSeq: Math.max(box.H, mailboxes.unkept.of(mailbox.id), 1),
		};
	}

	async select(name: string, told?: ToldElsewhere): Promise<Selected> {
		const { mailboxes, catchUp, rules } = this.#context;
		const asked = this.#mustFind(name);
		const caughtUp = rules.barrier && (await catchUp(asked.id));
		// What came meanwhile may have renamed or deleted it, or given its name to another.
		const mailbox = this.#mustFind(name);
		const complete = caughtUp && mailbox.id === asked.id;
		const isSame = told?.uidValidity === mailbox.uidValidity;
		const unlook = mailboxes.look(mailbox.id);
		try {
			const isShown = await this.#begin(mailbox.id, {
				complete,
				fresh: !complete,
				told: isSame ? told : undefined,
			});
			this.#checkTellable(mailbox.id, isShown);
			// With a full disk what has come is known and not shown: none of it is gone.
			const isWhole = complete && isShown;
			return new Selected(this.#context, this, mailbox, isWhole, unlook);
		} catch (error) {
			unlook();
			throw error;
		}
	}

	/**
	 * With a full disk reading goes on with what was shown before. Where that is nothing and there are messages it would be
	 * told as an empty mailbox, and a program that mirrors it would remove all it has.
	 */
	#checkTellable(mailbox: MailboxId, isShown: boolean): void {
		const { mailboxes } = this.#context;
		if (isShown || mailboxes.box(mailbox).shown > 0) return;
		if (mailboxes.hasPending(mailbox))
			throw new Temporary(
				"no room on the server's disk to show this mailbox for the first time",
			);
	}

	messages(name: string): readonly Message[] {
		const found = this.find(name);
		if (found === undefined) return [];
		const view = this.#context.mailboxes.glance(found.id);
		return view.uids().flatMap((uid) => view.get(uid) ?? []);
	}

	async append(name: string, messages: readonly NewMessage[]): Promise<Placed> {
		const { ledger, random, clock, copies, mayAccept, mayName } = this.#context;
		const mailbox = this.#mustFind(name);
		for (const message of messages) checkFlags(message.flags);
		mayAccept();
		const now = clock.now();
		let bytes = 0;
		for (const { body } of messages) bytes += body.sizeBytes;
		const entries = randomEntryIds(random, messages.length);
		let made: Made = NOTHING_MADE;
		const start = clock.monotonic();
		const { uids, late } = await this.place(mailbox, entries, async () => {
			made = await ledger.make((tx) => {
				if (!messages.every(({ body }) => mayName(body))) throw bodyTooOld();
				checkRoom(this.#context, this.id, bytes, messages.length, tx.batch);
				for (const [i, message] of messages.entries()) {
					const entry = entries[i] as EntryId;
					noteNewRow(tx.batch, mailbox.id, entry);
					addEntry(
						tx,
						mailbox.id,
						entry,
						{
							body: message.body,
							internalDateMilliseconds: message.internalDateMilliseconds ?? now,
							savedMilliseconds: now,
							from: null,
						},
						message.flags,
					);
				}
			});
			await copies(made);
		});
		// Nobody may have been in reach then, and a member have come while the UID was waited for (rule 7).
		await copies(made, clock.monotonic() - start);
		const known = entries.flatMap((entry) => uids.get(entry) ?? []);
		const { uidValidity } = mailbox;
		const all = !late && known.length === entries.length;
		return { uidValidity, uids: all ? known : undefined };
	}

	// ------------------------------------------------------------------ quota and annotations

	quota(): Quota {
		return quotaOf(this.#context, this.id);
	}
	checkRoom(sizeBytes: number, messages: number): void {
		checkRoom(this.#context, this.id, sizeBytes, messages);
	}

	annotations(mailbox: string | undefined): ReadonlyMap<string, string> {
		return this.#state.annotations(this.#annotated(mailbox));
	}
	async annotate(
		mailbox: string | undefined,
		changes: readonly AnnotationChange[],
	): Promise<void> {
		const { ledger, second } = this.#context;
		const sequence = await ledger.write((tx) =>
			annotate(tx, this.#context, this.id, this.#annotated(mailbox), changes),
		);
		await second(sequence);
	}
	#annotated(mailbox: string | undefined): Annotated {
		return mailbox === undefined ? ACCOUNT_ITSELF : this.#mustFind(mailbox).id;
	}

	/**
	 * Runs what brings the entries there, and waits until each is shown, or for a bounded time. Resolves to the UIDs of
	 * those that are there; `late` when some are and have no UID yet.
	 */
	async place(
		mailbox: AccountMailbox,
		entries: readonly EntryId[],
		bring: () => Promise<void>,
	): Promise<{ uids: ReadonlyMap<EntryId, Uid>; late: boolean }> {
		const { mailboxes, clock } = this.#context;
		const unlook = mailboxes.look(mailbox.id);
		const uids = new Map<EntryId, Uid>();
		const coming = new Set<EntryId>(entries);
		const over: (() => void)[] = [];
		try {
			const all = new Promise<void>((resolve) => {
				over.push(
					mailboxes.watch(entries, (entry, uid) => {
						uids.set(entry, uid);
						coming.delete(entry);
						if (coming.size === 0) resolve();
					}),
				);
			});
			await bring();
			if (coming.size > 0) await this.showNow(mailbox.id);
			// What is there since before, or will not come (another session was faster), is not waited for.
			for (const entry of [...coming]) {
				const uid = mailboxes.shownUid(mailbox.id, entry);
				if (uid === "coming") continue;
				coming.delete(entry);
				if (uid !== undefined) uids.set(entry, uid);
			}
			if (coming.size > 0) {
				const late = new Promise<void>((resolve) => {
					over.push(clock.after(NUMBERED_MILLISECONDS_MAX, resolve));
				});
				await Promise.race([all, late]);
			}
		} finally {
			unlook();
			for (const stop of over) stop();
		}
		return { uids, late: coming.size > 0 };
	}

	/** As showNow(). Where all is told already that is committed, a batch would change nothing: then no disk is waited for. */
	async #begin(mailbox: MailboxId, telling: Telling): Promise<boolean> {
		const { mailboxes } = this.#context;
		if (mailboxes.visits.isToBegin(mailbox, telling))
			return await this.showNow(mailbox, telling);
		mailboxes.visits.told(mailbox);
		return true;
	}

	/**
	 * Shows what may be shown now, and sees to what a client is told. With a full disk reading goes on, with what was shown
	 * before, and a client is told so that it asks again (mailbox/unkept.ts). Resolves to whether all is shown that may be.
	 */
	async showNow(mailbox: MailboxId, telling?: Telling): Promise<boolean> {
		const { ledger, mailboxes } = this.#context;
		try {
			await ledger.write((tx) => {
				if (telling === undefined) mailboxes.show(tx, mailbox);
				else mailboxes.visits.begin(tx, mailbox, telling);
			});
			return true;
		} catch (error) {
			if (!(error instanceof Temporary)) throw error;
			if (telling !== undefined) mailboxes.visits.beginUnkept(mailbox, telling);
			return false;
		}
	}
}

/** All from one draw: each costs as much as a hundred ids. */
export function randomEntryIds(random: Random, count: number): EntryId[] {
	const all = Buffer.from(random.bytes(count * ENTRY_ID_BYTES));
	return Array.from(
		{ length: count },
		(_, i) =>
			all.toString(
				"base64url",
				i * ENTRY_ID_BYTES,
				(i + 1) * ENTRY_ID_BYTES,
			) as EntryId,
	);
}
const ENTRY_ID_BYTES = 16;

/** Bounds of RFC 9051 §2.3.2 flags: what a client sets, every node and client carries. */
export function checkFlags(flags: readonly string[]): void {
	if (flags.length > KEYWORDS_MAX)
		throw new ClientFault("LIMIT", `at most ${KEYWORDS_MAX} flags a message`);
	for (const flag of flags)
		if (Buffer.byteLength(flag) > KEYWORD_BYTES_MAX)
			throw new ClientFault("LIMIT", "a keyword is too long");
}
