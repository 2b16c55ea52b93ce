/**
 * Deleted mailboxes that hold messages which whoever deleted them had not seen. Where another mailbox has their name by
 * now the messages are moved there (mailbox-consistency.md, appendix and rule 17), by the account's numberer; equal moves
 * on two nodes merge.
 */
import { kindOf, splitKey } from "../documents/shapes.ts";
import type { AccountId, MailboxId } from "../ids.ts";
import type { KeyChange, Transaction } from "../log/ledger.ts";
import { type BoxRow, boxKey, getBox } from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

export class Ghosts {
	readonly #store: Store;
	readonly #ghosts = new Map<MailboxId, AccountId>();
	/** Of these something changed in this batch. */
	readonly #touched = new Set<MailboxId>();
	readonly #accounts = new Set<AccountId>();

	constructor(store: Store) {
		this.#store = store;
		this.load();
	}

	/** Reads anew what is committed. */
	load(): void {
		this.#ghosts.clear();
		for (const [key, text] of this.#store.range("box/", prefixEnd("box/"))) {
			const box = JSON.parse(text as string) as BoxRow;
			if (box.wasDeleted && box.live > 0 && box.account !== "")
				this.#ghosts.set(key.slice("box/".length) as MailboxId, box.account);
		}
	}

	has(mailbox: MailboxId): boolean {
		return this.#ghosts.has(mailbox);
	}

	fold(tx: Transaction, change: KeyChange): void {
		const { key, document } = change;
		const place = kindOf(document);
		if (place.kind === "account") {
			this.#accounts.add(place.account);
			const [kind, id] = splitKey(key);
			if (kind === "x") this.#noteDeleted(tx, id as MailboxId);
		} else if (
			place.kind === "segment" &&
			(key.startsWith("e:") || key.startsWith("x:"))
		)
			this.entryChanged(tx, place.mailbox);
	}

	/** An entry of the mailbox came, or died. */
	entryChanged(tx: Transaction, mailbox: MailboxId): void {
		if (getBox(tx.batch, mailbox).wasDeleted) this.#touched.add(mailbox);
	}

	#noteDeleted(tx: Transaction, mailbox: MailboxId): void {
		const box = getBox(tx.batch, mailbox);
		box.wasDeleted = true;
		tx.batch.change(boxKey(mailbox), box);
		this.#touched.add(mailbox);
	}

	/** After all folding. Returns accounts whose ghosts should be looked at. */
	finish(tx: Transaction): Set<AccountId> {
		const accounts = new Set<AccountId>();
		for (const mailbox of this.#touched) {
			const { live, account } = getBox(tx.batch, mailbox);
			if (account === "") continue;
			if (live > 0) this.#ghosts.set(mailbox, account);
			else this.#ghosts.delete(mailbox);
			accounts.add(account);
		}
		for (const account of this.#ghosts.values())
			if (this.#accounts.has(account)) accounts.add(account);
		this.#touched.clear();
		this.#accounts.clear();
		return accounts;
	}

	/** All accounts with ghosts. */
	accounts(): Set<AccountId> {
		return new Set(this.#ghosts.values());
	}

	rolledBack(): void {
		this.#touched.clear();
		this.#accounts.clear();
		this.load();
	}
}
