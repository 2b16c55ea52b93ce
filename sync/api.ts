/**
 * What node/ sees of sync/: a replica with a directory of accounts, and accounts with mailboxes. Types only. The IMAP
 * and SMTP servers are written against these, and tested on the memory twin in node/imap/memory.ts.
 *
 * Promises of writing calls resolve when the change is durable here and on one more member, if any can be reached
 * (mailbox-consistency rule 7). They reject with ClientFault or Temporary (faults.ts); then nothing was acknowledged.
 */
import type {
	AccountId,
	Address,
	EntryId,
	MailboxId,
	Milliseconds,
	ModSeq,
	NodeId,
	Origin,
	Uid,
	UidRange,
} from "./ids.ts";
import type { Bodies, BodyRef } from "./ports/bodies.ts";
import type { Cancel } from "./ports/clock.ts";
import type { PeerState } from "./ports/network.ts";

/** Special-use of a mailbox (RFC 6154), or INBOX. */
export type Role = "inbox" | "drafts" | "sent" | "junk" | "trash" | "archive";

export interface MailboxInfo {
	readonly id: MailboxId;
	/** Full name, levels separated by "/"; the inbox is "INBOX". Unicode, NFC. */
	readonly name: string;
	readonly role: Role | undefined;
	readonly subscribed: boolean;
}

/** One message as clients of this node see it. Changes come as new objects. */
export interface Message {
	readonly uid: Uid;
	readonly entry: EntryId;
	readonly modSeq: ModSeq;
	/** IMAP flags and keywords, sorted, without \Recent. Compare keywords without case. */
	readonly flags: readonly string[];
	readonly internalDateMilliseconds: Milliseconds;
	/** When it came into this mailbox (RFC 8514). */
	readonly savedMilliseconds: Milliseconds;
	readonly body: BodyRef;
}

export interface MailboxStatus {
	readonly messages: number;
	readonly unseen: number;
	readonly deleted: number;
	readonly sizeBytes: number;
	/** Of those with \Deleted (RFC 9208 §4.1.4). */
	readonly deletedBytes: number;
	readonly uidNext: number;
	readonly uidValidity: number;
	readonly highestModSeq: number;
}

/** What an account may hold; undefined: as much as it likes. */
export interface QuotaLimits {
	readonly storageBytesMax: number | undefined;
	readonly messagesMax: number | undefined;
}
/** And what it holds: all live messages in all its mailboxes. */
export interface Quota extends QuotaLimits {
	readonly storageBytes: number;
	readonly messages: number;
}

/** An annotation (RFC 5464): a name such as `/private/comment` in lower case, and octets as latin1; undefined removes. */
export interface AnnotationChange {
	readonly name: string;
	readonly value: string | undefined;
}

export type FlagChange = {
	readonly mode: "add" | "remove" | "replace";
	readonly flags: readonly string[];
};

export interface NewMessage {
	readonly body: BodyRef;
	readonly flags: readonly string[];
	/** Default: now. */
	readonly internalDateMilliseconds?: Milliseconds | undefined;
}

/** Where messages went. `uids` is undefined when the numberer did not answer in time; the messages are safe. */
export interface Placed {
	readonly uidValidity: number;
	readonly uids: readonly Uid[] | undefined;
}

/**
 * A mailbox that a session looks at, live. Synchronous reads show one moment: what clients of this node may be told.
 * A session keeps what its client knows and tells it the difference.
 */
export interface SelectedMailbox {
	readonly id: MailboxId;
	readonly uidValidity: number;
	/** Also what the client is told as UIDNEXT: E + 1 (rule 6). */
	readonly uidNext: number;
	readonly highestModSeq: ModSeq;
	/** Live UIDs, ascending. The array is never changed; a new one comes when the mailbox changes. */
	uids(): readonly Uid[];
	get(uid: Uid): Message | undefined;
	/** Its flags alone, for who looks through all: mostly the same array for the same flags. */
	flagsOf(uid: Uid): readonly string[] | undefined;
	/** The same as get(), but also by a UID that was replaced by renumbering (rule 6: a UID named singly still acts). */
	resolve(uid: Uid): Message | undefined;
	/** Moves on with each change. */
	readonly cursor: number;
	/** UIDs that appeared, changed or went since `cursor`, or "all" when that is too long ago: then compare everything. */
	touchedSince(cursor: number): readonly Uid[] | "all";
	/** Runs after a change became visible (it is durable by then). May be called often; do little. */
	onChange(run: () => void): Cancel;
	/** Tells that the mailbox itself is gone (deleted, or its UIDVALIDITY changed): the session must end or unselect. */
	readonly gone: boolean;
	/** Rule 8: a client named this UID (of `a:*`: a-1), so some node told it. Resolves when it has had its effect. */
	named(uid: number): Promise<void>;
	/**
	 * Rule 8: a client named this mod-sequence (QRESYNC, CHANGEDSINCE, UNCHANGEDSINCE), so some node told it. Resolves when
	 * `highestModSeq` is above it, if it can be believed: wait for that before HIGHESTMODSEQ is told.
	 */
	tokenNamed(token: number): Promise<void>;
	/** Rule 13: live UIDs, ascending, with a change that a client need not know which was told `token` by any node. */
	changedSince(token: number): readonly Uid[];
	/**
	 * Rule 15: which of the UIDs that a client knows (default 1 to E) are no messages here any more, ascending and
	 * disjoint; may span numbers never used. RFC 7162 §3.2.10.
	 */
	vanished(known?: readonly UidRange[]): readonly UidRange[];

