/** What SORT and THREAD compare of a message (RFC 5256, RFC 5957), made once and kept in the cache. */
import { createHash } from "node:crypto";
import type { BodyHash } from "../../sync/ids.ts";
import { MIME_REFERENCES_MAX } from "../../sync/limits.ts";
import { casemap } from "./casemap.ts";
import { dateOf } from "./date.ts";
import { rawFields } from "./header.ts";
import { Lexer } from "./lexer.ts";
import { baseSubject } from "./subject.ts";
import type { Envelope, EnvelopeAddress } from "./types.ts";
import { decodeValue } from "./words.ts";

/** Texts are as the collation compares them (casemap.ts); "" where there is none. */
export interface Ordering {
	/** From the Date field; undefined: use INTERNALDATE (RFC 5256 §2.2). */
	readonly sentMilliseconds: number | undefined;
	/** The calendar date in it, disregarding time and zone, in days since 1970: SENTON and its kin (RFC 9051 §6.4.4). */
	readonly sentDay: number | undefined;
	readonly subject: string;
	/** The subject has marks of a reply or forward. */
	readonly isReply: boolean;
	/** Local parts of the first addresses. */
	readonly from: string;
	readonly to: string;
	readonly cc: string;
	/** RFC 5957: display name of the first address, or the address. */
	readonly displayFrom: string;
	readonly displayTo: string;
	/** Without the angle brackets; "" if there is none. */
	readonly messageId: string;
	/** Message-IDs of what this answers, oldest first: of References, or else the first of In-Reply-To. */
	readonly references: readonly string[];
}

const LESS = 60;
const GREATER = 62;
const QUOTE = 34;

/**
 * The message identifiers in a field (RFC 5322 §3.6.4), between angle brackets; quoted strings are compared without their
 * quotes (RFC 5256 §3 REFERENCES). What stands between them is passed over.
 */
export function* messageIds(text: string): Generator<string> {
	const lexer = new Lexer(text);
	for (
		let open = text.indexOf("<");
		open !== -1;
		open = text.indexOf("<", lexer.at)
	) {
		lexer.at = open + 1;
		const id = oneId(lexer);
		if (id !== undefined) yield id;
		// An open comment that took all the rest: looking into it again and again would not be linear.
		else if (lexer.done) return;
	}
}
const first = (text: string | undefined): string | undefined =>
	text === undefined ? undefined : messageIds(text).next().value || undefined;

/** After "<": the identifier up to ">"; undefined if it has no end, is empty, or another begins within. */
function oneId(lexer: Lexer): string | undefined {
	let id = "";
	for (;;) {
		lexer.skip();
		if (lexer.take(GREATER)) return id === "" ? undefined : id;
		if (lexer.done || lexer.code === LESS) return undefined;
		if (lexer.code === QUOTE) id += lexer.quoted() ?? "";
		else id += lexer.until(endsText);
	}
}
const endsText = (code: number): boolean =>
	code <= 32 ||
	code === LESS ||
	code === GREATER ||
	code === QUOTE ||
	code === 40;

const mailboxOf = (of: EnvelopeAddress | undefined): string => {
	if (of === undefined) return "";
	return "group" in of ? (of.group ?? "") : of.mailbox;
};

/** RFC 5957 §2: the display name if there is one, else the address. */
function displayOf(of: EnvelopeAddress | undefined): string {
	if (of === undefined) return "";
	if ("group" in of) return of.group ?? "";
	return of.name || `${of.mailbox}@${of.host}`;
}

const mapped = (octets: string): string => casemap(decodeValue(octets));

/** `header`: the message's header, or as much of it as is at hand. */
export function orderingOf(envelope: Envelope, header: Uint8Array): Ordering {
	const subject = baseSubject(envelope.subject ?? "");
	let references = [
		...messageIds(rawFields(header, "references").join(" ")),
	].slice(-MIME_REFERENCES_MAX);
	if (references.length === 0) {
		const parent = first(envelope.inReplyTo);
		if (parent !== undefined) references = [parent];
	}
	const sent = dateOf({ envelope });
	return {
		sentMilliseconds: sent?.milliseconds,
		sentDay: sent?.day,
		subject: subject.mapped,
		isReply: subject.isReply,
		from: mapped(mailboxOf(envelope.from?.[0])),
		to: mapped(mailboxOf(envelope.to?.[0])),
		cc: mapped(mailboxOf(envelope.cc?.[0])),
		displayFrom: mapped(displayOf(envelope.from?.[0])),
		displayTo: mapped(displayOf(envelope.to?.[0])),
		messageId: first(envelope.messageId) ?? "",
		references,
	};
}

type Packed = [
	sentMilliseconds: number | null,
	subject: string,
	isReply: number,
	from: string,
	to: string,
	cc: string,
	displayFrom: string,
	displayTo: string,
	messageId: string,
	references: readonly string[],
	sentDay: number | null,
];

export const packOrdering = (of: Ordering): string =>
	JSON.stringify([
		of.sentMilliseconds ?? null,
		of.subject,
		of.isReply ? 1 : 0,
		of.from,
		of.to,
		of.cc,
		of.displayFrom,
		of.displayTo,
		of.messageId,
		of.references,
		of.sentDay ?? null,
	] satisfies Packed);

export function unpackOrdering(text: string): Ordering {
	// By their places: SORT unpacks those of a whole mailbox, and lists of names would be iterated over.
	const packed = JSON.parse(text) as Packed;
	return {
		sentMilliseconds: packed[0] ?? undefined,
		sentDay: packed[10] ?? undefined,
		subject: packed[1],
		isReply: packed[2] === 1,
		from: packed[3],
		to: packed[4],
		cc: packed[5],
		displayFrom: packed[6],
		displayTo: packed[7],
		messageId: packed[8],
		references: packed[9],
	};
}

// ------------------------------------------------------------------ RFC 8474

/** EMAILID: the same bytes have the same, on every node and in every mailbox. */
export const emailId = (hash: BodyHash): string => `M${hash.slice(0, 40)}`;

/**
 * THREADID: by what began the thread, as far as the message itself names it, so that all nodes say the same and it never
 * changes. Undefined (NIL): the message has no identity and answers nothing.
 */
export function threadId({
	references,
	messageId,
}: Pick<Ordering, "references" | "messageId">): string | undefined {
	const root = references[0] ?? messageId;
	if (root === "") return undefined;
	return `T${createHash("sha256").update(root, "latin1").digest("hex").slice(0, 40)}`;
}
