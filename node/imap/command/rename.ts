import { decodeName } from "../names.ts";
import { accountOf, type Invocation } from "../session.ts";

/** RENAME, RFC 3501 §6.3.5. */
export async function rename({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const from = parser.astring("a mailbox name");
	parser.space();
	const to = parser.astring("a mailbox name");
	parser.end();
	await accountOf(session).rename(decodeName(from), decodeName(to));
}
