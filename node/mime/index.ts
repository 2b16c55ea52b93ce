/**
 * MIME by byte offsets: the structure of a message, what IMAP says of it, its sections, and its text for SEARCH. Works on
 * bytes and gives plain data; the cost is linear in the size of the message, and nothing that stands in a message makes
 * it fail. What must never live here: sockets, clocks, files (but for the cache of structures), or changes to a message.
 *
 * Reading order: types.ts, parser.ts (bytes to parts), part.ts (header fields), wire.ts (ENVELOPE, BODYSTRUCTURE),
 * section.ts (BODY[…]), search-text.ts (decoded text), cache.ts (what is kept of it).
 */
export { casemap, compareMapped } from "./casemap.ts";
export { dateOf, parseDate, type SentDate } from "./date.ts";
export {
	binaryHeader,
	decodedStretches,
	type Stretch,
} from "./decoded-message.ts";
export {
	asBuffer,
	headerFields,
	headerFieldsText,
	rawFields,
} from "./header.ts";
export {
	emailId,
	messageIds,
	type Ordering,
	orderingOf,
	threadId,
} from "./ordering.ts";
export { parameter } from "./parameters.ts";
export { parseMessage, StructureParser } from "./parser.ts";
export { previewOf, previewSource } from "./preview.ts";
export {
	decodedText,
	holds,
	type SearchText,
	searchText,
	type TextPiece,
	textPieces,
} from "./search-text.ts";
export { partAt, sectionRange } from "./section.ts";
export { decodeTransfer } from "./transfer.ts";
export { type TransferDecoder, transferDecoder } from "./transfer-stream.ts";
export type {
	Disposition,
	Envelope,
	EnvelopeAddress,
	GroupMark,
	HasStructure,
	Mailbox,
	Parameters,
	Parsed,
	Range,
	Section,
	Structure,
} from "./types.ts";
export { bodyStructureImap, envelopeImap } from "./wire.ts";
export { decodedHeader, decodeValue, decodeWords } from "./words.ts";
