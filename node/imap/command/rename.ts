import { listLine } from "../list-line.ts";
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
	const account = accountOf(session);
	await account.rename(decodeName(from, session), decodeName(to, session));
	const info = account.find(decodeName(to, session));
	if (info !== undefined) session.notifier?.ownName(info.id);
	// RFC 9051 §6.3.6
	if (session.rev2 && info !== undefined)
		session.output.text(listLine(session, info, from));
}
