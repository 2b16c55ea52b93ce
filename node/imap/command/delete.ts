import { goneLine } from "../list-line.ts";
import { decodeName, octetsOfName } from "../names.ts";
import { accountOf, type Invocation } from "../session.ts";

/** DELETE, RFC 3501 §6.3.4. A mailbox with others below it stays (RFC 9051 §6.3.5). */
export async function remove({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const account = accountOf(session);
	const name = decodeName(octets, session);
	const info = account.find(name);
	const id = info?.id;
	await account.remove(name);
	// RFC 9051 §6.3.5: under which name it was.
	if (session.rev2 && info && octetsOfName(info.name, session) !== octets)
		session.output.text(goneLine(session, info.name, octets));
	if (id !== undefined) session.notifier?.ownName(id);
	// The session that deletes its own mailbox is told nothing of its messages any more.
	if (id !== undefined && session.selected?.mailbox.id === id) {
		session.unselect();
		session.output.text("* OK [CLOSED] The selected mailbox is deleted\r\n");
	}
}
