import type { MailboxStatus } from "../../../sync/api.ts";
import { decodeName, encodeName } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { accountOf, type Invocation } from "../session.ts";

const items: Readonly<Record<string, (of: MailboxStatus) => number>> = {
	MESSAGES: (of) => of.messages,
	RECENT: () => 0,
	UIDNEXT: (of) => of.uidNext,
	UIDVALIDITY: (of) => of.uidValidity,
	UNSEEN: (of) => of.unseen,
	// RFC 9051 §6.3.11
	DELETED: (of) => of.deleted,
	// RFC 8438
	SIZE: (of) => of.sizeBytes,
};

/** STATUS, RFC 3501 §6.3.10. */
export async function statusCommand({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.space();
	const names = parseStatusItems(parser);
	parser.end();
	const name = decodeName(octets);
	const status = await accountOf(session).status(name);
	session.output.text(statusLine(name, names, status));
}

/** `(MESSAGES UNSEEN)`. */
export const parseStatusItems = (parser: Parser): string[] =>
	parser.list("a list of status items", () => {
		const name = parser.word("a status item");
		if (!Object.hasOwn(items, name))
			throw new ParseFault("unknown status item");
		return name;
	});

/** The untagged STATUS response. */
export const statusLine = (
	mailbox: string,
	names: readonly string[],
	status: MailboxStatus,
): string =>
	`* STATUS ${encodeName(mailbox)} (${names
		.map((name) => `${name} ${items[name]?.(status)}`)
		.join(" ")})\r\n`;
