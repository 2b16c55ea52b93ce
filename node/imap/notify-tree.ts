/** What NOTIFY tells of the account itself: names, subscriptions and annotations (RFC 5465 §5.4 to §5.7). */
import type { MailboxId } from "../../sync/ids.ts";
import { goneLine, hasChildren, listLine } from "./list-line.ts";
import { encodeName, octetsOfName, SEPARATOR } from "./names.ts";
import type { NotifyEvent } from "./notify.ts";
import { accountOf, type Session } from "./session.ts";

type Wants = (
	event: NotifyEvent,
	name: string | undefined,
	id: MailboxId | undefined,
) => boolean;
type Tree = ReadonlyMap<MailboxId, string>;
type Annotations = ReadonlyMap<string, string>;

/** Knows what the client was told, and tells how it differs from what is. */
export class TreeTeller {
	readonly #session: Session;
	readonly #wants: Wants;
	#tree: Tree;
	#subscribed: ReadonlySet<string>;
	/** By mailbox; undefined: those of the account. Copies, only where the client wants to hear of them. */
	#annotations: ReadonlyMap<MailboxId | undefined, Annotations>;

	constructor(session: Session, wants: Wants) {
		this.#session = session;
		this.#wants = wants;
		this.#tree = this.#treeNow();
		this.#subscribed = new Set(accountOf(session).subscriptions());
		this.#annotations = this.#annotationsNow();
	}

	/** The client did this itself and need not hear of it (RFC 5465 §5), and so the next two. */
	ownName(id: MailboxId): void {
		const tree = new Map(this.#tree);
		const now = this.#treeNow().get(id);
		if (now === undefined) tree.delete(id);
		else tree.set(id, now);
		this.#tree = tree;
	}

	ownSubscription(name: string, isSubscribed: boolean): void {
		const subscribed = new Set(this.#subscribed);
		if (isSubscribed) subscribed.add(name);
		else subscribed.delete(name);
		this.#subscribed = subscribed;
	}

	ownAnnotations(id: MailboxId | undefined, names: readonly string[]): void {
		const told = this.#annotations.get(id);
		if (told === undefined) return;
		const mailbox = id === undefined ? undefined : this.#tree.get(id);
		const now = accountOf(this.#session).annotations(mailbox);
		const annotations = new Map(told);
		for (const name of names) {
			const value = now.get(name);
			if (value === undefined) annotations.delete(name);
			else annotations.set(name, value);
		}
		this.#annotations = new Map(this.#annotations).set(id, annotations);
	}

	tell(): void {
		const before = this.#tree;
		const subscribedBefore = this.#subscribed;
		this.#tree = this.#treeNow();
		this.#subscribed = new Set(accountOf(this.#session).subscriptions());
		this.#tellNames(before);
		for (const name of this.#subscribed)
			if (!subscribedBefore.has(name)) this.#tellSubscription(name, true);
		for (const name of subscribedBefore)
			if (!this.#subscribed.has(name)) this.#tellSubscription(name, false);
		const annotations = this.#annotations;
		this.#annotations = this.#annotationsNow();
		for (const [id, now] of this.#annotations)
			this.#tellAnnotations(id, annotations.get(id), now);
	}

	#treeNow(): Map<MailboxId, string> {
		const mailboxes = accountOf(this.#session).mailboxes();
		return new Map(mailboxes.map(({ id, name }) => [id, name]));
	}

	#annotationsNow(): Map<MailboxId | undefined, Annotations> {
		const account = accountOf(this.#session);
		const all = new Map<MailboxId | undefined, Annotations>();
		if (this.#wants("SERVERMETADATACHANGE", undefined, undefined))
			all.set(undefined, new Map(account.annotations(undefined)));
		for (const [id, name] of this.#tree)
			if (this.#wants("MAILBOXMETADATACHANGE", name, id))
				all.set(id, new Map(account.annotations(name)));
		return all;
	}

	#tellNames(before: Tree): void {
		const { output } = this.#session;
		const affected = new Set<string>();
		for (const [id, name] of this.#tree) {
			const old = before.get(id);
			if (old === name || !this.#wants("MAILBOXNAME", name, id)) continue;
			// What is below a renamed mailbox goes along without a word.
			if (old !== undefined && this.#movedAlong(old, name, before)) continue;
			this.#tellName(name, old ?? name);
			if (old === undefined) affected.add(parentOf(name));
		}
		for (const [id, name] of before) {
			if (this.#tree.has(id) || !this.#wants("MAILBOXNAME", name, id)) continue;
			if (accountOf(this.#session).find(name) !== undefined) continue;
			output.text(goneLine(this.#session, name));
			affected.add(parentOf(name));
		}
		for (const name of affected)
			if ([...before.values()].includes(name)) this.#tellName(name, name);
	}

	#tellName(name: string, old: string): void {
		const info = accountOf(this.#session).find(name);
		if (info === undefined) return;
		const octets = octetsOfName(old, this.#session);
		this.#session.output.text(listLine(this.#session, info, octets));
	}

	/** Its name changed because that of a mailbox above it did. */
	#movedAlong(old: string, name: string, before: Tree): boolean {
		const above = parentOf(old);
		if (above === "" || leafOf(old) !== leafOf(name)) return false;
		for (const [id, was] of before)
			if (was === above) return this.#tree.get(id) === parentOf(name);
		return false;
	}

	#tellSubscription(name: string, isSubscribed: boolean): void {
		const info = accountOf(this.#session).find(name);
		if (!this.#wants("SUBSCRIPTIONCHANGE", name, info?.id)) return;
		const attributes = [
			...(info === undefined ? ["\\NonExistent"] : []),
			...(isSubscribed ? ["\\Subscribed"] : []),
			hasChildren(this.#session, name) ? "\\HasChildren" : "\\HasNoChildren",
		];
		this.#session.output.text(
			`* LIST (${attributes.join(" ")}) "${SEPARATOR}" ${encodeName(name, this.#session)}\r\n`,
		);
	}

	/** The names of those that changed (RFC 5464 §4.4.2). */
	#tellAnnotations(
		id: MailboxId | undefined,
		before: Annotations | undefined,
		now: Annotations,
	): void {
		if (before === undefined) return;
		const names = [...new Set([...before.keys(), ...now.keys()])]
			.filter((name) => before.get(name) !== now.get(name))
			.sort();
		const mailbox = id === undefined ? undefined : this.#tree.get(id);
		if (names.length === 0) return;
		const of =
			mailbox === undefined ? '""' : encodeName(mailbox, this.#session);
		this.#session.output.text(`* METADATA ${of} ${names.join(" ")}\r\n`);
	}
}

const parentOf = (name: string): string =>
	name.slice(0, Math.max(0, name.lastIndexOf(SEPARATOR)));
const leafOf = (name: string): string =>
	name.slice(name.lastIndexOf(SEPARATOR) + 1);
