/** The account documents, folded in memory as they are needed: password, mailbox tree, subscriptions. */
import type { MailboxInfo, QuotaLimits, Role } from "../api.ts";
import type { FlatDocument, Scalar } from "../documents/flat.ts";
import { kindOf, splitKey } from "../documents/shapes.ts";
import { type AccountId, deriveId, type MailboxId } from "../ids.ts";
import type { Fold, KeyChange, Transaction } from "../log/ledger.ts";
import { boxKey, getBox } from "../mailbox/rows.ts";
import {
	byName,
	type NameRegister,
	resolveTree,
	winningRegister,
} from "../mailbox/tree.ts";
import {
	type Annotated,
	type Annotations,
	NO_ANNOTATIONS,
	setAnnotation,
} from "./annotations.ts";
import { NO_LIMITS } from "./quota.ts";

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

/** Made with the account, not by its user. */
export const isBuiltIn = (account: AccountId, { id, role }: MailboxInfo) =>
	role !== undefined && id === roleMailbox(account, role);

export interface AccountMailbox extends MailboxInfo {
	readonly uidValidity: number;
	readonly register: NameRegister;
}

/** One account's document, folded. */
export class AccountState {
	readonly id: AccountId;
	passwordHash: string | undefined;
	readonly #registers = new Map<MailboxId, NameRegister>();
	readonly #uidValidity = new Map<MailboxId, number>();
	readonly #deleted = new Set<MailboxId>();
	readonly #subscribed = new Map<string, string>();
	readonly allAnnotations: Annotations = new Map();
	quota: QuotaLimits = NO_LIMITS;
	readonly #alive: (mailbox: MailboxId) => boolean;
	#tree: AccountMailbox[] | undefined;

	constructor(id: AccountId, alive: (mailbox: MailboxId) => boolean) {
		this.id = id;
		this.#alive = alive;
	}

	set(key: string, values: readonly Scalar[]): void {
		const [kind, id, detail] = splitKey(key);
		this.#tree = undefined;
		if (kind === "p") this.passwordHash = values.map(String).sort()[0];
		else if (kind === "n") this.#setRegister(id as MailboxId, values);
		else if (kind === "v")
			this.#uidValidity.set(
				id as MailboxId,
				Math.max(Number(detail), this.#uidValidity.get(id as MailboxId) ?? 0),
			);
		else if (kind === "x") this.#deleted.add(id as MailboxId);
		else if (kind === "s") this.#setSubscription(id, values);
		else if (kind === "t")
			setAnnotation(this.allAnnotations, id, detail, smallest(values));
		else if (kind === "q") this.#setQuota(id, values);
	}

	#setQuota(resource: string, values: readonly Scalar[]): void {
		// Set on two sides of a split: the lower.
		const numbers = values.map(Number);
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

	/** Mailboxes that can be listed, INBOX first, then by name. */
	mailboxes(): readonly AccountMailbox[] {
		// A deleted mailbox may come to life again by new mail, which this document does not tell: so no caching then.
		if (this.#tree !== undefined && this.#deleted.size === 0) return this.#tree;
		const nodes = [...this.#registers]
			.filter(([id]) => !this.#deleted.has(id) || this.#alive(id))
			.map(([id, name]) => ({
				id,
				name,
				uidValidity: this.#uidValidity.get(id) ?? 0,
			}));
		const names = resolveTree(nodes);
		const subscribed = new Set(this.#subscribed.values());
		this.#tree = nodes
			.map(({ id, name: register, uidValidity }) => {
				const name = names.get(id) as string;
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
		return this.#tree;
	}

	mailbox(id: MailboxId): AccountMailbox | undefined {
		return this.mailboxes().find((mailbox) => mailbox.id === id);
	}

	subscriptions(): string[] {
		return [...this.#subscribed.values()].sort();
	}

	/** The last UIDVALIDITY known under a name whose mailbox is deleted: a new mailbox of that name gets another id. */
	isUsed(mailbox: MailboxId): boolean {
		return this.#registers.has(mailbox);
	}

	/** Above all UIDVALIDITYs known in the account. */
	get highestUidValidity(): number {
		return Math.max(0, ...this.#uidValidity.values());
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

export class AccountStates implements Fold {
	readonly #states = new Map<AccountId, AccountState>();
	readonly #touched = new Set<AccountId>();
	readonly #document: (account: AccountId) => FlatDocument;
	readonly #alive: (mailbox: MailboxId) => boolean;
	readonly #listeners = new Map<AccountId, Set<() => void>>();

	constructor(
		document: (account: AccountId) => FlatDocument,
		alive: (mailbox: MailboxId) => boolean,
	) {
		this.#document = document;
		this.#alive = alive;
	}

	get(account: AccountId): AccountState {
		let state = this.#states.get(account);
		if (state === undefined) {
			state = new AccountState(account, this.#alive);
			const document = this.#document(account);
			for (const key of document.keys()) state.set(key, document.values(key));
			this.#states.set(account, state);
		}
		return state;
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
	finish(): void {}
	committed(): void {
		for (const account of this.#touched)
			for (const run of [...(this.#listeners.get(account) ?? [])]) run();
		this.#touched.clear();
	}
	rolledBack(): void {
		for (const account of this.#touched) this.#states.delete(account);
		this.#touched.clear();
	}
}
