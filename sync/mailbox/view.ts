/** What clients of this node see of one mailbox, in memory while someone looks. Changed only by what was committed. */
import type { Message } from "../api.ts";
import type { EntryId, MailboxId, ModSeq, Uid } from "../ids.ts";
import type { Cancel } from "../ports/clock.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import {
	type BoxRow,
	boxKey,
	decodeFacts,
	type EntryRow,
	newBox,
} from "./rows.ts";

export type ViewChange =
	/** `replaced`: the UID it had before, now gone. */
	| {
			readonly kind: "appeared";
			readonly message: Message;
			readonly replaced: Uid | undefined;
	  }
	| { readonly kind: "changed"; readonly message: Message }
	| { readonly kind: "gone"; readonly entry: EntryId; readonly uid: Uid };

/** Sessions that are further behind compare everything. */
const JOURNAL_MAX = 20_000;

export function messageOf(entry: EntryId, row: EntryRow): Message {
	const shown = row.v as NonNullable<EntryRow["v"]>;
	const facts = decodeFacts(shown.f);
	return {
		uid: shown.u,
		entry,
		modSeq: shown.m,
		flags: shown.g,
		internalDateMilliseconds: facts.internalDateMilliseconds,
		savedMilliseconds: facts.savedMilliseconds,
		body: facts.body,
	};
}

export class View {
	readonly mailbox: MailboxId;
	uidNext: number;
	highestModSeq: ModSeq;
	#sorted: Uid[] = [];
	#snapshot: readonly Uid[] | undefined;
	readonly #messages = new Map<Uid, Message>();
	readonly #uidOf = new Map<EntryId, Uid>();
	readonly #aliases = new Map<Uid, EntryId>();
	#journal: Uid[] = [];
	#journalStart = 0;
	readonly #listeners = new Set<() => void>();

	constructor(store: Store, mailbox: MailboxId) {
		this.mailbox = mailbox;
		const prefix = `ent/${mailbox}/`;
		for (const [key, value] of store.range(prefix, prefixEnd(prefix))) {
			const row = JSON.parse(value as string) as EntryRow;
			const entry = key.slice(prefix.length) as EntryId;
			if (row.v === undefined) continue;
			this.#add(messageOf(entry, row));
			for (const claim of row.u)
				if (claim !== row.v.u) this.#aliases.set(claim as Uid, entry);
		}
		this.#sorted.sort((a, b) => a - b);
		const text = store.get(boxKey(mailbox)) as string | undefined;
		const box: BoxRow = text === undefined ? newBox() : JSON.parse(text);
		this.uidNext = box.E + 1;
		this.highestModSeq = box.H as ModSeq;
	}

	get cursor(): number {
		return this.#journalStart + this.#journal.length;
	}

	uids(): readonly Uid[] {
		this.#snapshot ??= Object.freeze([...this.#sorted]);
		return this.#snapshot;
	}

	get(uid: Uid): Message | undefined {
		return this.#messages.get(uid);
	}

	resolve(uid: Uid): Message | undefined {
		const found = this.#messages.get(uid);
		if (found !== undefined) return found;
		const entry = this.#aliases.get(uid);
		const now = entry && this.#uidOf.get(entry);
		return now && this.#messages.get(now);
	}

	touchedSince(cursor: number): readonly Uid[] | "all" {
		if (cursor < this.#journalStart) return "all";
		return this.#journal.slice(cursor - this.#journalStart);
	}

	onChange(run: () => void): Cancel {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	/** Takes what was committed; the caller then calls tell(), once for all mailboxes. */
	apply(
		changes: readonly ViewChange[],
		uidNext: number,
		highestModSeq: ModSeq,
	): void {
		for (const change of changes) this.#apply(change);
		this.uidNext = uidNext;
		this.highestModSeq = highestModSeq;
		if (this.#journal.length > JOURNAL_MAX) {
			const drop = this.#journal.length >> 1;
			this.#journal = this.#journal.slice(drop);
			this.#journalStart += drop;
		}
	}

	tell(): void {
		for (const run of [...this.#listeners]) run();
	}

	#apply(change: ViewChange): void {
		if (change.kind === "gone") {
			this.#remove(change.uid);
			this.#uidOf.delete(change.entry);
			return;
		}
		const { message } = change;
		if (change.kind === "appeared") {
			if (change.replaced !== undefined) {
				this.#remove(change.replaced);
				this.#aliases.set(change.replaced, message.entry);
			}
			this.#add(message);
		} else this.#messages.set(message.uid, message);
		this.#journal.push(message.uid);
	}

	#add(message: Message): void {
		this.#messages.set(message.uid, message);
		this.#uidOf.set(message.entry, message.uid);
		this.#sorted.push(message.uid);
		this.#snapshot = undefined;
	}

	#remove(uid: Uid): void {
		this.#messages.delete(uid);
		const at = lowerBound(this.#sorted, uid);
		if (this.#sorted[at] === uid) this.#sorted.splice(at, 1);
		this.#snapshot = undefined;
		this.#journal.push(uid);
	}
}

export function lowerBound(sorted: readonly number[], value: number): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((sorted[middle] as number) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}
