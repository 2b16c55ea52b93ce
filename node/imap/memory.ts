/**
 * The memory twin of an account: everything that sync/api.ts promises, at once and in this process, for tests of the
 * protocol. Several sessions on one account see each other's changes. Beyond the interface it can be told to fail and to
 * renumber a message, as a replica may.
 */
import type {
	Account,
	FlagChange,
	MailboxInfo,
	MailboxStatus,
	Message,
	NewMessage,
	Placed,
	Role,
	SelectedMailbox,
} from "../../sync/api.ts";
import { ClientFault } from "../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	address,
	deriveId,
	type EntryId,
	type MailboxId,
	modSeq,
	type Uid,
	uid,
} from "../../sync/ids.ts";
import { KEYWORDS_MAX, MAILBOX_NAME_BYTES_MAX } from "../../sync/limits.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import { applyChange } from "./flags.ts";
import { SEPARATOR } from "./names.ts";

/** Changes that a session can lag behind before it must compare everything. */
const TOUCHED_MAX = 1_000;

const roles: readonly [name: string, role: Role][] = [
	["INBOX", "inbox"],
	["Drafts", "drafts"],
	["Sent", "sent"],
	["Junk", "junk"],
	["Trash", "trash"],
	["Archive", "archive"],
];

/** One mailbox; `view()` gives what a session holds. */
export class MemoryMailbox {
	readonly id: MailboxId;
	readonly role: Role | undefined;
	readonly uidValidity: number;
	name: string;
	gone = false;
	uidNext = 1;
	/** Largest UID that a session named. */
	named = 0;
	readonly #account: MemoryAccount;
	readonly #messages = new Map<Uid, Message>();
	/** Replaced UID → the one that stands for it. */
	readonly #replaced = new Map<Uid, Uid>();
	readonly #listeners = new Set<() => void>();
	#uids: readonly Uid[] | undefined;
	#touched: Uid[] = [];
	/** Cursor of the first of #touched. */
	#touchedFrom = 0;

	constructor(
		account: MemoryAccount,
		name: string,
		role: Role | undefined,
		uidValidity: number,
	) {
		this.#account = account;
		this.name = name;
		this.role = role;
		this.uidValidity = uidValidity;
		this.id = deriveId<MailboxId>(account.address, name, `${uidValidity}`);
	}

	get cursor(): number {
		return this.#touchedFrom + this.#touched.length;
	}

	uids(): readonly Uid[] {
		this.#uids ??= [...this.#messages.keys()].sort((a, b) => a - b);
		return this.#uids;
	}

	get(of: Uid): Message | undefined {
		return this.#messages.get(of);
	}

