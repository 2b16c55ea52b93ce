import { ParseFault } from "../parser.ts";
import type { Invocation } from "../session.ts";

/** RFC 2971 §3.3: at most 30 pairs. */
const PAIRS_MAX = 30;

/** ID, RFC 2971. Says the name, but no version: before login that would only help an attacker. */
export function id({ parser, session }: Invocation): undefined {
	const fields: string[] = [];
	if (!parser.atList) {
		if (parser.nstring("NIL or a list") !== undefined)
			throw new ParseFault("expected NIL or a list");
	} else if (!takeEmptyList()) {
		parser.list("a list of names and values", () => {
			const name = parser.string("a name");
			parser.space();
			fields.push(name, parser.nstring("a value") ?? "");
			if (fields.length > 2 * PAIRS_MAX)
				throw new ParseFault("more than 30 pairs");
		});
	}
	parser.end();
	session.log.debug("IMAP client", { id: fields.join(" ").slice(0, 1000) });
	session.output.text('* ID ("name" "pmnode")\r\n');

	function takeEmptyList(): boolean {
		const at = parser.at;
		parser.take("(");
		if (parser.take(")")) return true;
		parser.at = at;
		return false;
	}
}
