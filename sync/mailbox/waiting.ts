/**
 * Entries that wait for second copies (rule 7), or behind others that do, in the mailboxes that somebody looks at. A command
 * on a whole mailbox has thousands of them on their way: so each batch reads the rows of those only that wait no longer.
 */
import type { EntryId, MailboxId } from "../ids.ts";

/** As its row was when it was to be shown: whatever changes the row touches the entry. */
export interface Wait {
	/** Highest own operation, which needs its second copy; 0: none. */
	readonly own: number;
	/** UID under which it is to appear; 0: it is shown, and has changed. */
	readonly uid: number;
}
export type Waits = ReadonlyMap<EntryId, Wait>;

export interface Due {
	/** To be looked at: they may wait no longer. */
	readonly entries: readonly EntryId[];
	/** These wait on. */
	readonly still: Map<EntryId, Wait>;
	/** Nothing appears above this UID before they do (rule 6). */
	readonly below: number;
}

export class Waiting {
	readonly #all = new Map<MailboxId, Waits>();

	get size(): number {
		return this.#all.size;
	}
	mailboxes(): Iterable<MailboxId> {
		return this.#all.keys();
	}
	set(mailbox: MailboxId, waits: Waits): void {
		if (waits.size > 0) this.#all.set(mailbox, waits);
		else this.#all.delete(mailbox);
	}
	delete(mailbox: MailboxId): void {
		this.#all.delete(mailbox);
	}
	clear(): void {
		this.#all.clear();
	}

	/** The highest operation that one of these waits for; 0: none. */
	highest(
		mailbox: MailboxId,
		some: readonly { readonly entry: EntryId }[],
		isCopied: (own: number) => boolean,
	): number {
		const waits = this.#all.get(mailbox);
		if (waits === undefined) return 0;
		let highest = 0;
		for (const { entry } of some)
			highest = Math.max(highest, waits.get(entry)?.own ?? 0);
		return isCopied(highest) ? 0 : highest;
	}

	/** `isTouched`: it is looked at anyway. */
	due(
		mailbox: MailboxId,
		isTouched: (entry: EntryId) => boolean,
		isCopied: (own: number) => boolean,
	): Due {
		const still = new Map<EntryId, Wait>();
		const free: [EntryId, Wait][] = [];
		let below = Number.POSITIVE_INFINITY;
		for (const [entry, wait] of this.#all.get(mailbox) ?? []) {
			if (isTouched(entry)) continue;
			if (isCopied(wait.own)) free.push([entry, wait]);
			else {
				still.set(entry, wait);
				if (wait.uid > 0) below = Math.min(below, wait.uid);
			}
		}
		const entries: EntryId[] = [];
		for (const [entry, wait] of free)
			if (wait.uid > below) still.set(entry, wait);
			else entries.push(entry);
		return { entries, still, below };
	}
}
