/** The text of a message out of what was read of it. On whichever thread. */
import {
	type Parsed,
	parseMessage,
	type SearchText,
	searchText,
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
