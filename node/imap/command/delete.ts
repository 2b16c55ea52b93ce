import { decodeName } from "../names.ts";
import { accountOf, type Invocation } from "../session.ts";

/** DELETE, RFC 3501 §6.3.4. */
export async function remove({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const account = accountOf(session);
	const name = decodeName(octets, session);
	const id = account.find(name)?.id;
	await account.remove(name);
	if (id !== undefined) session.notifier?.ownName(id);
	// The session that deletes its own mailbox is told nothing of its messages any more.
	if (id !== undefined && session.selected?.mailbox.id === id) {
		session.unselect();
		session.output.text("* OK [CLOSED] The selected mailbox is deleted\r\n");
	}
}
