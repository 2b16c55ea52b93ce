/**
 * NOTIFY (RFC 5465): tells what a client wants to hear of, also while no command runs. What happens is only noted; one
 * `evaluate` then compares what the client was told with what is, and never while a command writes its answer.
 */
import type { Account, MailboxInfo, MailboxStatus } from "../../sync/api.ts";
import { ClientFault } from "../../sync/faults.ts";
import type { MailboxId, Uid } from "../../sync/ids.ts";
import { IMAP_NOTIFY_MAILBOXES_MAX } from "../../sync/limits.ts";
import type { Cancel } from "../../sync/ports/clock.ts";
import { Refusal } from "./answer.ts";
import type { FetchItems } from "./fetch/items.ts";
import { encodeName, SEPARATOR } from "./names.ts";
import { TreeTeller } from "./notify-tree.ts";
import { accountOf, type Session } from "./session.ts";
import { tellUnsure } from "./tell.ts";

/** Events of RFC 5465 §5 that are told here, in upper case. */
export type NotifyEvent =
	| "MESSAGENEW"
	| "MESSAGEEXPUNGE"
	| "FLAGCHANGE"
	| "MAILBOXNAME"
	| "SUBSCRIPTIONCHANGE"
	| "MAILBOXMETADATACHANGE"
	| "SERVERMETADATACHANGE";

/** Which mailboxes, and what of them (RFC 5465 §6). */
export interface EventGroup {
	readonly filter:
		| "SELECTED"
		| "SELECTED-DELAYED"
		| "INBOXES"
		| "PERSONAL"
		| "SUBSCRIBED"
		| "SUBTREE"
		| "MAILBOXES";
	/** Of SUBTREE and MAILBOXES. */
	readonly names: readonly string[];
	readonly events: ReadonlySet<NotifyEvent>;
	/** What to tell of new messages in the selected mailbox. */
	readonly items: FetchItems | undefined;
}

interface Watched {
	readonly id: MailboxId;
	name: string;
	told: MailboxStatus;
	cancel: Cancel;
}

const isSelected = ({ filter }: EventGroup): boolean =>
	filter === "SELECTED" || filter === "SELECTED-DELAYED";

export class Notifier {
	readonly #session: Session;
	readonly #account: Account;
	readonly #groups: readonly EventGroup[];
	readonly #watched = new Map<MailboxId, Watched>();
	readonly #due = new Set<MailboxId>();
	#isTreeDue = false;
	#isSelectedDue = false;
	readonly #tree: TreeTeller;
	/** A command runs, and tells by itself. */
	#isHeld = true;
	#isIdling = false;
	#isStopped = false;
	#isScheduled = false;
	#running: Promise<void> = Promise.resolve();
	#selectedId: MailboxId | undefined;
	#cancelSelected: Cancel = () => {};
	readonly #cancelTree: Cancel;

