import { Refusal } from "../answer.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { find } from "../search/find.ts";
import { parseKeys } from "../search/keys.ts";
import { lookedAt } from "../search/looked-at.ts";
import {
	namesNumbers,
	noteKeys,
	parseReturns,
	type Returns,
	tellResults,
} from "../search/results.ts";
import type { Selected } from "../selected.ts";
import { type Completion, type Invocation, selectedOf } from "../session.ts";

/** What RFC 9051 §6.4.4 has for a SEARCH without RETURN. */
const RETURN_ALL: Returns = { options: new Set(["ALL"]), partial: undefined };

/** SEARCH, RFC 3501 §6.4.4, with RETURN options (RFC 4731, RFC 5182, RFC 9394). */
export async function search(invocation: Invocation): Promise<Completion> {
	const { parser, session } = invocation;
	const selected = selectedOf(session);
	const given = parseReturns(parser);
	const returns = given ?? (session.rev2 ? RETURN_ALL : undefined);
	return orForget(selected, returns, async () => {
		parseCharset(parser);
		const key = parseKeys(parser);
		await noteKeys(session, selected, key);
		const found = await find(session, selected, key);
		tellResults(invocation, selected, { name: "SEARCH", key, found, returns });
		return {
			limit: lookedAt(session, selected, key).limit,
			keepsNumbers: namesNumbers(key),
		};
	});
}

/** RFC 5182 §2.1: a search that was to be saved and is answered with NO leaves nothing saved. */
export async function orForget<T>(
	selected: Selected,
	returns: Returns | undefined,
	run: () => Promise<T>,
): Promise<T> {
	try {
		return await run();
	} catch (error) {
		const isBad =
			error instanceof ParseFault ||
			(error instanceof Refusal && error.status === "BAD");
		if (returns?.options.has("SAVE") && !isBad) selected.save([]);
		throw error;
	}
}

function parseCharset(parser: Parser): void {
	const at = parser.at;
	const octet = parser.peek() & ~0x20;
	if (octet !== 0x43 || parser.word("a key") !== "CHARSET") {
		parser.at = at;
		return;
	}
	parser.space();
	parseSearchCharset(parser);
	parser.space();
}

/** The name of the charset that texts are in. Refusal BADCHARSET. */
export function parseSearchCharset(parser: Parser): void {
	const charset = parser.astring("a charset").toUpperCase();
	if (charset !== "UTF-8" && charset !== "US-ASCII")
		throw new Refusal(
			"NO",
			"BADCHARSET (UTF-8 US-ASCII)",
			"Only UTF-8 is understood",
		);
}
