/** The text of a message as people read it, for SEARCH BODY and the full-text index. */
import { MIME_TEXT_CHARACTERS_MAX } from "../../sync/limits.ts";
import { decodeOctets } from "./charset.ts";
import { asBuffer, FieldCursor } from "./header.ts";
import { parameter } from "./parameters.ts";
import { decodeTransfer } from "./transfer.ts";
import type { HasStructure, Structure } from "./types.ts";
import { decodeValue } from "./words.ts";

/** Pieces of text up to a bound. */
class Collected {
	readonly #pieces: string[] = [];
	#room = MIME_TEXT_CHARACTERS_MAX;

	get room(): number {
		return this.#room;
	}
	add(text: string): void {
		this.#pieces.push(text.slice(0, this.#room));
		this.#room -= Math.min(this.#room, text.length + 1);
	}
	toString(): string {
		return this.#pieces.join("\n");
	}
}

function addHeader(into: Collected, header: Buffer): void {
	const cursor = new FieldCursor(header);
	while (into.room > 0 && cursor.next())
		into.add(
			`${header.toString("latin1", cursor.start, cursor.nameEnd)}: ${decodeValue(cursor.value())}`,
		);
}

/** No charset takes more octets a character than this, once the transfer encoding (at most 3 to 1) is added. */
const OCTETS_PER_CHARACTER_MAX = 12;

function addBody(into: Collected, message: Buffer, of: Structure): void {
	const end = Math.min(
		of.end,
		of.bodyStart + into.room * OCTETS_PER_CHARACTER_MAX,
	);
	const octets = decodeTransfer(
		message.subarray(of.bodyStart, end),
		of.encoding,
	);
	if (octets !== undefined)
		into.add(decodeOctets(octets, parameter(of.parameters, "charset")));
}

function addPart(into: Collected, message: Buffer, of: Structure): void {
	if (into.room === 0) return;
	if (of.children !== undefined)
		for (const child of of.children) addPart(into, message, child);
	else if (of.message !== undefined) {
		const inner = of.message.structure;
		addHeader(into, message.subarray(inner.headerStart, inner.bodyStart));
		addPart(into, message, inner);
	} else if (of.type.toLowerCase() === "text") addBody(into, message, of);
}

/**
 * The decoded text of all text parts (transfer encoding and charset; markup is left in) and the decoded headers of
 * embedded messages, separated by line feeds, at most MIME_TEXT_CHARACTERS_MAX characters. `bytes` is the whole message.
 */
export function textOf(bytes: Uint8Array, parsed: HasStructure): string {
	const into = new Collected();
	addPart(into, asBuffer(bytes), parsed.structure);
	return into.toString();
}
