/** What FETCH answers for one message, as pieces for the output. */
import { BODY_MEMORY_BYTES_MAX } from "../../../sync/limits.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import {
	bodyStructureImap,
	envelopeImap,
	headerFields,
	type Range,
	type Section,
	sectionRange,
} from "../../mime/index.ts";
import { formatDateTime } from "../dates.ts";
import type { Target } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import type { FetchItems, PlainItem, SectionItem } from "./items.ts";

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
	{ uid, message }: Target,
): string {
	let text = "";
	for (const item of items) {
		if (text !== "") text += " ";
		if (item === "UID") text += `UID ${uid}`;
		else if (item === "FLAGS") text += `FLAGS (${message.flags.join(" ")})`;
		else if (item === "RFC822.SIZE")
			text += `RFC822.SIZE ${message.body.sizeBytes}`;
		else
			text += `INTERNALDATE ${formatDateTime(message.internalDateMilliseconds)}`;
	}
	return text;
}

/** The whole response to one message. Rejects with BodyUnavailable. */
export async function render(
	surroundings: Surroundings,
	items: FetchItems,
	target: Target,
): Promise<Piece[]> {
	const plain = renderPlain(items.plain, target);
	let text = `* ${target.number} FETCH (${plain}`;
	let separator = plain === "" ? "" : " ";
	if (items.structure.length > 0) {
		const parsed = await surroundings.structures.parsed(target.message);
		for (const item of items.structure) {
			const value =
				item === "ENVELOPE"
					? envelopeImap(parsed)
					: bodyStructureImap(parsed, item === "BODYSTRUCTURE");
			text += `${separator}${item} ${value}`;
			separator = " ";
		}
	}
	const pieces: Piece[] = [text];
	for (const item of items.sections) {
		pieces.push(`${separator}${item.label} `);
		await renderSection(surroundings, item, target, pieces);
		separator = " ";
	}
	pieces.push(")\r\n");
	return pieces;
}

async function renderSection(
	surroundings: Surroundings,
	{ section, partial }: SectionItem,
	{ message }: Target,
	pieces: Piece[],
): Promise<void> {
	const { bodies, structures } = surroundings;
	const { body } = message;
	const { kind, fields } = section;
	let bytes: Uint8Array | undefined;
	let range: Range | undefined;
	if (section.part.length === 0 && kind.startsWith("HEADER"))
		bytes = await structures.header(message);
	else {
		range = isWhole(section)
			? { start: 0, end: body.sizeBytes }
			: sectionRange(await structures.parsed(message), section);
		// No such part: dovecot, cyrus and RFC 9051 §7.5.2 (nstring) say NIL.
		if (range === undefined) {
			pieces.push("NIL");
			return;
		}
		if (fields !== undefined)
			bytes = await bodies.read(body, range.start, range.end);
	}
	if (bytes !== undefined && fields !== undefined)
		bytes = headerFields(bytes, fields, kind === "HEADER.FIELDS.NOT");
	const whole = range ?? { start: 0, end: bytes?.length ?? 0 };
	const cut = cutTo(
		bytes === undefined ? whole : { start: 0, end: bytes.length },
		partial,
	);
	const length = cut.end - cut.start;
	pieces.push(`{${length}}\r\n`);
	if (length === 0) return;
	if (bytes !== undefined) pieces.push(bytes.subarray(cut.start, cut.end));
	else if (length > BODY_MEMORY_BYTES_MAX) {
		// Before its length is announced: after that there is no way to say that it cannot be had.
		await bodies.fetch(body);
		pieces.push({ body, range: cut });
	} else pieces.push(await bodies.read(body, cut.start, cut.end));
}

const isWhole = ({ part, kind }: Section) => part.length === 0 && kind === "";

function cutTo(range: Range, partial: SectionItem["partial"]): Range {
	if (partial === undefined) return range;
	const start = Math.min(range.start + partial.offset, range.end);
	return { start, end: Math.min(start + partial.length, range.end) };
}
