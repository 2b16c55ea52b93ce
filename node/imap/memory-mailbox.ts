/** One mailbox of the memory twin of an account, and the view of it that a session holds. */
import type {
	FlagChange,
	MailboxStatus,
	Message,
	NewMessage,
	Placed,
	Role,
	SelectedMailbox,
} from "../../sync/api.ts";
import { ClientFault } from "../../sync/faults.ts";
import {
	deriveId,
	type EntryId,
	type MailboxId,
	modSeq,
	type Uid,
	type UidRange,
	uid,
} from "../../sync/ids.ts";
import { KEYWORDS_MAX } from "../../sync/limits.ts";
import { without } from "../../sync/ranges.ts";
import { applyChange } from "./flags.ts";
import type { MemoryAccount } from "./memory.ts";

/** Changes that a session can lag behind before it must compare everything. */
const TOUCHED_MAX = 1_000;

/** One mailbox; `view()` gives what a session holds. */
export class MemoryMailbox {
	readonly id: MailboxId;
	readonly role: Role | undefined;
	readonly uidValidity: number;
	name: string;
	gone = false;
	/** Made with the account: it cannot be deleted. */
	builtIn = false;
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

	store(
		uids: readonly Uid[],
		change: FlagChange,
		unchangedSince = Number.POSITIVE_INFINITY,
	): readonly Uid[] {
		const modified: Uid[] = [];
		for (const of of uids) {
			const message = this.#messages.get(of);
			if (message === undefined) continue;
			if (message.modSeq > unchangedSince) {
				modified.push(of);
				continue;
			}
			const flags = applyChange(message.flags, change);
			if (flags.length > KEYWORDS_MAX)
				throw new ClientFault("LIMIT", "too many keywords on one message");
			this.#put({ ...message, flags, modSeq: this.#account.nextModSeq() });
		}
		return modified;
	}

	expunge(uids: readonly Uid[]): void {
		for (const of of uids)
			if (this.#messages.delete(of)) {
				this.#account.nextModSeq();
				this.#touch(of);
			}
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

	get listeners(): number {
		return this.#listeners.size;
	}

	listen(run: () => void): () => void {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	status(): MailboxStatus {
		const messages = [...this.#messages.values()];
		const count = (test: (message: Message) => boolean) =>
			messages.filter(test).length;
		const size = (of: readonly Message[]) =>
			of.reduce((sum, { body }) => sum + body.sizeBytes, 0);
		return {
			messages: messages.length,
			unseen: count(({ flags }) => !flags.includes("\\Seen")),
			deleted: count(({ flags }) => flags.includes("\\Deleted")),
			sizeBytes: size(messages),
			deletedBytes: size(
				messages.filter(({ flags }) => flags.includes("\\Deleted")),
			),
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
	flagsOf(of: Uid) {
		return this.#mailbox.get(of)?.flags;
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
	async named(number: number) {
		this.#mailbox.named = Math.max(this.#mailbox.named, number);
	}

	async tokenNamed(): Promise<void> {
		// One node gives all mod-sequences here: a client can name none that it has not given.
	}
	changedSince(token: number) {
		return this.uids().filter((of) => (this.get(of)?.modSeq ?? 0) > token);
	}
	vanished(known?: readonly UidRange[]) {
		return without(known ?? [[1, this.uidNext - 1]], this.uids());
	}

	async store(
		uids: readonly Uid[],
		change: FlagChange,
		unchangedSince?: number,
	): Promise<readonly Uid[]> {
		this.#account.check("store");
		return this.#mailbox.store(uids, change, unchangedSince);
	}

	async expunge(uids: readonly Uid[]): Promise<void> {
		this.#account.check("expunge");
		this.#mailbox.expunge(uids);
	}

	async copy(
		uids: readonly Uid[],
		target: string,
		mayGrow = true,
	): Promise<Placed & { readonly from: readonly Uid[] }> {
		this.#account.check("copy");
		const to = this.#account.mailbox(target);
		const live = uids.filter((of) => this.#mailbox.get(of) !== undefined);
		let bytes = 0;
		for (const of of live) bytes += this.#mailbox.get(of)?.body.sizeBytes ?? 0;
		if (mayGrow) this.#account.checkRoom(bytes, live.length);
		const placed = live.map((of) => {
			const message = this.#mailbox.get(of);
			if (message === undefined) throw new Error("no such message");
			return to.add(message);
		});
		return { uidValidity: to.uidValidity, uids: placed, from: live };
	}

	async move(uids: readonly Uid[], target: string) {
		const placed = await this.copy(uids, target, false);
		this.#mailbox.expunge(placed.from);
		return placed;
	}

	async replace(of: Uid, target: string, message: NewMessage) {
		this.#account.check("replace");
		const to = this.#account.mailbox(target);
		if (this.#mailbox.get(of) === undefined)
			throw new ClientFault("CANNOT", "the message has gone");
		const uids = [to.add(message)];
		this.#mailbox.expunge([of]);
		return { uidValidity: to.uidValidity, uids };
	}

	release(): void {
		for (const cancel of this.#cancels) cancel();
	}
}
