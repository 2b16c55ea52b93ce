/** The account documents, folded in memory as they are needed: password, mailbox tree, subscriptions. */
import type { MailboxInfo, QuotaLimits, Role } from "../api.ts";
import type { FlatDocument, Scalar } from "../documents/flat.ts";
import { kindOf, splitKey } from "../documents/shapes.ts";
import {
	type AccountId,
	deriveId,
	type EntryId,
	type MailboxId,
} from "../ids.ts";
import { ACCOUNTS_FOLDED_MAX, STORE_BATCH_COUNT } from "../limits.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import { keyChangeOf, type NewId } from "../log/transaction.ts";
import { boxKey, getBox, getRow, lives, rowKey } from "../mailbox/rows.ts";
import {
	byName,
	type NameRegister,
	resolveTree,
	type TreeNode,
	winningRegister,
} from "../mailbox/tree.ts";
import type { Clock } from "../ports/clock.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import {
	type Annotated,
	type Annotations,
	NO_ANNOTATIONS,
	setAnnotation,
} from "./annotations.ts";
import { moveEntries } from "./edits.ts";
import { Ghosts } from "./ghosts.ts";
import { MailboxLives } from "./lives.ts";
import { NO_LIMITS } from "./quota.ts";
import { currentOf } from "./renewal.ts";

/** Made with each account; they cannot be deleted. */
export const ROLES: readonly (readonly [Role, string])[] = [
	["inbox", "INBOX"],
	["drafts", "Drafts"],
	["sent", "Sent"],
	["junk", "Junk"],
	["trash", "Trash"],
	["archive", "Archive"],
];

/** Mailboxes of a role are the same everywhere, so they cannot conflict. */
export const roleMailbox = (account: AccountId, role: Role): MailboxId =>
	deriveId<MailboxId>("role", account, role);

export interface AccountMailbox extends MailboxInfo {
	readonly uidValidity: number;
	readonly register: NameRegister;
}

/** One account's document, folded. */
export class AccountState {
	readonly id: AccountId;
	passwordHash: string | undefined;
	readonly #registers = new Map<MailboxId, NameRegister>();
	readonly #lives = new MailboxLives();
	readonly #subscribed = new Map<string, string>();
	readonly allAnnotations: Annotations = new Map();
	quota: QuotaLimits = NO_LIMITS;
	readonly #isGhost: (mailbox: MailboxId) => boolean;
	#mailboxes: AccountMailbox[] | undefined;
	/** The same, by id and by name: each command asks for one of them. */
	readonly #byId = new Map<MailboxId, AccountMailbox>();
	readonly #byName = new Map<string, AccountMailbox>();
	/** What builtIn() found, until a mailbox is made or renamed: each delivery asks for it, and it takes two hashes. */
	readonly #builtIn = new Map<Role, MailboxId>();
	/** Deleted mailboxes with messages whose name another one has now. */
	#displaced: ReadonlyMap<MailboxId, MailboxId> = new Map();

	private constructor(id: AccountId, isGhost: (mailbox: MailboxId) => boolean) {
		this.id = id;
		this.#isGhost = isGhost;
	}

	/** `isGhost`: whether a deleted mailbox holds messages. */
	static of(
		id: AccountId,
		document: FlatDocument,
		isGhost: (mailbox: MailboxId) => boolean,
	): AccountState {
		const state = new AccountState(id, isGhost);
		for (const key of document.keys()) state.set(key, document.values(key));
		return state;
	}

	set(key: string, values: readonly Scalar[]): void {
		const [kind, id, detail] = splitKey(key);
		this.changed();
		if (kind === "p") this.passwordHash = values.map(String).sort()[0];
		else if (kind === "n") this.#setRegister(id as MailboxId, values);
		else if (kind === "v") this.#lives.claim(id as MailboxId, Number(detail));
		else if (kind === "x") this.#lives.delete(id as MailboxId, Number(detail));
		else if (kind === "s") this.#setSubscription(id, values);
		else if (kind === "t")
			setAnnotation(this.allAnnotations, id, detail, smallest(values));
		else if (kind === "q") this.#setQuota(id, values);
	}