	/**
	 * UIDs that are not live (any more) are passed over. With `unchangedSince` (RFC 7162 §3.1.3) messages that have a
	 * change the client need not know (rule 14, judged within the commit) are left alone. Resolves to the UIDs of those.
	 */
	store(
		uids: readonly Uid[],
		change: FlagChange,
		unchangedSince?: number,
	): Promise<readonly Uid[]>;
	expunge(uids: readonly Uid[]): Promise<void>;
	/** Pairs of old and new UID, for COPYUID; `uids` as in Placed. Target by full name; ClientFault NONEXISTENT. */
	copy(
		uids: readonly Uid[],
		target: string,
	): Promise<Placed & { readonly from: readonly Uid[] }>;
	move(
		uids: readonly Uid[],
		target: string,
	): Promise<Placed & { readonly from: readonly Uid[] }>;
	/**
	 * Appends the message to the mailbox of this name and expunges `uid` here, in one step (RFC 8508). ClientFault
	 * NONEXISTENT: no such mailbox; CANNOT: the message has gone.
	 */
	replace(uid: Uid, target: string, message: NewMessage): Promise<Placed>;
	release(): void;
}

/** What a client says it was told of a mailbox, by whatever node (rule 8). */
export interface ToldElsewhere {
	readonly uidValidity: number;
	/** The largest UID; 0: none. */
	readonly uid: number;
	readonly modSeq: number;
}

/** One account, for one user's session. Names are full names as in MailboxInfo; "inbox" in any case is INBOX. */
export interface Account {
	readonly id: AccountId;
	readonly address: Address;
	/** Runs after the tree of mailboxes, or what is subscribed to, has changed. */
	onChange(run: () => void): Cancel;
	/**
	 * Runs after status() of this mailbox has changed. Until it is cancelled, what may be shown there is shown at once.
	 * ClientFault NONEXISTENT.
	 */
	watch(name: string, run: () => void): Promise<Cancel>;
	mailboxes(): readonly MailboxInfo[];
	/** Names that are subscribed to, also of mailboxes that do not exist (RFC 9051 §6.3.7). */
	subscriptions(): readonly string[];
	find(name: string): MailboxInfo | undefined;
	/** Creates missing parents too. A role besides those that every account has (RFC 6154 §3). */
	create(name: string, role?: Exclude<Role, "inbox">): Promise<void>;
	remove(name: string): Promise<void>;
	/** Children go along. Renaming INBOX moves its messages into a new mailbox (RFC 9051 §6.3.6). */
	rename(from: string, to: string): Promise<void>;
	subscribe(name: string, on: boolean): Promise<void>;
	status(name: string): Promise<MailboxStatus>;
	/**
	 * Catches up with the reachable members first, for a bounded time, and takes note of what the client was told of the
	 * mailbox, if it is still this one (rule 8); then shows what may be shown.
	 */
	select(name: string, told?: ToldElsewhere): Promise<SelectedMailbox>;
	/** ClientFault OVERQUOTA when there is no room, as for copies too. */
	append(name: string, messages: readonly NewMessage[]): Promise<Placed>;
	/** What a mailbox shows now, ascending by UID, for caches: nobody is told anything by it. Empty: no such mailbox. */
	messages(name: string): readonly Message[];
	quota(): Quota;
	/** Throws ClientFault OVERQUOTA when so much more does not fit now. */
	checkRoom(sizeBytes: number, messages: number): void;
	/** Annotations of a mailbox (ClientFault NONEXISTENT), or of the account itself. */
	annotations(mailbox: string | undefined): ReadonlyMap<string, string>;
	/** All or none: ClientFault TOOBIG for a value, LIMIT for too many, CANNOT for a name. */
	annotate(
		mailbox: string | undefined,
		changes: readonly AnnotationChange[],
	): Promise<void>;
}

export interface Delivery {
	readonly body: BodyRef;
	readonly recipients: readonly AccountId[];
	/**
	 * Names the transaction for merging retries: hash over envelope and content as the client sent it, without what this
	 * node added. Equal keys within one mailbox are one message, unless the earlier one is known to have been confirmed.
	 */
	readonly transaction: string;
	readonly internalDateMilliseconds?: Milliseconds;
}

export interface User {
	readonly address: Address;
	readonly account: AccountId;
}

