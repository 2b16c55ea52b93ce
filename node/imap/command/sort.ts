import { find } from "../search/find.ts";
import { parseKeys } from "../search/keys.ts";
import { parseCriteria, sorted } from "../search/sort.ts";
import { type Invocation, selectedOf } from "../session.ts";
import { parseSearchCharset, tellNamed } from "./search.ts";

/** SORT, RFC 5256 §3. */
export async function sort({
	parser,
	session,
	byUid,
}: Invocation): Promise<undefined> {
	const criteria = parseCriteria(parser);
	parser.space();
	parseSearchCharset(parser);
	parser.space();
	const key = parseKeys(parser);
	const selected = selectedOf(session);
	tellNamed(selected.mailbox, key);
	const found = await find(session, selected, key);
	const ordered = await sorted(session.surroundings, found, criteria);
	const numbers = ordered.map(({ uid, number }) => (byUid ? uid : number));
	session.output.text(
		`* SORT${numbers.map((number) => ` ${number}`).join("")}\r\n`,
	);
}
