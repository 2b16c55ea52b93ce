/** The text of a message out of what was read of it. On whichever thread. */
import {
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
	const { whole } = loaded;
	return searchText(textPieces(parseMessage(whole)), ({ start, end }) =>
		whole.subarray(start, end),
	);
}