/** Domains, users and aliases of the cluster. Reads are from memory. */
export interface Directory {
	domains(): readonly string[];
	isLocalDomain(domain: string): boolean;
	addDomain(domain: string): Promise<void>;
	removeDomain(domain: string): Promise<void>;
	users(): readonly User[];
	addUser(
		address: Address,
		passwordHash: string,
		options: { createDomain: boolean },
	): Promise<AccountId>;
	removeUser(address: Address): Promise<void>;
	setPasswordHash(address: Address, passwordHash: string): Promise<void>;
	passwordHash(account: AccountId): string | undefined;
	quota(account: AccountId): Quota;
	/** Whether one more message of this size fits into the account now. */
	hasRoom(account: AccountId, sizeBytes: number): boolean;
	setQuota(address: Address, limits: QuotaLimits): Promise<void>;
	/** Known to all members and nobody else; undefined before the first user is added. */
	secret(): Uint8Array | undefined;
	aliases(): readonly { readonly alias: Address; readonly target: Address }[];
	/** A second target makes a list of both. */
	addAlias(alias: Address, target: Address): Promise<void>;
	removeAlias(alias: Address): Promise<void>;
	/** The accounts that mail for this address goes to; empty: no such recipient. */
	lookup(address: Address): readonly AccountId[];
	/** The user of exactly this address (no aliases), for login. */
	user(address: Address): User | undefined;
}

export interface PeerReport {
	readonly id: NodeId;
	readonly name: string;
	readonly state: PeerState | "draining";
	readonly rttMilliseconds: number | undefined;
	/** False while it joins, or its disk is full, as far as it is known here: nobody waits for its copies. */
	readonly isWaitedFor: boolean;
	/** False while nothing of it ever came here: it was admitted, and may not have heard of it. */
	readonly hasCome: boolean;
	/** Changes that this node has and the peer, as far as known here, has not durably. */
	readonly missingChanges: number;
	readonly missingBodies: number;
	/** Why it takes no more changes of this node, as it says; only where it does not. */
	readonly refuses?: string;
}

/** The slow scrub through all bodies and documents. */
export interface ScrubReport {
	/** When this round began (wall clock), and when the last one ended. */
	readonly sinceMilliseconds: Milliseconds;
	readonly lastRoundMilliseconds: Milliseconds | undefined;
	/** Of this round: bodies read, faults found, and how many of them were mended. */
	readonly bodies: number;
	readonly found: number;
	readonly mended: number;
}

export interface ReplicaReport {
	readonly cluster: string;
	readonly node: NodeId;
	readonly origin: Origin;
	readonly members: number;
	readonly up: number;
	readonly converged: boolean;
	readonly peers: readonly PeerReport[];
	readonly accounts: number;
	readonly messages: number;
	readonly bodiesWithTooFewCopies: number;
	/** Bodies that entries name and that have not arrived here yet. */
	readonly missingBodies: number;
	/** Those that no member has: they come only with a member that returns, or from a backup. */
	readonly lostBodies: number;
	readonly scrub: ScrubReport;
}

/** What a long operation of an operator (check, backup, restore) tells as it goes. Texts are one line each, for people. */
export type OperationEvent =
	/** Units differ by stage; `total` is 0 where it is not known. */
	| {
			readonly kind: "progress";
			readonly stage: string;
			readonly done: number;
			readonly total: number;
	  }
	/** `todo`: what to do about it, or how it was mended. */
	| {
			readonly kind: "problem";
			readonly what: string;
			readonly todo: string;
			readonly mended: boolean;
	  }
	/** Nothing wrong, but what was seen is less than all. */
	| { readonly kind: "note"; readonly text: string };

export interface CheckOptions {
	/** Mends what can be mended. */
	readonly repair: boolean;
	readonly tell: (event: OperationEvent) => void;
	/** Ends the check; it then rejects with the signal's reason. */
	readonly signal: AbortSignal;
}

export interface CheckResult {
	/** What is wrong now: without what was mended. */
	readonly problems: number;
	readonly mended: number;
}

export interface Replica {
	readonly node: NodeId;
	readonly directory: Directory;
	readonly bodies: Bodies;
	account(id: AccountId): Account | undefined;
	/**
	 * Resolves when the mail is in each recipient's INBOX on `--copies` members. Rejects with Temporary (451), or ClientFault
	 * OVERQUOTA: to none when its only recipient has no room for it, or one of several has none at all.
	 */
	deliver(delivery: Delivery): Promise<void>;
	/** The client has seen the 250 of this transaction: the same again is a new message. */
	confirm(transaction: string): void;
	/** There and back over the line to the nearest members that are enough for the wanted copies; 0 where unknown. */
	wayMilliseconds(): Milliseconds;
	report(): ReplicaReport;
	/** Anything in report() may have changed. */
	onReport(run: () => void): Cancel;
	/** One join link for one node (a single line). */
	invite(ttlMilliseconds: Milliseconds): Promise<string>;
	remove(node: string): Promise<void>;
	/** Looks at all that this node holds, against itself and its peers, while it serves. */
	check(options: CheckOptions): Promise<CheckResult>;
	/** Finishes what is acknowledged, then closes store, bodies and network. */
	stop(): Promise<void>;
}
