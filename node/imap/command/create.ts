import type { Role } from "../../../sync/api.ts";
import { Refusal } from "../answer.ts";
import { listLine } from "../list-line.ts";
import { decodeName, octetsOfName, SEPARATOR } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { accountOf, type Completion, type Invocation } from "../session.ts";

/** Uses that a mailbox can be made for (RFC 6154 §2). */
const uses: Readonly<Record<string, Exclude<Role, "inbox">>> = {
	ARCHIVE: "archive",
	DRAFTS: "drafts",
	JUNK: "junk",
	SENT: "sent",
	TRASH: "trash",
};

const USES = "\\Archive \\Drafts \\Junk \\Sent \\Trash";

/** CREATE, RFC 3501 §6.3.3, for a special use too (RFC 6154 §3), with MAILBOXID (RFC 8474 §4.1). */
export async function create({
	parser,
	session,
}: Invocation): Promise<Completion> {
	const octets = parser.astring("a mailbox name");
	const role = parser.take(" ") && parser.atList ? parseUse(parser) : undefined;
	parser.end();
	const name = decodeName(octets, session);
	// A trailing separator only declares that names will be made under this one.
	const bare =
		name.length > 1 && name.endsWith(SEPARATOR) ? name.slice(0, -1) : name;
	const account = accountOf(session);
	await account.create(bare, role);
	const info = account.find(bare);
	if (info === undefined) return {};
	session.notifier?.ownName(info.id);
	// RFC 9051 §6.3.4: under which name it came to be.
	if (session.rev2 && octetsOfName(info.name, session) !== octets)
		session.output.text(listLine(session, info, octets));
	return { code: `MAILBOXID (${info.id})` };
}

/** `(USE (\Sent))`, RFC 6154 §6. */
function parseUse(parser: Parser): Exclude<Role, "inbox"> | undefined {
	const asked: string[] = [];
	parser.list("parameters", () => {
		if (parser.word("a parameter") !== "USE")
			throw new ParseFault("unknown parameter of CREATE");
		parser.space();
		const take = () => {
			parser.expect("\\", "a special use");
			asked.push(parser.word("a special use"));
		};
		parser.list("special uses", take, true);
	});
	const [first] = asked;
	if (first === undefined) return undefined;
	const role = Object.hasOwn(uses, first) ? uses[first] : undefined;
	if (role === undefined || asked.length > 1)
		throw new Refusal(
			"NO",
			"USEATTR",
			`A mailbox may have one of these uses: ${USES}`,
		);
	return role;
}
