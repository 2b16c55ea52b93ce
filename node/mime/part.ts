/** What the fields of a part's header say: its content fields and, for a message, its envelope. */
import { parseAddresses } from "./addresses.ts";
import { FieldCursor } from "./header.ts";
import {
	parseContentType,
	parseDisposition,
	parseLanguages,
	parseToken,
} from "./parameters.ts";
import type {
	Disposition,
	Envelope,
	EnvelopeAddress,
	Parameters,
} from "./types.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The content fields of Structure, as they are being read. */
export interface Content {
	/** Undefined: no Content-Type, or a wrong one. */
	media: { type: string; subtype: string; parameters: Parameters } | undefined;
	id?: string;
	description?: string;
	encoding?: string | undefined;
	md5?: string;
	disposition?: Disposition | undefined;
	language?: readonly string[] | undefined;
	location?: string;
}

/** How many more addresses the message may have. */
export interface Budget {
	addresses: number;
}

/** Of repeated fields the last of texts and the first of content fields count, and addresses add up, as in Dovecot. */
type Reader = (
	value: string,
	content: Content,
	envelope: Writable<Envelope>,
	budget: Budget,
) => void;

const contentFields = new Map<string, Reader>([
	[
		"content-type",
		(value, content) => {
			content.media ??= parseContentType(value);
		},
	],
	[
		"content-transfer-encoding",
		(value, content) => {
			content.encoding ??= parseToken(value);
		},
	],
	[
		"content-disposition",
		(value, content) => {
			content.disposition ??= parseDisposition(value);
		},
	],
	[
		"content-language",
		(value, content) => {
			content.language ??= parseLanguages(value);
		},
	],
	[
		"content-id",
		(value, content) => {
			content.id ??= value;
		},
	],
	[
		"content-description",
		(value, content) => {
			content.description ??= value;
		},
	],
	[
		"content-md5",
		(value, content) => {
			content.md5 ??= value;
		},
	],
	[
		"content-location",
		(value, content) => {
			content.location ??= value;
		},
	],
]);

const text =
	(key: "date" | "subject" | "inReplyTo" | "messageId"): Reader =>
	(value, _content, envelope) => {
		envelope[key] = value;
	};
const addresses =
	(key: "from" | "sender" | "replyTo" | "to" | "cc" | "bcc"): Reader =>
	(value, _content, envelope, budget) => {
		const found: EnvelopeAddress[] = parseAddresses(value, budget.addresses);
		if (found.length === 0) return;
		budget.addresses -= found.length;
		const before = envelope[key];
		envelope[key] = before === undefined ? found : before.concat(found);
	};

const envelopeFields = new Map<string, Reader>([
	["date", text("date")],
	["subject", text("subject")],
	["from", addresses("from")],
	["sender", addresses("sender")],
	["reply-to", addresses("replyTo")],
	["to", addresses("to")],
	["cc", addresses("cc")],
	["bcc", addresses("bcc")],
	["in-reply-to", text("inReplyTo")],
	["message-id", text("messageId")],
]);

/** Bit by bit, the lower-case first letters of the fields above: most fields are told apart without making a string. */
const firstLetters = [...contentFields.keys(), ...envelopeFields.keys()].reduce(
	(bits, name) => bits | (1 << (name.charCodeAt(0) - 97)),
	0,
);
const NAME_LENGTH_MAX = "content-transfer-encoding".length;

const mayBeKnown = (firstByte: number, nameLength: number): boolean => {
	const letter = (firstByte | 32) - 97;
	return (
		nameLength <= NAME_LENGTH_MAX &&
		letter >= 0 &&
		letter < 26 &&
		(firstLetters & (1 << letter)) !== 0
	);
};

/** Reads a header block; `wantEnvelope` for the header of a message, not of a part. */
export function readPart(
	header: Buffer,
	wantEnvelope: boolean,
	budget: Budget,
): { content: Content; envelope: Envelope } {
	const content: Content = { media: undefined };
	const envelope: Envelope = {};
	const cursor = new FieldCursor(header);
	while (cursor.next()) {
		const length = cursor.nameEnd - cursor.start;
		if (!mayBeKnown(header[cursor.start] as number, length)) continue;
		const name = cursor.name();
		const reader =
			contentFields.get(name) ??
			(wantEnvelope ? envelopeFields.get(name) : undefined);
		reader?.(cursor.value(), content, envelope, budget);
	}
	return { content, envelope };
}
