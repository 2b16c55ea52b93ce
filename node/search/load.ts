/** The text of a message out of what was read of it. On whichever thread. */

import { SEARCH_TEXT_BYTES_MAX } from "../../sync/limits.ts";
import {
	type Parsed,
	parseMessage,
	type SearchText,
	searchText,
	type TextPiece,
	textPieces,
} from "../mime/index.ts";
import type { Loaded } from "./types.ts";

export function textOf(loaded: Loaded): SearchText {
	if (!("whole" in loaded))
		return searchText(
			loaded.pieces,
			(_, index) => loaded.bytes[index] as Uint8Array,
		);
	return textIn(loaded.whole, parseMessage(loaded.whole));
}

export const textIn = (whole: Uint8Array, parsed: Parsed): SearchText =>
	searchText(textPieces(parsed), ({ start, end }) =>
		whole.subarray(start, end),
	);

/** In memory of its own, which can be cloned for the other thread without what lies around it. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(
		parts.reduce((sum, { length }) => sum + length, 0),
	);
	let at = 0;
	for (const part of parts) {
		bytes.set(part, at);
		at += part.length;
	}
	return bytes;
}

/** Octets that are sent for each octet of text, where much is encoded. */
const SENT_OCTETS: Readonly<Record<string, number>> = {
	base64: 1.4,
	"quoted-printable": 1.5,
};

/**
 * By what is sent of it the text is more than the index keeps, so that nobody need read and decode it to find that out. A
 * guess, which may take a text for too large: then searches read it each time.
 */
export function isTooLarge(pieces: readonly TextPiece[]): boolean {
	let bytes = 0;
	for (const { start, end, body } of pieces)
		bytes +=
			(end - start) / (SENT_OCTETS[body?.encoding?.toLowerCase() ?? ""] ?? 1);
	return bytes > SEARCH_TEXT_BYTES_MAX;
}
