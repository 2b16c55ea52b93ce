import { find } from "../search/find.ts";
import { parseKeys } from "../search/keys.ts";
import { requireWhole } from "../search/looked-at.ts";
import {
	namesNumbers,
	noteKeys,
	parseReturns,
	tellResults,
} from "../search/results.ts";
import { parseCriteria, sorted } from "../search/sort.ts";
import { type Completion, type Invocation, selectedOf } from "../session.ts";
import { orForget, parseSearchCharset } from "./search.ts";

/** SORT, RFC 5256 §3, with RETURN options (RFC 5267 §3). */
export async function sort(invocation: Invocation): Promise<Completion> {
	const { parser, session } = invocation;
	const selected = selectedOf(session);
	const returns = parseReturns(parser);
	return orForget(selected, returns, async () => {
		const criteria = parseCriteria(parser);
		parser.space();
		parseSearchCharset(parser);
		parser.space();
		const key = parseKeys(parser);
		await noteKeys(session, selected, key);
		requireWhole(session, selected, key);
		const found = await find(session, selected, key);
		const ordered = await sorted(
			session.surroundings,
			selected,
			found,
			criteria,
		);
		tellResults(invocation, selected, {
			name: "SORT",
			key,
			found: ordered,
			returns,
		});
		return {
			keepsNumbers: namesNumbers(key),
		};
	});
}
