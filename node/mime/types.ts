/**
 * The shapes that this folder speaks in. All are plain data that survives JSON. Strings hold the octets of the message,
 * one character an octet (latin1), never decoded; offsets and sizes are bytes from the start of the whole message.
 */

/**
 * Parameters of a Content-Type or Content-Disposition, as IMAP sends them: name, value, name, value… Continuations of
 * RFC 2231 are joined (`name*0=`, `name*1=` come as `name`; extended values as `name*`, still percent-encoded), as
 * Dovecot does. `parameter()` reads a decoded value.
 */
export type Parameters = readonly string[];

export interface Disposition {
	readonly type: string;
	readonly parameters: Parameters;
}

/** One MIME part. Its header is [headerStart, bodyStart), with the blank line; its body [bodyStart, end). */
export interface Structure {
	readonly headerStart: number;
	readonly bodyStart: number;
	/** Without the line break before the boundary line that ends it: that belongs to the boundary (RFC 2046 §5.1.1). */
	readonly end: number;
	/** Line feeds in the body. */
	readonly lines: number;
	/** As in the header, in its case; "text" where there is none. */
	readonly type: string;
	readonly subtype: string;
	readonly parameters: Parameters;
	/** Content-ID, Content-Description, Content-MD5, Content-Location: unfolded. */
	readonly id?: string | undefined;
	readonly description?: string | undefined;
	/** Content-Transfer-Encoding as in the header; undefined means 7bit. */
	readonly encoding?: string | undefined;
	readonly md5?: string | undefined;
	readonly disposition?: Disposition | undefined;
	readonly language?: readonly string[] | undefined;
	readonly location?: string | undefined;
	/** Of a multipart, in order; empty when it has no part. Undefined for every other type. */
	readonly children?: readonly Structure[] | undefined;
	/** Of a message/rfc822 or message/global that is not transfer-encoded. */
	readonly message?: Parsed | undefined;
}

/** One mailbox; a missing half of the address reads MISSING_MAILBOX or MISSING_DOMAIN, as Dovecot has it. */
export interface Mailbox {
	/** Display name, or else the comment after the address; encoded words are left encoded. */
	readonly name?: string | undefined;
	/** Source route (RFC 5322 §4.4 obs-route), "@a,@b". */
	readonly route?: string | undefined;
	readonly mailbox: string;
	readonly host: string;
}
/** A group comes as its start with the name, its mailboxes, and its end with null (RFC 9051 §7.5.2 ENVELOPE). */
export interface GroupMark {
	readonly group: string | null;
}
export type EnvelopeAddress = Mailbox | GroupMark;

/** RFC 9051 §7.5.2. Undefined: no such field. Texts are unfolded and trimmed, otherwise as in the header. */
export interface Envelope {
	readonly date?: string | undefined;
	readonly subject?: string | undefined;
	readonly from?: readonly EnvelopeAddress[] | undefined;
	/** Undefined also when empty: `envelopeImap` then says From again, as the RFC demands. The same for replyTo. */
	readonly sender?: readonly EnvelopeAddress[] | undefined;
	readonly replyTo?: readonly EnvelopeAddress[] | undefined;
	readonly to?: readonly EnvelopeAddress[] | undefined;
	readonly cc?: readonly EnvelopeAddress[] | undefined;
	readonly bcc?: readonly EnvelopeAddress[] | undefined;
	readonly inReplyTo?: string | undefined;
	readonly messageId?: string | undefined;
}

export interface Parsed {
	readonly envelope: Envelope;
	readonly structure: Structure;
}

/** A section of FETCH BODY[…] (RFC 9051 §6.4.5.1): part numbers from 1, then what of it. */
export interface Section {
	readonly part: readonly number[];
	readonly kind:
		| ""
		| "HEADER"
		| "HEADER.FIELDS"
		| "HEADER.FIELDS.NOT"
		| "TEXT"
		| "MIME";
	/** Field names of HEADER.FIELDS and HEADER.FIELDS.NOT, in any case. */
	readonly fields?: readonly string[];
}

/** Bytes [start, end) of the message. */
export interface Range {
	readonly start: number;
	readonly end: number;
}

/** A message whose parts are asked for: a Parsed, or what the cache keeps of it. */
export type HasStructure = Pick<Parsed, "structure">;
