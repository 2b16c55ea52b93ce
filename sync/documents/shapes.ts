/**
 * What the three kinds of documents hold, as flat keys. Written once here; nobody else spells a key.
 *
 * | document                    | key                      | value                                            |
 * |-----------------------------|--------------------------|--------------------------------------------------|
 * | `cluster`                   | `m:<node>`               | member: name, addresses, site … (JSON)           |
 * |                             | `r:<node>`               | removed for good                                 |
 * |                             | `o:<origin>:<drive>`     | incarnation: its node                            |
 * |                             | `s:<origin>`             | UID slots [lo, hi) and stamp slot (JSON)         |
 * |                             | `z:<origin>`             | this life has ended: the life that follows it    |
 * |                             | `d:<domain>`             | mail domain                                      |
 * |                             | `u:<address>`            | account id                                       |
 * |                             | `g:<account>`            | its user was removed: its mail is given back     |
 * |                             | `a:<alias>:<target>`     | alias                                            |
 * |                             | `k:secret`               | 32 random bytes that only members know (hex)     |
 * | `account:<account>`         | `p:password`             | PHC string of the password, and its SCRAM keys   |
 * |                             | `n:<mailbox>`            | name register: parent, leaf, stamp, role (JSON)  |
 * |                             | `v:<mailbox>:<n>`        | claim of UIDVALIDITY n                           |
 * |                             | `x:<mailbox>:<n>`        | deleted, as of this claim: another keeps it      |
 * |                             | `s:<hash>`               | subscribed name                                  |
 * |                             | `q:storage`, `q:message` | quota in bytes, in messages                      |
 * |                             | `t:<mailbox or ->:<name>` | annotation of a mailbox, of the account          |
 * | `segment:<mailbox>:<n>`     | `e:<entry>`              | facts (JSON), immutable                          |
 * |                             | `u:<entry>:<uid>`        | UID claim: for which body (start of its hash)    |
 * |                             | `f:<entry>:<flag>`       | flag, as it is spelt; add wins                   |
 * |                             | `x:<entry>`              | expunged; wins over all                          |
 */
import {
	type AccountId,
	type DocumentId,
	documentId,
	type EntryId,
	type MailboxId,
	type NodeId,
	type Origin,
} from "../ids.ts";
import { DIRECTORY_BUCKETS, SEGMENT_BUCKETS } from "../limits.ts";

export const CLUSTER: DocumentId = documentId("cluster");
export const accountDocument = (account: AccountId): DocumentId =>
	`account:${account}` as DocumentId;
/** The same string object as long as it is the same document: it is put together for each message of a batch. */
export function segmentDocument(
	mailbox: MailboxId,
	number: number,
): DocumentId {
	if (lastSegment.number !== number || lastSegment.mailbox !== mailbox)
		lastSegment = {
			mailbox,
			number,
			document: `segment:${mailbox}:${number}` as DocumentId,
		};
	return lastSegment.document;
}
let lastSegment: {
	readonly mailbox: MailboxId | "";
	readonly number: number;
	readonly document: DocumentId;
} = { mailbox: "", number: 0, document: "segment::0" as DocumentId };

export type DocumentKind =
	| { readonly kind: "cluster" }
	| { readonly kind: "account"; readonly account: AccountId }
	| {
			readonly kind: "segment";
			readonly mailbox: MailboxId;
			readonly segment: number;
	  };
/** Changes come many of one document after the other. */
let last: readonly [DocumentId, DocumentKind] | undefined;
export function kindOf(document: DocumentId): DocumentKind {
	if (last?.[0] !== document) last = [document, parseKind(document)];
	return last[1];
}
function parseKind(document: DocumentId): DocumentKind {
	const [kind, id, number] = document.split(":");
	if (kind === "account") return { kind, account: id as AccountId };
	if (kind === "segment")
		return { kind, mailbox: id as MailboxId, segment: Number(number) };
	return { kind: "cluster" };
}
export const bucketsOf = (document: DocumentId): number =>
	document.startsWith("segment:") ? SEGMENT_BUCKETS : DIRECTORY_BUCKETS;

type Parts = readonly [kind: string, id: string, detail: string];

/** `<kind>:<id>:<detail>` taken apart; the detail may hold anything. */
export function splitKey(key: string): Parts {
	// Most are asked for where they were just put together, and then the id is the very string that others know.
	if (key === made.key) return made.parts;
	const first = key.indexOf(":");
	const second = key.indexOf(":", first + 1);
	return second < 0
		? [key.slice(0, first), key.slice(first + 1), ""]
		: [
				key.slice(0, first),
				key.slice(first + 1, second),
				key.slice(second + 1),
			];
}

function ofEntry(kind: string, entry: EntryId, detail?: string): string {
	const start = `${kind}:${entry}`;
	const key = detail === undefined ? start : `${start}:${detail}`;
	made = { key, parts: [kind, entry, detail ?? ""] };
	return key;
}
let made: { readonly key: string; readonly parts: Parts } = {
	key: "",
	parts: ["", "", ""],
};

export const keys = {
	member: (node: NodeId) => `m:${node}`,
	removed: (node: NodeId) => `r:${node}`,
	incarnation: (origin: Origin, drive: string) => `o:${origin}:${drive}`,
	slots: (origin: Origin) => `s:${origin}`,
	ended: (origin: Origin) => `z:${origin}`,
	domain: (domain: string) => `d:${domain}`,
	user: (address: string) => `u:${address}`,
	gone: (account: AccountId) => `g:${account}`,
	alias: (alias: string, target: string) => `a:${alias}:${target}`,
	secret: "k:secret",
	password: "p:password",
	mailboxName: (mailbox: MailboxId) => `n:${mailbox}`,
	uidValidity: (mailbox: MailboxId, value: number) => `v:${mailbox}:${value}`,
	mailboxDeleted: (mailbox: MailboxId, uidValidity: number) =>
		`x:${mailbox}:${uidValidity}`,
	quota: (resource: "storage" | "message") => `q:${resource}`,
	annotation: (of: string, name: string) => `t:${of}:${name}`,
	subscription: (nameHash: string) => `s:${nameHash}`,
	facts: (entry: EntryId) => ofEntry("e", entry),
	claim: (entry: EntryId, uid: number) => ofEntry("u", entry, String(uid)),
	flag: (entry: EntryId, flag: string) =>
		ofEntry("f", entry, flag.toLowerCase()),
	expunged: (entry: EntryId) => ofEntry("x", entry),
};