	#setQuota(resource: string, values: readonly Scalar[]): void {
		// Set on two sides of a split: the lower.
		const numbers = values.map(Number).filter(Number.isFinite);
		const max = numbers.length === 0 ? undefined : Math.min(...numbers);
		if (resource === "storage")
			this.quota = { ...this.quota, storageBytesMax: max };
		else if (resource === "message")
			this.quota = { ...this.quota, messagesMax: max };
	}

	annotations(of: Annotated): ReadonlyMap<string, string> {
		return this.allAnnotations.get(of) ?? NO_ANNOTATIONS;
	}

	#setRegister(mailbox: MailboxId, values: readonly Scalar[]): void {
		this.#builtIn.clear();
		const register = winningRegister(
			values.map((value) => JSON.parse(String(value)) as NameRegister),
		);
		if (register !== undefined) this.#registers.set(mailbox, register);
	}

	#setSubscription(hash: string, values: readonly Scalar[]): void {
		const [name] = values;
		if (name === undefined) this.#subscribed.delete(hash);
		else this.#subscribed.set(hash, String(name));
	}

	/** What can be listed may be other now: a deleted mailbox got mail, or gave up its last. */
	changed(): void {
		this.#mailboxes = undefined;
	}

	/** Mailboxes that can be listed, INBOX first, then by name. */
	mailboxes(): readonly AccountMailbox[] {
		if (this.#mailboxes === undefined) {
			this.#mailboxes = this.#resolve();
			this.#byId.clear();
			this.#byName.clear();
			for (const mailbox of this.#mailboxes) {
				this.#byId.set(mailbox.id, mailbox);
				this.#byName.set(mailbox.name, mailbox);
			}
		}
		return this.#mailboxes;
	}

	#resolve(): AccountMailbox[] {
		const nodes = [...this.#registers].map(([id, name]) => ({
			id,
			name,
			uidValidity: this.#lives.uidValidity(id),
			state: this.#stateOf(id),
		}));
		const { names, merged } = resolveTree(nodes);
		this.#displaced = merged;
		const subscribed = new Set(this.#subscribed.values());
		return nodes
			.flatMap(({ id, name: register, uidValidity }) => {
				const name = names.get(id);
				if (name === undefined) return [];
				return {
					id,
					name,
					role: register.role ?? undefined,
					subscribed: subscribed.has(name),
					uidValidity,
					register,
				};
			})
			.sort(byName);
	}

	#stateOf(id: MailboxId): TreeNode["state"] {
		if (!this.#lives.isDeleted(id)) return "kept";
		return this.#isGhost(id) ? "ghost" : "dead";
	}

	/** Deleted mailboxes with messages that belong into another one, which has their name now. */
	displaced(): [MailboxId, MailboxId][] {
		this.mailboxes();
		return [...this.#displaced].filter(([id]) => this.#isGhost(id));
	}

	/** All claims of a mailbox's UIDVALIDITY. */
	claims(mailbox: MailboxId): number[] {
		return this.#lives.claims(mailbox);
	}

	mailbox(id: MailboxId): AccountMailbox | undefined {
		this.mailboxes();
		return this.#byId.get(id);
	}

	/** By the name in its one spelling. */
	named(name: string): AccountMailbox | undefined {
		this.mailboxes();
		return this.#byName.get(name);
	}

	subscriptions(): string[] {
		return [...this.#subscribed.values()].sort();
	}

	/** The mailbox of a role that was made with the account, or what stands for it now. */
	builtIn(role: Role): MailboxId {
		let id = this.#builtIn.get(role);
		if (id === undefined) {
			id = currentOf(this, roleMailbox(this.id, role));
			this.#builtIn.set(role, id);
		}
		return id;
	}
	/** Made with the account, not by its user. */
	isBuiltIn({ id, role }: MailboxInfo): boolean {
		return role !== undefined && id === this.builtIn(role);
	}

	/** The last UIDVALIDITY known under a name whose mailbox is deleted: a new mailbox of that name gets another id. */
	isUsed(mailbox: MailboxId): boolean {
		return this.#registers.has(mailbox);
	}

	/** Above all UIDVALIDITYs known in the account. */
	get highestUidValidity(): number {
		return this.#lives.highest;
	}

	get highestStamp(): number {
		let highest = 0;
		for (const { stamp } of this.#registers.values())
			highest = Math.max(highest, stamp);
		return highest;
	}
}

/** Of values put at the same time, everywhere the same one. */
const smallest = (values: readonly Scalar[]): string | undefined =>
	values.map(String).sort()[0];

export interface AccountStatesOptions {
	readonly store: Store;
	readonly clock: Clock;
	readonly rules: Rules;
	readonly document: (account: AccountId) => FlatDocument;
	/** Rule 2: of the members that are up one moves what lies in deleted mailboxes. */
	readonly numbers: (account: AccountId) => boolean;
	/** Has a batch made, for what is still to be moved. */
	readonly flush: () => void;
}

export class AccountStates implements Fold {
	/** In the order in which they were asked for. */
	readonly #states = new Map<AccountId, AccountState>();
	readonly #touched = new Set<AccountId>();
	/** Read in a batch that had changed their document before: what is in that batch only is not in them. */
	readonly #halfRead = new Set<AccountId>();
	readonly #options: AccountStatesOptions;
	readonly #ghosts: Ghosts;
	readonly #listeners = new Map<AccountId, Set<() => void>>();
	/** With more in deleted mailboxes than one batch moves. */
	readonly #unsettled = new Set<AccountId>();

	constructor(options: AccountStatesOptions) {
		this.#options = options;
		this.#ghosts = new Ghosts(options.store);
	}

	/** Reads anew what is held in memory of deleted mailboxes, when all documents came at once. */
	recount(): void {
		this.#ghosts.load();
		for (const state of this.#states.values()) state.changed();
	}

	get(account: AccountId): AccountState {
		let state = this.#states.get(account);
		if (state === undefined) {
			const document = this.#options.document(account);
			state = AccountState.of(account, document, (id) => this.#ghosts.has(id));
			if (this.#touched.has(account)) this.#halfRead.add(account);
			this.#evict();
		} else this.#states.delete(account);
		this.#states.set(account, state);
		return state;
	}

	/** How many are held in memory. */
	get held(): number {
		return this.#states.size;
	}

	/** The least recently asked for; not what sessions look at, nor what this batch changes. */
	#evict(): void {
		for (const account of this.#states.keys()) {
			if (this.#states.size < ACCOUNTS_FOLDED_MAX) return;
			if (this.#listeners.has(account) || this.#touched.has(account)) continue;
			this.#states.delete(account);
		}
	}

	forgetAll(): void {
		for (const account of [...this.#states.keys()]) this.forget(account);
	}
	/** The document changed in another way than by a change that was folded: it is read anew. */
	forget(account: AccountId): void {
		this.#states.delete(account);
		for (const run of [...(this.#listeners.get(account) ?? [])]) run();
	}

	/** Runs after a change of the account's document was committed. */
	onChange(account: AccountId, run: () => void): () => void {
		const listeners = this.#listeners.get(account) ?? new Set();
		this.#listeners.set(account, listeners);
		listeners.add(run);
		return () => {
			listeners.delete(run);
			if (listeners.size === 0) this.#listeners.delete(account);
		};
	}

	fold(tx: Transaction, change: KeyChange): void {
		this.#ghosts.fold(tx, change);
		const place = kindOf(change.document);
		if (place.kind !== "account") return;
		this.#touched.add(place.account);
		this.#states.get(place.account)?.set(change.key, change.values);
		const [kind, id] = splitKey(change.key);
		if (kind !== "n") return;
		const box = getBox(tx.batch, id as MailboxId);
		box.account = place.account;
		tx.batch.change(boxKey(id as MailboxId), box);
	}

	foldNew(tx: Transaction, change: NewId): void {
		const place = kindOf(change.document);
		if (place.kind === "segment") this.#ghosts.entryChanged(tx, place.mailbox);
		else
			for (const edit of change.edits) this.fold(tx, keyChangeOf(change, edit));
	}

	finish(tx: Transaction): void {
		const accounts = this.#ghosts.finish(tx);
		for (const account of this.#unsettled) accounts.add(account);
		this.#unsettled.clear();
		this.#settle(tx, accounts);
		// Those moves emptied some.
		for (const account of this.#ghosts.finish(tx)) this.#noteTree(account);
	}

	/** Who numbers may have changed: what lies in deleted mailboxes may be this node's to move. */
	settleAll(tx: Transaction): void {
		this.#settle(tx, this.#ghosts.accounts());
	}

	#settle(tx: Transaction, accounts: Iterable<AccountId>): void {
		const { numbers, clock, rules } = this.#options;
		for (const account of accounts) {
			this.#noteTree(account);
			if (!numbers(account)) continue;
			for (const [ghost, target] of this.get(account).displaced()) {
				const some = this.#living(tx, ghost, STORE_BATCH_COUNT);
				moveEntries(tx, ghost, some, target, clock.now(), rules);
				if (some.length === STORE_BATCH_COUNT) this.#unsettled.add(account);
			}
		}
	}

	#noteTree(account: AccountId): void {
		this.#states.get(account)?.changed();
		this.#touched.add(account);
	}

	/** Entries that live in a deleted mailbox: few, but for one that was renewed. */
	#living(tx: Transaction, mailbox: MailboxId, most: number): EntryId[] {
		const prefix = rowKey(mailbox, "" as EntryId);
		const living: EntryId[] = [];
		for (const key of tx.batch.keys(prefix, prefixEnd(prefix))) {
			const entry = key.slice(prefix.length) as EntryId;
			const row = getRow(tx.batch, mailbox, entry);
			if (row !== undefined && lives(row)) living.push(entry);
			if (living.length === most) break;
		}
		return living;
	}

	committed(): void {
		for (const account of this.#halfRead) this.#states.delete(account);
		this.#halfRead.clear();
		for (const account of this.#touched)
			for (const run of [...(this.#listeners.get(account) ?? [])]) run();
		this.#touched.clear();
		if (this.#unsettled.size > 0) this.#options.flush();
	}
	rolledBack(): void {
		for (const account of this.#touched) this.#states.delete(account);
		this.#halfRead.clear();
		this.#touched.clear();
		this.#ghosts.rolledBack();
		for (const account of this.#ghosts.accounts()) this.#unsettled.add(account);
	}
}