	resolve(of: Uid): Message | undefined {
		let now: Uid | undefined = of;
		while (now !== undefined && !this.#messages.has(now))
			now = this.#replaced.get(now);
		return now === undefined ? undefined : this.#messages.get(now);
	}

	touchedSince(cursor: number): readonly Uid[] | "all" {
		if (cursor < this.#touchedFrom) return "all";
		return [...new Set(this.#touched.slice(cursor - this.#touchedFrom))];
	}

	add(message: NewMessage): Uid {
		const now = this.#account.clock.now();
		const number = uid(this.uidNext++);
		this.#put({
			uid: number,
			entry: deriveId<EntryId>(this.id, `${number}`),
			modSeq: this.#account.nextModSeq(),
			flags: [...message.flags].sort(),
			internalDateMilliseconds: message.internalDateMilliseconds ?? now,
			savedMilliseconds: now,
			body: message.body,
		});
		return number;
	}

	store(uids: readonly Uid[], change: FlagChange): void {
		for (const of of uids) {
			const message = this.#messages.get(of);
			if (message === undefined) continue;
			const flags = applyChange(message.flags, change);
			if (flags.length > KEYWORDS_MAX)
				throw new ClientFault("LIMIT", "too many keywords on one message");
			this.#put({ ...message, flags, modSeq: this.#account.nextModSeq() });
		}
	}

	expunge(uids: readonly Uid[]): void {
		for (const of of uids) if (this.#messages.delete(of)) this.#touch(of);
	}

	/** Gives a message a new UID, as after a split (mailbox-consistency rule 6). */
	renumber(from: Uid): Uid {
		const message = this.#messages.get(from);
		if (message === undefined) throw new Error(`no message ${from}`);
		const to = uid(this.uidNext++);
		this.#messages.delete(from);
		this.#replaced.set(from, to);
		this.#touch(from);
		this.#put({ ...message, uid: to, modSeq: this.#account.nextModSeq() });
		return to;
	}

	remove(): void {
		this.gone = true;
		this.#tell();
	}

	listen(run: () => void): () => void {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	status(): MailboxStatus {
		const messages = [...this.#messages.values()];
		const count = (test: (message: Message) => boolean) =>
			messages.filter(test).length;
		return {
			messages: messages.length,
			unseen: count(({ flags }) => !flags.includes("\\Seen")),
			deleted: count(({ flags }) => flags.includes("\\Deleted")),
			sizeBytes: messages.reduce((sum, { body }) => sum + body.sizeBytes, 0),
			uidNext: this.uidNext,
			uidValidity: this.uidValidity,
			highestModSeq: this.#account.modSeq,
		};
	}

	view(): SelectedMailbox {
		return new MemoryView(this.#account, this);
	}

	#put(message: Message): void {
		if (!this.#messages.has(message.uid)) this.#uids = undefined;
		this.#messages.set(message.uid, message);
		this.#touch(message.uid);
	}

	#touch(of: Uid): void {
		if (!this.#messages.has(of)) this.#uids = undefined;
		this.#touched.push(of);
		if (this.#touched.length > 2 * TOUCHED_MAX) {
			this.#touched = this.#touched.slice(-TOUCHED_MAX);
			this.#touchedFrom += TOUCHED_MAX + 1;
		}
		this.#tell();
	}

	#tell(): void {
		for (const run of this.#listeners) run();
	}
}

class MemoryView implements SelectedMailbox {
	readonly id: MailboxId;
	readonly uidValidity: number;
	readonly #account: MemoryAccount;
	readonly #mailbox: MemoryMailbox;
	readonly #cancels = new Set<() => void>();

	constructor(account: MemoryAccount, mailbox: MemoryMailbox) {
		this.#account = account;
		this.#mailbox = mailbox;
		this.id = mailbox.id;
		this.uidValidity = mailbox.uidValidity;
	}

	get uidNext() {
		return this.#mailbox.uidNext;
	}
	get highestModSeq() {
		return modSeq(this.#account.modSeq);
	}
	get cursor() {
		return this.#mailbox.cursor;
	}
	get gone() {
		return this.#mailbox.gone;
	}
	uids() {
		return this.#mailbox.uids();
	}
	get(of: Uid) {
		return this.#mailbox.get(of);
	}
	resolve(of: Uid) {
		return this.#mailbox.resolve(of);
	}
	touchedSince(cursor: number) {
		return this.#mailbox.touchedSince(cursor);
	}
	onChange(run: () => void) {
		const cancel = this.#mailbox.listen(run);
		this.#cancels.add(cancel);
		return cancel;
	}
	named(number: number) {
		this.#mailbox.named = Math.max(this.#mailbox.named, number);
	}

	async store(uids: readonly Uid[], change: FlagChange): Promise<void> {
		this.#account.check("store");
		this.#mailbox.store(uids, change);
	}

	async expunge(uids: readonly Uid[]): Promise<void> {
		this.#account.check("expunge");
		this.#mailbox.expunge(uids);
	}

	async copy(
		uids: readonly Uid[],
		target: string,
	): Promise<Placed & { readonly from: readonly Uid[] }> {
		this.#account.check("copy");
		const to = this.#account.mailbox(target);
		const live = uids.filter((of) => this.#mailbox.get(of) !== undefined);
		const placed = live.map((of) => {
			const message = this.#mailbox.get(of);
			if (message === undefined) throw new Error("no such message");
			return to.add(message);
		});
		return { uidValidity: to.uidValidity, uids: placed, from: live };
	}

	async move(uids: readonly Uid[], target: string) {
		const placed = await this.copy(uids, target);
		this.#mailbox.expunge(placed.from);
		return placed;
	}

	release(): void {
		for (const cancel of this.#cancels) cancel();
	}
}

export class MemoryAccount implements Account {
	readonly id: AccountId;
	readonly address: Address;
	readonly clock: Clock;
	modSeq = 1;
	/** Asked before each operation: what it returns is thrown. */
	fault: (operation: string) => Error | undefined = () => undefined;
	#uidValidity = 1_000;
	readonly #mailboxes = new Map<string, MemoryMailbox>();
	readonly #subscriptions = new Set<string>();

	constructor(name: string, clock: Clock) {
		this.address = address(name);
		this.id = deriveId<AccountId>(this.address);
		this.clock = clock;
		for (const [mailbox, role] of roles) {
			this.#make(mailbox, role);
			this.#subscriptions.add(mailbox);
		}
	}

	check(operation: string): void {
		const fault = this.fault(operation);
		if (fault !== undefined) throw fault;
	}

	nextModSeq() {
		return modSeq(++this.modSeq);
	}

	/** The mailbox itself, for tests and copies. ClientFault NONEXISTENT. */
	mailbox(name: string): MemoryMailbox {
		const found = this.#mailboxes.get(canonical(name));
		if (found === undefined)
			throw new ClientFault("NONEXISTENT", "no such mailbox");
		return found;
	}

	mailboxes(): readonly MailboxInfo[] {
		return [...this.#mailboxes.values()].map((mailbox) => this.#info(mailbox));
	}

	subscriptions(): readonly string[] {
		return [...this.#subscriptions].sort();
	}

	find(name: string): MailboxInfo | undefined {
		const found = this.#mailboxes.get(canonical(name));
		return found === undefined ? undefined : this.#info(found);
	}

	async create(name: string): Promise<void> {
		this.check("create");
		if (this.find(name) !== undefined)
			throw new ClientFault("ALREADYEXISTS", "the mailbox exists already");
		const levels = checkedName(name).split(SEPARATOR);
		for (let depth = 1; depth <= levels.length; depth++) {
			const level = levels.slice(0, depth).join(SEPARATOR);
			if (this.find(level) === undefined) this.#make(level, undefined);
		}
	}

	async remove(name: string): Promise<void> {
		this.check("remove");
		const mailbox = this.mailbox(name);
		if (mailbox.role !== undefined)
			throw new ClientFault("CANNOT", "this mailbox cannot be deleted");
		this.#mailboxes.delete(mailbox.name);
		mailbox.remove();
	}

	async rename(from: string, to: string): Promise<void> {
		this.check("rename");
		const mailbox = this.mailbox(from);
		if (mailbox.role === "inbox") return this.#renameInbox(to);
		if (this.find(to) !== undefined)
			throw new ClientFault("ALREADYEXISTS", "the new name is in use");
		if (to.startsWith(`${from}${SEPARATOR}`))
			throw new ClientFault("CANNOT", "a mailbox cannot go below itself");
		checkedName(to);
		for (const one of [...this.#mailboxes.values()]) {
			if (one !== mailbox && !one.name.startsWith(`${from}${SEPARATOR}`))
				continue;
			this.#mailboxes.delete(one.name);
			one.name = to + one.name.slice(from.length);
			this.#mailboxes.set(one.name, one);
		}
	}

	async #renameInbox(to: string): Promise<void> {
		await this.create(to);
		const view = this.mailbox("INBOX").view();
		await view.move(view.uids(), to);
	}

	async subscribe(name: string, on: boolean): Promise<void> {
		this.check("subscribe");
		if (on) this.#subscriptions.add(checkedName(name));
		else this.#subscriptions.delete(canonical(name));
	}

	async status(name: string): Promise<MailboxStatus> {
		this.check("status");
		return this.mailbox(name).status();
	}

	async select(name: string): Promise<SelectedMailbox> {
		this.check("select");
		return this.mailbox(name).view();
	}

	async append(name: string, messages: readonly NewMessage[]): Promise<Placed> {
		this.check("append");
		const mailbox = this.mailbox(name);
		return {
			uidValidity: mailbox.uidValidity,
			uids: messages.map((message) => mailbox.add(message)),
		};
	}

	#make(name: string, role: Role | undefined): void {
		const mailbox = new MemoryMailbox(this, name, role, ++this.#uidValidity);
		this.#mailboxes.set(name, mailbox);
	}

	#info({ id, name, role }: MemoryMailbox): MailboxInfo {
		return { id, name, role, subscribed: this.#subscriptions.has(name) };
	}
}

const canonical = (name: string): string =>
	name.toUpperCase() === "INBOX" ? "INBOX" : name;

function checkedName(name: string): string {
	if (Buffer.byteLength(name) > MAILBOX_NAME_BYTES_MAX)
		throw new ClientFault("LIMIT", "the mailbox name is too long");
	if (name.split(SEPARATOR).includes(""))
		throw new ClientFault("CANNOT", "a level of the name is empty");
	return canonical(name);
}
