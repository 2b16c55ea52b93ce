/** What FETCH answers for one message, as pieces for the output. */
import type { Message } from "../../../sync/api.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	IMAP_READ_AHEAD_BYTES,
} from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import {
	bodyStructureImap,
	headerFields,
	type Range,
	type Section,
	sectionRange,
} from "../../mime/index.ts";
import { modSeqItem } from "../condstore.ts";
import { formatDateTime } from "../dates.ts";
import type { Target } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import type {
	FetchItems,
	PlainItem,
	SectionItem,
	StructureItem,
} from "./items.ts";

/** Octets of a body that are too many to hold: they are streamed when their turn comes. */
export interface Streamed {
	readonly body: BodyRef;
	readonly range: Range;
}
/** Text is latin1, one character an octet. */
export type Piece = string | Uint8Array | Streamed;

/** `FLAGS (\Seen) UID 7 …`, without what needs more than the mailbox's view. */
export function renderPlain(
	items: readonly PlainItem[],
	{ uid, message, modSeq }: Target,
): string {
	let text = "";
	for (const item of items) {
		if (text !== "") text += " ";
		if (item === "UID") text += `UID ${uid}`;
		else if (item === "FLAGS") text += `FLAGS (${message.flags.join(" ")})`;
		else if (item === "MODSEQ") text += modSeqItem(modSeq);
		else if (item === "RFC822.SIZE")
			text += `RFC822.SIZE ${message.body.sizeBytes}`;
		else
			text += `INTERNALDATE ${formatDateTime(message.internalDateMilliseconds)}`;
	}
	return text;
}

/** How a response about a message begins: by its number, or by its UID alone (RFC 9586 §3.3). */
export const fetchHead = (
	uidOnly: boolean | undefined,
	{ number, uid }: Pick<Target, "number" | "uid">,
): string => (uidOnly ? `* ${uid} UIDFETCH (` : `* ${number} FETCH (`);

/** The whole response to one message. Rejects with BodyUnavailable. */
export async function render(
	surroundings: Surroundings,
	items: FetchItems,
	target: Target,
): Promise<Piece[]> {
	const plain = renderPlain(items.plain, target);
	let text = `${fetchHead(items.uidOnly, target)}${plain}`;
	let separator = plain === "" ? "" : " ";
	for (const item of items.structure) {
		text += `${separator}${item} ${await structureValue(surroundings, item, target)}`;
		separator = " ";
	}
	const pieces: Piece[] = [text];
	let heldBytes = 0;
	for (const item of items.sections) {
		const holdBytesMax = Math.min(
			BODY_MEMORY_BYTES_MAX,
			IMAP_READ_AHEAD_BYTES - heldBytes,
		);
		const value = await renderSection(
			surroundings,
			item,
			target.message,
			holdBytesMax,
		);
		heldBytes += value instanceof Uint8Array ? value.length : 0;
		pieces.push(`${separator}${item.label} ${announce(value)}`, value);
		separator = " ";
	}
	pieces.push(")\r\n");
	return pieces;
}

async function structureValue(
	{ structures }: Surroundings,
	item: StructureItem,
	{ message }: Target,
): Promise<string> {
	if (item === "BODY")
		return bodyStructureImap(await structures.parsed(message), false);
	const entry = await structures.entry(message);
	return item === "ENVELOPE" ? entry.envelopeImap : entry.bodyStructureImap;
}

/** The header of the literal, for what comes as one. */
function announce(value: Piece): string {
	if (typeof value === "string") return "";
	if (value instanceof Uint8Array) return `{${value.length}}\r\n`;
	return `{${value.range.end - value.range.start}}\r\n`;
}

/** The octets of a section, held if they are at most `holdBytesMax`, or NIL where there is no such part. */
export async function renderSection(
	{ bodies, structures }: Surroundings,
	{ section, partial }: SectionItem,
	message: Message,
	holdBytesMax: number,
): Promise<Piece> {
	const { body } = message;
	if (section.kind.startsWith("HEADER")) {
		const bytes = await headerOf({ bodies, structures }, section, message);
		if (bytes === undefined) return "NIL";
		const { start, end } = cutTo({ start: 0, end: bytes.length }, partial);
		return bytes.subarray(start, end);
	}
	const whole =
		section.part.length === 0 && section.kind === ""
			? { start: 0, end: body.sizeBytes }
			: sectionRange(await structures.parsed(message), section);
	// Dovecot and Cyrus say NIL too, as the grammar allows (RFC 3501 §9 nstring).
	if (whole === undefined) return "NIL";
	const range = cutTo(whole, partial);
	if (range.end - range.start <= holdBytesMax)
		return bodies.read(body, range.start, range.end);
	// Before its length is announced: after that there is no way to say that it cannot be had.
	await bodies.fetch(body);
	return { body, range };
}

/** The header of the message or of an embedded one, or the fields of it that are asked for. */
async function headerOf(
	{ bodies, structures }: Pick<Surroundings, "bodies" | "structures">,
	section: Section,
	message: Message,
): Promise<Uint8Array | undefined> {
	const { part, kind, fields } = section;
	let bytes: Uint8Array;
	if (part.length === 0) bytes = await structures.header(message);
	else {
		const range = sectionRange(await structures.parsed(message), section);
		if (range === undefined) return undefined;
		bytes = await bodies.read(message.body, range.start, range.end);
	}
	return fields === undefined
		? bytes
		: headerFields(bytes, fields, kind === "HEADER.FIELDS.NOT");
}

export function cutTo(range: Range, partial: SectionItem["partial"]): Range {
	if (partial === undefined) return range;
	const start = Math.min(range.start + partial.offset, range.end);
	return { start, end: Math.min(start + partial.length, range.end) };
}
