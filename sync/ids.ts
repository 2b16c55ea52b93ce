/**
 * Branded types and the only functions that make them. A function that takes a `Uid` cannot be given a sequence number
 * by mistake. Nothing here imports anything of ours.
 */
import { createHash, hash as hashOf } from "node:crypto";

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** libp2p peer id of a node, e.g. `12D3Koo…`. Stays the same over incarnations. */
export type NodeId = Branded<string, "NodeId">;
/** One incarnation of a node: 16 lower-case hex digits. All its changes are numbered 1, 2, 3… without gaps. */
export type Origin = Branded<string, "Origin">;
/** Number of a change within its origin, from 1. */
export type Sequence = Branded<number, "Sequence">;
/** `cluster`, `account:<AccountId>` or `segment:<MailboxId>:<n>`. */
export type DocumentId = Branded<string, "DocumentId">;
/** 22 characters of base64url: 128 bits. */
export type AccountId = Branded<string, "AccountId">;
/** 22 characters of base64url: 128 bits. */
export type MailboxId = Branded<string, "MailboxId">;
/** One message in one mailbox: 22 characters of base64url. A copy elsewhere is another entry with the same body. */
export type EntryId = Branded<string, "EntryId">;
/** SHA-256 of a message body, 64 lower-case hex digits. */
export type BodyHash = Branded<string, "BodyHash">;
/** IMAP unique identifier, 1 … 2^32-1 (RFC 9051 §2.3.1.1). */
export type Uid = Branded<number, "Uid">;
/** Mod-sequence, 1 … 2^53-1 (RFC 7162 §3.1): c * 1024 + stamp slot of its giver. */
export type ModSeq = Branded<number, "ModSeq">;
/** Full, normalised mail address: lower-case domain, lower-case local part. */
export type Address = Branded<string, "Address">;
/** Milliseconds since 1970 (wall clock) or since an arbitrary start (monotonic). */
export type Milliseconds = number;

export class BadId extends Error {
	override name = "BadId";
}

const pattern = <T extends string>(
	what: string,
	test: RegExp,
	text: string,
): T => {
	if (!test.test(text))
		throw new BadId(`not ${what}: ${JSON.stringify(text.slice(0, 80))}`);
	return text as T;
};

const base64url128 = /^[A-Za-z0-9_-]{22}$/;
export const nodeId = (text: string): NodeId =>
	pattern("a node id", /^[A-Za-z0-9]{20,80}$/, text);
/** There are few, and each vector that comes names all. */
const originsSeen = new Set<string>();
const ORIGINS_SEEN_MAX = 1_000;
export function origin(text: string): Origin {
	if (originsSeen.has(text)) return text as Origin;
	const found = pattern<Origin>("an origin", /^[0-9a-f]{16}$/, text);
	if (originsSeen.size >= ORIGINS_SEEN_MAX) originsSeen.clear();
	originsSeen.add(found);
	return found;
}
export const accountId = (text: string): AccountId =>
	pattern("an account id", base64url128, text);
export const mailboxId = (text: string): MailboxId =>
	pattern("a mailbox id", base64url128, text);
export const entryId = (text: string): EntryId =>
	pattern("an entry id", base64url128, text);
export const bodyHash = (text: string): BodyHash =>
	pattern("a body hash", /^[0-9a-f]{64}$/, text);
export const documentId = (text: string): DocumentId =>
	pattern("a document id", /^[a-z]{3,10}(:[A-Za-z0-9_-]{1,60}){0,2}$/, text);

const integer = <T extends number>(
	what: string,
	value: number,
	max: number,
): T => {
	if (!Number.isSafeInteger(value) || value < 1 || value > max)
		throw new BadId(`not ${what}: ${value}`);
	return value as T;
};
export const UID_MAX = 0xffff_ffff;
/** The highest that is ever given or believed: UIDNEXT is one, too. */
export const UID_GIVEN_MAX = UID_MAX - 1;
export const sequence = (value: number): Sequence =>
	integer("a sequence number", value, Number.MAX_SAFE_INTEGER);
export const uid = (value: number): Uid => integer("a UID", value, UID_MAX);
export const modSeq = (value: number): ModSeq =>
	integer("a mod-sequence", value, Number.MAX_SAFE_INTEGER);

/** 128 bits of SHA-256 over the parts, as an id. Parts are length-prefixed, so ("ab","c") and ("a","bc") differ. */
export function deriveId<T extends AccountId | MailboxId | EntryId>(
	...parts: readonly (string | Uint8Array)[]
): T {
	const text = joined(parts);
	// At once: a third of what it takes step by step.
	if (text !== undefined)
		return base64url(hashOf("sha256", text, "buffer")) as T;
	const hash = createHash("sha256");
	for (const part of parts) hash.update(`${part.length}:`).update(part);
	return base64url(hash.digest()) as T;
}
function joined(parts: readonly (string | Uint8Array)[]): string | undefined {
	let text = "";
	for (const part of parts) {
		if (typeof part !== "string") return undefined;
		text += `${part.length}:${part}`;
	}
	return text;
}
const base64url = (digest: Buffer): string =>
	digest.toString("base64url", 0, 16);

/**
 * `User@Example.ORG` → `user@example.org`. Local parts are compared without case, as every large host does.
 * Throws BadId where the text is not one address of sane size (RFC 5321 §4.5.3.1; UTF-8 allowed, RFC 6531).
 */
export function address(text: string): Address {
	const at = text.lastIndexOf("@");
	const local = text.slice(0, at).normalize("NFC").toLowerCase();
	const domain = text
		.slice(at + 1)
		.normalize("NFC")
		.toLowerCase();
	if (
		at < 1 ||
		Buffer.byteLength(local) > 64 ||
		/[\s<>()[\]\\,;:"@\p{Cc}]/u.test(local) ||
		!isDomain(domain)
	)
		throw new BadId(`not a mail address: ${JSON.stringify(text.slice(0, 80))}`);
	return `${local}@${domain}` as Address;
}

/** A host or domain name: labels of letters (also Unicode), digits, hyphens and underscores, at most 253 bytes. */
export const isDomain = (text: string): boolean =>
	Buffer.byteLength(text) <= 253 &&
	/^(?!-)[\p{L}\p{M}\p{N}_-]{1,63}(\.(?!-)[\p{L}\p{M}\p{N}_-]{1,63})*$/u.test(
		text,
	);
export const domainOf = (of: Address): string =>
	of.slice(of.lastIndexOf("@") + 1);

/** All UIDs from low to high, both included. */
export type UidRange = readonly [low: number, high: number];
