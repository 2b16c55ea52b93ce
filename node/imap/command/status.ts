import type { MailboxStatus } from "../../../sync/api.ts";
import { enableCondstore } from "../condstore.ts";
import { decodeName, encodeName } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { accountOf, type Invocation, type Session } from "../session.ts";
import { tell } from "../tell.ts";

const items: Readonly<Record<string, (of: MailboxStatus) => number>> = {
	// RFC 7162 §3.1.7
	HIGHESTMODSEQ: (of) => of.highestModSeq,
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
	await beforeStatus(session, names);
	const status = await accountOf(session).status(name);
	session.output.text(statusLine(name, names, status));
}

/** RFC 7162 §3.1: whoever asks for mod-sequences wants them; and none may run ahead of what was told (rule 16). */
export async function beforeStatus(
	session: Session,
	names: readonly string[],
): Promise<void> {
	if (!names.includes("HIGHESTMODSEQ")) return;
	enableCondstore(session);
	await tell(session, true);
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
