/** The text of a message as SEARCH looks through it: decoded, and mapped by the collation. */
import { MIME_TEXT_CHARACTERS_MAX } from "../../sync/limits.ts";
import { casemap } from "./casemap.ts";
import { decodeOctets } from "./charset.ts";
import { asBuffer, FieldCursor } from "./header.ts";
import { parameter } from "./parameters.ts";
import { decodeTransfer } from "./transfer.ts";
import type { HasStructure, Range, Structure } from "./types.ts";
import { decodeValue } from "./words.ts";

/** Bytes of the message that text is made of: a header, or the body of a text part. */
export interface TextPiece extends Range {
	/** Undefined: a header. */
	readonly body:
		| {
				readonly encoding: string | undefined;
				readonly charset: string | undefined;
		  }
		| undefined;
}

/** What TEXT looks through; BODY looks from `bodyAt` on. */
export interface SearchText {
	/** UTF-8. Nothing that is looked for reaches over the NUL between header and body. */
	readonly bytes: Buffer;
	readonly bodyAt: number;
}

/** No charset takes more octets a character than this, once the transfer encoding (at most 3 to 1) is added. */
const OCTETS_PER_CHARACTER_MAX = 12;
const PIECE_BYTES_MAX = MIME_TEXT_CHARACTERS_MAX * OCTETS_PER_CHARACTER_MAX;

const headerPiece = (of: Structure): TextPiece => ({
	start: of.headerStart,
	end: of.bodyStart,
	body: undefined,
});

/**
 * The message's own header first, then the bodies of all text parts (markup is left in) and the headers of embedded
 * messages, in order.
 */
export function textPieces({ structure }: HasStructure): TextPiece[] {
	const pieces = [headerPiece(structure)];
	const add = (of: Structure): void => {
		if (of.children !== undefined) for (const child of of.children) add(child);
		else if (of.message !== undefined) {
			pieces.push(headerPiece(of.message.structure));
			add(of.message.structure);
		} else if (of.type.toLowerCase() === "text")
			pieces.push({
				start: of.bodyStart,
				end: Math.min(of.end, of.bodyStart + PIECE_BYTES_MAX),
				body: {
					encoding: of.encoding,
					charset: parameter(of.parameters, "charset"),
				},
			});
	};
	add(structure);
	return pieces;
}

/** Pieces of text up to a bound. */
class Collected {
	readonly #texts: string[] = [];
	#room = MIME_TEXT_CHARACTERS_MAX;

	get isFull(): boolean {
		return this.#room === 0;
	}
	add(text: string): void {
		this.#texts.push(text.slice(0, this.#room));
		this.#room -= Math.min(this.#room, text.length + 1);
	}
	toString(): string {
		return this.#texts.join("\n");
	}
}

/** `Name: value` of each field, unfolded and decoded. */
function addHeader(into: Collected, header: Buffer): void {
	const cursor = new FieldCursor(header);
	while (!into.isFull && cursor.next())
		into.add(
			`${header.toString("latin1", cursor.start, cursor.nameEnd)}: ${decodeValue(cursor.value())}`,
		);
}

function addPiece(
	into: Collected,
	{ body }: TextPiece,
	bytes: Uint8Array,
): void {
	if (into.isFull) return;
	if (body === undefined) {
		addHeader(into, asBuffer(bytes));
		return;
	}
	const octets = decodeTransfer(bytes, body.encoding);
	if (octets !== undefined) into.add(decodeOctets(octets, body.charset));
}

/**
 * Header and body as people read them, MIME_TEXT_CHARACTERS_MAX of each. `pieces` as from textPieces(), `bytesOf` gives
 * their bytes.
 */
export function decodedText(
	pieces: readonly TextPiece[],
	bytesOf: (piece: TextPiece, index: number) => Uint8Array,
): { header: string; body: string } {
	const header = new Collected();
	const body = new Collected();
	for (const [index, piece] of pieces.entries())
		addPiece(index === 0 ? header : body, piece, bytesOf(piece, index));
	return { header: header.toString(), body: body.toString() };
}

/** The same as SEARCH compares it. */
export function searchText(
	pieces: readonly TextPiece[],
	bytesOf: (piece: TextPiece, index: number) => Uint8Array,
): SearchText {
	const { header, body } = decodedText(pieces, bytesOf);
	const mapped = utf8(header);
	return {
		bytes: Buffer.concat([mapped, NUL, utf8(body)]),
		bodyAt: mapped.length + 1,
	};
}

const NUL = Buffer.alloc(1);
const utf8 = (text: string): Buffer =>
	Buffer.from(casemap(text).toWellFormed(), "utf8");

/** `sought` in UTF-8, as casemap() maps it. */
export const holds = (
	{ bytes, bodyAt }: SearchText,
	kind: "body" | "text",
	sought: Uint8Array,
): boolean => bytes.indexOf(sought, kind === "body" ? bodyAt : 0) !== -1;
