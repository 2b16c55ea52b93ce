/**
 * The memory twin of an account: everything that sync/api.ts promises, at once and in this process, for tests of the
 * protocol. Several sessions on one account see each other's changes. Beyond the interface it can be told to fail and to
 * renumber a message, as a replica may.
 */
import type {
	Account,
	AnnotationChange,
	MailboxInfo,
	MailboxStatus,
	Message,
	NewMessage,
	Placed,
	Quota,
	QuotaLimits,
	Role,
	SelectedMailbox,
	ToldElsewhere,
} from "../../sync/api.ts";
import { ClientFault } from "../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	address,
	deriveId,
	modSeq,
} from "../../sync/ids.ts";
import {
	MAILBOX_NAME_BYTES_MAX,
	METADATA_VALUE_BYTES_MAX,
} from "../../sync/limits.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import { MemoryMailbox } from "./memory-mailbox.ts";
import { SEPARATOR } from "./names.ts";

const roles: readonly [name: string, role: Role][] = [
	["INBOX", "inbox"],
	["Drafts", "drafts"],
	["Sent", "sent"],
	["Junk", "junk"],
	["Trash", "trash"],
	["Archive", "archive"],
];

export class MemoryAccount implements Account {
	readonly id: AccountId;
	readonly address: Address;
	readonly clock: Clock;
	modSeq = 1;
	/** Asked before each operation: what it returns is thrown. */
	fault: (operation: string) => Error | undefined = () => undefined;
	#uidValidity = 1_000;
	readonly #mailboxes = new Map<string, MemoryMailbox>();
	readonly #listeners = new Set<() => void>();
	readonly #subscriptions = new Set<string>();
	readonly #annotations = new Map<string, Map<string, string>>();
	limits: QuotaLimits = { storageBytesMax: undefined, messagesMax: undefined };

	constructor(name: string, clock: Clock) {
		this.address = address(name);
		this.id = deriveId<AccountId>(this.address);
		this.clock = clock;
		for (const [mailbox, role] of roles) {
			this.#make(mailbox, role, true);
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

	/** How many listen to the tree or to a mailbox. */
	get listeners(): number {
		let count = this.#listeners.size;
		for (const mailbox of this.#mailboxes.values()) count += mailbox.listeners;
		return count;
	}

	onChange(run: () => void): Cancel {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	#tell(): void {
		for (const run of [...this.#listeners]) run();
	}

	async watch(name: string, run: () => void): Promise<Cancel> {
		return this.mailbox(name).listen(run);
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

	async create(name: string, role?: Role): Promise<void> {
		this.check("create");
		if (this.find(name) !== undefined)
			throw new ClientFault("ALREADYEXISTS", "the mailbox exists already");
		const levels = checkedName(name).split(SEPARATOR);
		for (let depth = 1; depth <= levels.length; depth++) {
			const level = levels.slice(0, depth).join(SEPARATOR);
			if (this.find(level) === undefined)
				this.#make(level, depth === levels.length ? role : undefined);
		}
	}

	async remove(name: string): Promise<void> {
		this.check("remove");
		const mailbox = this.mailbox(name);
		if (mailbox.builtIn)
			throw new ClientFault("CANNOT", "this mailbox cannot be deleted");
		if (this.#hasChildren(mailbox.name))
			throw new ClientFault("HASCHILDREN", "it has others below it");
		this.#mailboxes.delete(mailbox.name);
		this.#annotations.delete(mailbox.id);
		mailbox.remove();
		this.#tell();
	}

	#hasChildren(name: string): boolean {
		return [...this.#mailboxes.keys()].some((other) =>
			other.startsWith(`${name}${SEPARATOR}`),
		);
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
		this.#tell();
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
		this.#tell();
	}

	async status(name: string): Promise<MailboxStatus> {
		this.check("status");
		return this.mailbox(name).status();
	}

	async select(name: string, told?: ToldElsewhere): Promise<SelectedMailbox> {
		this.check("select");
		const mailbox = this.mailbox(name);
		const view = mailbox.view();
		if (told?.uidValidity === mailbox.uidValidity) view.named(told.uid);
		return view;
	}

	messages(name: string): readonly Message[] {
		const mailbox = this.#mailboxes.get(canonical(name));
		return (mailbox?.uids() ?? []).flatMap((of) => mailbox?.get(of) ?? []);
	}

	async append(name: string, messages: readonly NewMessage[]): Promise<Placed> {
		this.check("append");
		const mailbox = this.mailbox(name);
		let bytes = 0;
		for (const { body } of messages) bytes += body.sizeBytes;
		this.checkRoom(bytes, messages.length);
		return {
			uidValidity: mailbox.uidValidity,
			uids: messages.map((message) => mailbox.add(message)),
		};
	}

	quota(): Quota {
		let storageBytes = 0;
		let messages = 0;
		for (const mailbox of this.#mailboxes.values()) {
			const status = mailbox.status();
			storageBytes += status.sizeBytes;
			messages += status.messages;
		}
		return { storageBytes, messages, ...this.limits };
	}

	checkRoom(sizeBytes: number, messages: number): void {
		const held = this.quota();
		const { storageBytesMax, messagesMax } = held;
		if (
			held.storageBytes + sizeBytes > (storageBytesMax ?? Infinity) ||
			held.messages + messages > (messagesMax ?? Infinity)
		)
			throw new ClientFault("OVERQUOTA", "the account has no room for it");
	}

	annotations(mailbox: string | undefined): ReadonlyMap<string, string> {
		return this.#annotations.get(this.#annotated(mailbox)) ?? new Map();
	}

	async annotate(
		mailbox: string | undefined,
		changes: readonly AnnotationChange[],
	): Promise<void> {
		this.check("annotate");
		const of = this.#annotated(mailbox);
		const some = new Map(this.#annotations.get(of));
		for (const { name, value } of changes) {
			if (value === undefined) some.delete(name);
			else if (value.length > METADATA_VALUE_BYTES_MAX)
				throw new ClientFault("TOOBIG", "the value is too long");
			else some.set(name, value);
		}
		this.#annotations.set(of, some);
		this.#tell();
	}

	#annotated(mailbox: string | undefined): string {
		return mailbox === undefined ? "" : this.mailbox(mailbox).id;
	}

	#make(name: string, role: Role | undefined, builtIn = false): void {
		const mailbox = new MemoryMailbox(this, name, role, ++this.#uidValidity);
		mailbox.builtIn = builtIn;
		this.#mailboxes.set(name, mailbox);
		this.#tell();
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
	if (name.split(SEPARATOR).includes("") || /[\p{Cc}*%]/u.test(name))
		throw new ClientFault("CANNOT", "no mailbox can have such a name");
	return canonical(name);
}
