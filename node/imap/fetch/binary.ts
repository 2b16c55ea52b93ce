/** BINARY and BINARY.SIZE (RFC 3516 §4): sections without their transfer encoding. */
import type { Message } from "../../../sync/api.ts";
import {
	decodeTransfer,
	partAt,
	type Range,
	transferDecoder,
} from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import type { Surroundings } from "../session.ts";
import type { SectionItem } from "./items.ts";
import { cutTo, type Piece } from "./render.ts";

/**
 * The octets of a part as they were before they were encoded, or their number. Of a multipart, an embedded message and
 * the whole message the octets as they are: these have no encoding of their own (RFC 2045 §6.4). Refusal UNKNOWN-CTE.
 */
export async function renderBinary(
	{ bodies, structures }: Surroundings,
	{ binary, section, partial }: SectionItem,
	message: Message,
	holdBytesMax: number,
): Promise<Piece> {
	const { body } = message;
	const parsed = await structures.parsed(message);
	const part = partAt(parsed, section.part);
	if (part === undefined) return binary === "size" ? "0" : "NIL";
	const isWhole = section.part.length === 0;
	const range: Range = isWhole
		? { start: 0, end: body.sizeBytes }
		: { start: part.bodyStart, end: part.end };
	const isComposite =
		isWhole || part.children !== undefined || part.message !== undefined;
	const encoding = isComposite ? undefined : part.encoding;
	const decoder = transferDecoder(encoding);
	if (decoder === undefined)
		throw new Refusal(
			"NO",
			"UNKNOWN-CTE",
			"The part has a transfer encoding that is not known here",
		);
	if (range.end - range.start <= holdBytesMax) {
		const encoded = await bodies.read(body, range.start, range.end);
		const octets = decodeTransfer(encoded, encoding) ?? encoded;
		if (binary === "size") return `${octets.length}`;
		const { start, end } = cutTo({ start: 0, end: octets.length }, partial);
		return octets.subarray(start, end);
	}
	// How many they are must be said before they are sent.
	let sizeBytes = 0;
	for await (const chunk of bodies.stream(body, range.start, range.end))
		sizeBytes += decoder.push(chunk).length;
	sizeBytes += decoder.end().length;
	if (binary === "size") return `${sizeBytes}`;
	const { start: from, end: to } = cutTo({ start: 0, end: sizeBytes }, partial);
	return { body, range, decoded: { encoding, from, to } };
}
