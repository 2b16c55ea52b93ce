/** Who looks at which mailboxes: their views in memory, and who wants to be told what. Knows no batch but what is committed. */
import type { EntryId, MailboxId, Uid } from "../ids.ts";
import { VIEWS_IDLE_MESSAGES_MAX } from "../limits.ts";
import type { Store } from "../ports/store.ts";
import type { BoxRow, EntryRow } from "./rows.ts";
import type { Staged } from "./showing.ts";
import { View, type ViewChange } from "./view.ts";

export class Looking {
	readonly #store: Store;
	readonly #views = new Map<MailboxId, { view: View; users: number }>();
	/** Mailboxes that somebody looks at, and how many do: what may be shown there is shown at once. */
	readonly #looks = new Map<MailboxId, number>();
	readonly #ended: (mailbox: MailboxId) => void;
	readonly #shownListeners = new Listeners<MailboxId, () => void>();
	/** Who waits for the UID of an entry. */
	readonly #watchers = new Watchers();
	/** To be told when all that was committed is in the views. */
	#told: (() => void)[] = [];

	/** `ended`: nobody looks at the mailbox any more. */
	constructor(store: Store, ended: (mailbox: MailboxId) => void) {
		this.#store = store;
		this.#ended = ended;
	}

	has(mailbox: MailboxId): boolean {
		return this.#looks.has(mailbox);
	}
	hasView(mailbox: MailboxId): boolean {
		return this.#views.has(mailbox);
	}

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
			this.#ended(mailbox);
		};
	}

	/** The live view, loaded if nobody had it. Give it back with release(). */
	acquire(mailbox: MailboxId): View {
		let held = this.#views.get(mailbox);
		if (held === undefined) {
			held = { view: new View(this.#store, mailbox), users: 0 };
			this.#views.set(mailbox, held);
		}
		held.users++;
		return held.view;
	}

	/** The live view, or one for this moment, which is not kept: for who walks through all mailboxes. */
	glance(mailbox: MailboxId): View {
		return this.#views.get(mailbox)?.view ?? new View(this.#store, mailbox);
	}

	/** What was looked at last stays in memory, within a bound: it will be looked at again. */
	release(mailbox: MailboxId): void {
		const held = this.#views.get(mailbox);
		if (held === undefined || --held.users > 0) return;
		this.#views.delete(mailbox);
		this.#views.set(mailbox, held);
		let all = 0;
		for (const { view } of this.#views.values()) all += view.size;
		if (all <= VIEWS_IDLE_MESSAGES_MAX) return;
		let messages = 0;
		for (const [id, { view, users }] of [...this.#views].reverse()) {
			if (users > 0) continue;
			messages += view.size;
			if (messages > VIEWS_IDLE_MESSAGES_MAX) this.#views.delete(id);
		}
	}

	/** Runs after something else is shown in the mailbox than before. */
	onShown(mailbox: MailboxId, run: () => void): () => void {
		return this.#shownListeners.add(mailbox, run);
	}

	/** Runs `told` for each of the entries once it is shown here, with its UID. */
	watch(entries: readonly EntryId[], told: Told): () => void {
		for (const entry of entries) this.#watchers.add(entry, told);
		return () => {
			for (const entry of entries) this.#watchers.remove(entry, told);
		};
	}

	/** This was committed. The caller then calls tell(), once for all mailboxes. */
	take(mailbox: MailboxId, { changes, box }: Staged): void {
		if (!this.#watchers.isEmpty)
			for (const change of changes)
				if (change.kind === "appeared")
					this.#watchers.tell(change.row.entry, change.row.uid);
		const view = this.#views.get(mailbox)?.view;
		view?.apply(changes, box.E + 1, box.H as View["highestModSeq"]);
		if (changes.length === 0) return;
		if (view !== undefined) this.#told.push(() => view.tell());
		this.#told.push(...this.#shownListeners.of(mailbox));
	}

	/** Told with no change of what is shown. */
	tellHigher(mailbox: MailboxId, modSeq: number): void {
		this.#views.get(mailbox)?.view.tellHigher(modSeq);
	}

	tell(): void {
		for (const run of this.#told.splice(0)) run();
	}

	/** Rows were mended in the store: what is held of them in memory follows, also where a session looks at it. */
	reread(
		mailbox: MailboxId,
		box: BoxRow,
		row: (entry: EntryId) => EntryRow | undefined,
	): void {
		const held = this.#views.get(mailbox);
		if (held === undefined) return;
		if (held.users === 0) {
			this.#views.delete(mailbox);
			return;
		}
		const { view } = held;
		const stale = view.uids().flatMap((uid): ViewChange[] => {
			const entry = view.get(uid)?.entry;
			if (entry === undefined || row(entry)?.v?.u === uid) return [];
			return [{ kind: "gone", entry, uid }];
		});
		if (stale.length === 0) return;
		view.apply(stale, box.E + 1, box.H as View["highestModSeq"]);
		view.tell();
	}
}

type Told = (entry: EntryId, uid: Uid) => void;

/** Who waits for the UIDs of entries: of a command on 1,000 messages each has one that waits, so most need no list. */
class Watchers {
	readonly #all = new Map<EntryId, Told | readonly Told[]>();

	get isEmpty(): boolean {
		return this.#all.size === 0;
	}
	add(entry: EntryId, told: Told): void {
		const known = this.#all.get(entry);
		this.#all.set(entry, known === undefined ? told : [known, told].flat());
	}
	remove(entry: EntryId, told: Told): void {
		const known = this.#all.get(entry);
		if (known === told) this.#all.delete(entry);
		if (known === undefined || typeof known === "function") return;
		const left = known.filter((one) => one !== told);
		const [first] = left;
		if (first === undefined) this.#all.delete(entry);
		else this.#all.set(entry, left.length === 1 ? first : left);
	}
	tell(entry: EntryId, uid: Uid): void {
		const known = this.#all.get(entry);
		if (known === undefined) return;
		if (typeof known === "function") known(entry, uid);
		else for (const told of known) told(entry, uid);
	}
}

class Listeners<Key, Run> {
	readonly #all = new Map<Key, Set<Run>>();

	add(key: Key, run: Run): () => void {
		const listeners = this.#all.get(key);
		if (listeners === undefined) this.#all.set(key, new Set([run]));
		else listeners.add(run);
		let held = true;
		return () => {
			if (held) this.remove(key, run);
			held = false;
		};
	}
	remove(key: Key, run: Run): void {
		const listeners = this.#all.get(key);
		listeners?.delete(run);
		if (listeners?.size === 0) this.#all.delete(key);
	}
	of(key: Key): readonly Run[] {
		const listeners = this.#all.get(key);
		return listeners === undefined ? [] : [...listeners];
	}
}