	private constructor(session: Session, groups: readonly EventGroup[]) {
		this.#session = session;
		this.#account = accountOf(session);
		this.#groups = groups;
		this.#tree = new TreeTeller(session, (event, name, id) =>
			this.#wants(event, name, id),
		);
		this.#cancelTree = this.#account.onChange(() => {
			this.#isTreeDue = true;
			this.#schedule();
		});
	}

	/** Within a command, which the caller ends with release(). Refusal NOTIFICATIONOVERFLOW. */
	static async start(
		session: Session,
		groups: readonly EventGroup[],
		tellStatus: boolean,
	): Promise<Notifier> {
		const notifier = new Notifier(session, groups);
		try {
			await notifier.#follow();
			if (tellStatus)
				for (const { name, id, told } of notifier.#watched.values()) {
					if (id === session.selected?.mailbox.id) continue;
					const items = notifier.#statusItems(notifier.#eventsOf(name, id));
					session.output.text(line(session, name, items, told));
				}
		} catch (error) {
			notifier.stop();
			throw error;
		}
		return notifier;
	}

	/** What the client wants to hear of its selected mailbox; undefined: nothing. */
	get selected(): EventGroup | undefined {
		return this.#groups.find((one) => isSelected(one) && one.events.size > 0);
	}

	/** Resolves when nothing is being told; nothing is until release(). */
	async hold(): Promise<void> {
		this.#isHeld = true;
		await this.#running;
	}

	release(): void {
		this.#isHeld = false;
		const { selected } = this.#session;
		if (selected?.mailbox.id !== this.#selectedId) {
			this.#cancelSelected();
			this.#selectedId = selected?.mailbox.id;
			this.#cancelSelected =
				selected?.mailbox.onChange(() => {
					this.#isSelectedDue = true;
					this.#schedule();
				}) ?? (() => {});
		}
		this.#isSelectedDue = true;
		this.#schedule();
	}

	/** IDLE is a command in which everything may be told (RFC 5465 §4). The caller ends it with hold(). */
	idle(isIdling: boolean): void {
		this.#isIdling = isIdling;
		if (isIdling) this.release();
	}

	/** What the client does itself it need not hear of (RFC 5465 §5): a name was made, changed or removed. */
	ownName(id: MailboxId): void {
		this.#tree.ownName(id);
	}
	ownSubscription(name: string, isSubscribed: boolean): void {
		this.#tree.ownSubscription(name, isSubscribed);
	}
	ownAnnotations(id: MailboxId | undefined, names: readonly string[]): void {
		this.#tree.ownAnnotations(id, names);
	}

	/**
	 * Messages that the client was told of by APPENDUID or COPYUID. Just these are counted as told: what others brought at
	 * the same time, and the mod-sequence, are news.
	 */
	ownArrivals(
		id: MailboxId | undefined,
		uids: readonly Uid[] | undefined,
		unseen: number,
	): void {
		const watched = id && this.#watched.get(id);
		const last = uids?.at(-1);
		if (!watched || uids === undefined || last === undefined) return;
		const { told } = watched;
		watched.told = {
			...told,
			messages: told.messages + uids.length,
			unseen: told.unseen + unseen,
			uidNext: Math.max(told.uidNext, last + 1),
		};
	}

	stop(): void {
		this.#isStopped = true;
		this.#cancelTree();
		this.#cancelSelected();
		for (const { cancel } of this.#watched.values()) cancel();
		this.#watched.clear();
	}

	/** The events of all groups that a mailbox belongs to, other than as the selected one. */
	#eventsOf(name: string, id: MailboxId): ReadonlySet<NotifyEvent> {
		const events = new Set<NotifyEvent>();
		for (const group of this.#groups)
			if (this.#belongs(group, name, id))
				for (const event of group.events) events.add(event);
		return events;
	}

	#belongs(
		{ filter, names }: EventGroup,
		name: string,
		id: MailboxId | undefined,
	): boolean {
		if (filter === "PERSONAL") return true;
		if (filter === "SUBSCRIBED")
			return this.#account.subscriptions().includes(name);
		// Mail is delivered to INBOX alone.
		if (filter === "INBOXES")
			return id !== undefined && this.#account.find("INBOX")?.id === id;
		if (filter === "MAILBOXES") return names.includes(name);
		return (
			filter === "SUBTREE" &&
			names.some((one) => name === one || name.startsWith(`${one}${SEPARATOR}`))
		);
	}

	/** Watches the mailboxes that are to be watched now. */
	async #follow(): Promise<void> {
		const wanted = this.#account
			.mailboxes()
			.filter(({ name, id }) => this.#eventsOf(name, id).has("MESSAGENEW"));
		if (wanted.length > IMAP_NOTIFY_MAILBOXES_MAX)
			throw new Refusal(
				"NO",
				"NOTIFICATIONOVERFLOW",
				"Too many mailboxes to watch",
			);
		const ids = new Set(wanted.map(({ id }) => id));
		for (const [id, { cancel }] of this.#watched)
			if (!ids.has(id)) {
				cancel();
				this.#watched.delete(id);
			}
		for (const info of wanted) await this.#watch(info);
	}

	async #watch({ id, name }: MailboxInfo): Promise<void> {
		const known = this.#watched.get(id);
		if (known !== undefined) {
			known.name = name;
			return;
		}
		try {
			const cancel = await this.#account.watch(name, () => {
				this.#due.add(id);
				this.#schedule();
			});
			const told = await this.#account.status(name);
			if (this.#isStopped) cancel();
			else this.#watched.set(id, { id, name, told, cancel });
		} catch (error) {
			// It has just gone: the tree will say so.
			if (!(error instanceof ClientFault)) throw error;
		}
	}

	#schedule(): void {
		if (this.#isHeld || this.#isScheduled || this.#isStopped) return;
		this.#isScheduled = true;
		setImmediate(() => {
			this.#isScheduled = false;
			if (this.#isHeld || this.#isStopped) return;
			this.#running = this.#running
				.then(() => this.#evaluate())
				.catch((error) => this.#failed(error));
		});
	}

	#failed(error: unknown): void {
		if (error instanceof Refusal) {
			// RFC 5465 §5.8
			this.#session.output.text(
				"* OK [NOTIFICATIONOVERFLOW] Too many mailboxes to watch\r\n",
			);
			this.#session.output.flush();
			this.#session.notify(new Notifier(this.#session, []));
			return;
		}
		this.#session.input.interrupt(
			error instanceof Error ? error : new Error(String(error)),
		);
	}

	/** Tells all that is due. */
	async #evaluate(): Promise<void> {
		if (this.#isTreeDue) await this.#tellTree();
		for (const id of [...this.#due]) {
			this.#due.delete(id);
			if (this.#isStopped) return;
			await this.#tellStatus(id);
		}
		if (this.#isSelectedDue) {
			this.#isSelectedDue = false;
			const isDelayed = this.selected?.filter === "SELECTED-DELAYED";
			// The client's next command may be on its way already.
			await tellUnsure(this.#session, !isDelayed || this.#isIdling);
		}
		this.#session.output.flush();
	}

	async #tellStatus(id: MailboxId): Promise<void> {
		const watched = this.#watched.get(id);
		// Of the selected one the client hears in another way (RFC 5465 §3.1).
		if (watched === undefined || id === this.#session.selected?.mailbox.id)
			return;
		const { name, told } = watched;
		if (this.#account.find(name)?.id !== id) return;
		const now = await this.#account.status(name);
		watched.told = now;
		const items = this.#changedItems(this.#eventsOf(name, id), told, now);
		if (items.length > 0 && !this.#isStopped)
			this.#session.output.text(line(this.#session, name, items, now));
	}

	/** RFC 5465 §5.1 to §5.3 */
	#changedItems(
		events: ReadonlySet<NotifyEvent>,
		told: MailboxStatus,
		now: MailboxStatus,
	): StatusItem[] {
		const { condstore } = this.#session;
		const items: StatusItem[] = [];
		if (told.messages !== now.messages || told.uidNext !== now.uidNext)
			items.push("MESSAGES", "UIDNEXT", "UIDVALIDITY");
		else if (!events.has("FLAGCHANGE")) return [];
		if (events.has("FLAGCHANGE") && told.unseen !== now.unseen)
			items.push("UNSEEN");
		if (condstore && told.highestModSeq !== now.highestModSeq)
			items.push("HIGHESTMODSEQ");
		if (items.length > 0 && !items.includes("UIDVALIDITY"))
			items.push("UIDVALIDITY");
		return items;
	}

	/** RFC 5465 §3.1: what the first STATUS holds. */
	#statusItems(events: ReadonlySet<NotifyEvent>): StatusItem[] {
		const items: StatusItem[] = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"];
		if (events.has("FLAGCHANGE")) items.push("UNSEEN");
		if (events.has("FLAGCHANGE") || this.#session.condstore)
			items.push("HIGHESTMODSEQ");
		return items;
	}

	/** Of the account itself (`name` undefined) every group may speak. */
	#wants(
		event: NotifyEvent,
		name: string | undefined,
		id: MailboxId | undefined,
	): boolean {
		return this.#groups.some(
			(group) =>
				group.events.has(event) &&
				(name === undefined || this.#belongs(group, name, id)),
		);
	}

	async #tellTree(): Promise<void> {
		this.#isTreeDue = false;
		this.#tree.tell();
		await this.#follow();
	}
}

type StatusItem =
	| "MESSAGES"
	| "UIDNEXT"
	| "UIDVALIDITY"
	| "UNSEEN"
	| "HIGHESTMODSEQ";

const values: Readonly<Record<StatusItem, (of: MailboxStatus) => number>> = {
	MESSAGES: (of) => of.messages,
	UIDNEXT: (of) => of.uidNext,
	UIDVALIDITY: (of) => of.uidValidity,
	UNSEEN: (of) => of.unseen,
	HIGHESTMODSEQ: (of) => of.highestModSeq,
};

const line = (
	session: Session,
	name: string,
	items: readonly StatusItem[],
	status: MailboxStatus,
): string =>
	`* STATUS ${encodeName(name, session)} (${items
		.map((item) => `${item} ${values[item](status)}`)
		.join(" ")})\r\n`;
