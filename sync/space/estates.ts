/**
 * The mail of users that were removed. One member, the account's numberer, expunges it a little at a time, also what comes
 * later from a member that did not know yet; what is dead then goes the way of all that is dead (bury.ts): once every member
 * knows, bodies are cleared, rows forgotten, documents dropped. Only a removal that stands in the cluster's document counts,
 * never that a user is not found.
 */
import type { AccountId, EntryId, MailboxId } from "../ids.ts";
import { ESTATE_ENTRIES } from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Folded } from "../mailbox/fold.ts";
import {
	type BoxRow,
	type EntryRow,
	getBox,
	lives,
	rowKey,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

/** Who is gone, and who sees to what is left. */
export interface Heirs {
	/** Accounts whose users were removed for good. */
	readonly gone: () => ReadonlySet<AccountId>;
	/** Rule 2: this node numbers for the account. */
	readonly numbers: (account: AccountId) => boolean;
	readonly expunge: (
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
	) => void;
}

export interface EstateOptions extends Heirs {
	readonly store: Store;
	readonly ledger: () => Ledger;
}

export class Estates {
	readonly #options: EstateOptions;
	/** Mailboxes of the gone that may hold something; undefined: all are to be looked through. */
	#open: Map<MailboxId, string> | undefined;
	/** So many were gone when they were looked through. */
	#known = 0;

	constructor(options: EstateOptions) {
		this.#options = options;
	}

	isGone(account: BoxRow["account"]): boolean {
		return account !== "" && this.#options.gone().has(account);
	}

	/** Within a batch: an entry changed. */
	folded(batch: Batch, { mailbox, livesMore }: Folded): void {
		if (livesMore <= 0 || this.#options.gone().size === 0) return;
		if (this.isGone(getBox(batch, mailbox).account))
			this.#open?.set(mailbox, "");
	}

	/** One slice. Resolves to whether there is more to do at once. */
	async step(): Promise<boolean> {
		const { gone, numbers } = this.#options;
		const { size } = gone();
		if (size === 0) return false;
		if (this.#open === undefined || size !== this.#known) this.#look();
		for (const [mailbox, from] of this.#open ?? []) {
			const box = this.#box(mailbox);
			if (box === undefined || box.live === 0) {
				this.#open?.delete(mailbox);
				continue;
			}
			if (box.account === "" || !numbers(box.account)) continue;
			await this.#expunge(mailbox, from);
			return true;
		}
		return false;
	}

	#look(): void {
		const { store, gone } = this.#options;
		this.#known = gone().size;
		this.#open = new Map();
		for (const [key, text] of store.range("box/", prefixEnd("box/"))) {
			const { account, live } = JSON.parse(text as string) as BoxRow;
			if (live > 0 && this.isGone(account))
				this.#open.set(key.slice("box/".length) as MailboxId, "");
		}
	}

	#box(mailbox: MailboxId): BoxRow | undefined {
		const text = this.#options.store.get(`box/${mailbox}`);
		return text === undefined
			? undefined
			: (JSON.parse(text as string) as BoxRow);
	}

	/** Entries from this one on; at the end it begins anew, if something is left. */
	async #expunge(mailbox: MailboxId, from: string): Promise<void> {
		const { store, ledger, expunge } = this.#options;
		const prefix = rowKey(mailbox, "" as EntryId);
		const rows = [
			...store.range(from || prefix, prefixEnd(prefix), {
				limit: ESTATE_ENTRIES,
			}),
		];
		const living = rows.flatMap(([key, text]) =>
			lives(JSON.parse(text as string) as EntryRow)
				? [key.slice(prefix.length) as EntryId]
				: [],
		);
		if (living.length > 0)
			await ledger().write((tx) => {
				for (const entry of living) expunge(tx, mailbox, entry);
			});
		const last = rows.length === ESTATE_ENTRIES ? rows.at(-1)?.[0] : undefined;
		this.#open?.set(mailbox, last === undefined ? "" : `${last}!`);
	}
}
