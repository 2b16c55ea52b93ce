import { decodeName, SEPARATOR } from "../names.ts";
import { accountOf, type Invocation } from "../session.ts";

/** CREATE, RFC 3501 §6.3.3. */
export async function create({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const name = decodeName(octets);
	// A trailing separator only declares that names will be made under this one.
	const bare =
		name.length > 1 && name.endsWith(SEPARATOR) ? name.slice(0, -1) : name;
	await accountOf(session).create(bare);
}
