/** What FETCH answers for one message, as pieces for the output. */
import type { Message } from "../../../sync/api.ts";
import {
	BODY_MEMORY_BYTES_MAX,
	IMAP_READ_AHEAD_BYTES,
} from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import {
	bodyStructureImap,
	emailId,
	headerFields,
	type Ordering,
	previewOf,
	previewSource,
	type Range,
	type Section,
	sectionRange,
	threadId,
} from "../../mime/index.ts";
import { modSeqItem } from "../condstore.ts";
import { formatDateTime } from "../dates.ts";
import type { Target } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import { renderBinary } from "./binary.ts";
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
/** The octets [from, to) of what is made of a body each time when `octets` is called. */
export interface Made {
	readonly from: number;
	readonly to: number;
	readonly octets: () => AsyncIterable<Uint8Array>;
}
/** Text is latin1, one character an octet. */
export type Piece = string | Uint8Array | Streamed | Made;

/** `FLAGS (\Seen) UID 7 …`, without what needs more than the mailbox's view. */
export function renderPlain(
	items: readonly PlainItem[],
	{ uid, message, modSeq }: Target,
): string {
	let text = "";
	for (const item of items) {
		if (text !== "") text += " ";
		if (item === "UID") text += `UID ${uid}`;
		else if (item === "FLAGS") text += flagsItem(message.flags);
		else if (item === "MODSEQ") text += modSeqItem(modSeq);
		else if (item === "RFC822.SIZE")
			text += `RFC822.SIZE ${message.body.sizeBytes}`;
		else if (item === "EMAILID")
			text += `EMAILID (${emailId(message.body.hash)})`;
		else if (item === "SAVEDATE")
			text += `SAVEDATE ${formatDateTime(message.savedMilliseconds)}`;
		else
			text += `INTERNALDATE ${formatDateTime(message.internalDateMilliseconds)}`;
	}
	return text;
}

/** The text for each combination: there are few, whose arrays the messages of a mailbox share. */
const flagsItems = new WeakMap<readonly string[], string>();

export function flagsItem(flags: readonly string[]): string {
	let text = flagsItems.get(flags);
	if (text === undefined) {
		text = `FLAGS (${flags.join(" ")})`;
		if (Object.isFrozen(flags)) flagsItems.set(flags, text);
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
		text += `${separator}${wordOf(item)} ${await structureValue(surroundings, item, target)}`;
		separator = " ";
	}
	const pieces: Piece[] = [text];
	let heldBytes = 0;
	for (const item of items.sections) {
		const holdBytesMax = Math.min(
			BODY_MEMORY_BYTES_MAX,
			IMAP_READ_AHEAD_BYTES - heldBytes,
		);
		const renderItem = item.binary === undefined ? renderSection : renderBinary;
		const value = await renderItem(
			surroundings,
			item,
			target.message,
			holdBytesMax,
		);
		heldBytes += value instanceof Uint8Array ? value.length : 0;
		pieces.push(
			`${separator}${item.label} ${announce(value, item.binary !== undefined)}`,
			value,
		);
		separator = " ";
	}
	pieces.push(")\r\n");
	return pieces;
}

/** How the response names an item. */
export const wordOf = (item: StructureItem): string =>
	item === "PREVIEW (LAZY)" ? "PREVIEW" : item;

/** RFC 8474 §5.3 */
export function threadIdImap(ordering: Ordering | undefined): string {
	const id = ordering && threadId(ordering);
	return id === undefined ? "NIL" : `(${id})`;
}

/** RFC 8970 §3.2; NIL when it is not at hand and the client does not want to wait. */
async function preview(
	{ bodies, structures }: Surroundings,
	message: Message,
	lazy: boolean,
): Promise<string> {
	const [known] = structures.cachedPreviews([message]);
	if (known !== undefined) return previewImap(known);
	if (lazy) return "NIL";
	const source = previewSource(await structures.parsed(message));
	let text = "";
	if (source !== undefined) {
		const { start, end } = source.range;
		text = previewOf(source.part, await bodies.read(message.body, start, end));
	}
	structures.keepPreview(message, text);
	return previewImap(text);
}

/** UTF-8 as a string: quoted where it is ASCII, else a literal. */
export function previewImap(text: string): string {
	const octets = Buffer.from(text, "utf8").toString("latin1");
	return octets.length === text.length && /^[ !#-[\]-~]*$/.test(text)
		? `"${text}"`
		: `{${octets.length}}\r\n${octets}`;
}

async function structureValue(
	surroundings: Surroundings,
	item: StructureItem,
	{ message }: Target,
): Promise<string> {
	const { structures } = surroundings;
	if (item === "BODY")
		return bodyStructureImap(await structures.parsed(message), false);
	if (item === "THREADID") {
		const [ordering] = await structures.orderings([message]);
		return threadIdImap(ordering);
	}
	if (item === "PREVIEW" || item === "PREVIEW (LAZY)")
		return preview(surroundings, message, item !== "PREVIEW");
	const entry = await structures.entry(message);
	return item === "ENVELOPE" ? entry.envelopeImap : entry.bodyStructureImap;
}

/** The header of the literal, for what comes as one. */
function announce(value: Piece, isBinary: boolean): string {
	if (typeof value === "string") return "";
	if (value instanceof Uint8Array) {
		// RFC 3516 §4.3: only a literal8 may hold NUL.
		const tilde = isBinary && value.includes(0) ? "~" : "";
		return `${tilde}{${value.length}}\r\n`;
	}
	return "range" in value
		? `{${value.range.end - value.range.start}}\r\n`
		: `~{${value.to - value.from}}\r\n`;
}

/** The octets of a section, held if they are at most `holdBytesMax`, or NIL where there is no such part. */
export async function renderSection(
	{ bodies, structures }: Surroundings,
	{ section, partial }: SectionItem,
	message: Message,
	holdBytesMax: number,
): Promise<string | Uint8Array | Streamed> {
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
