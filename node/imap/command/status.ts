import type { MailboxInfo, MailboxStatus } from "../../../sync/api.ts";
import { ClientFault } from "../../../sync/faults.ts";
import { MESSAGE_BYTES_MAX } from "../../../sync/limits.ts";
import { enableCondstore } from "../condstore.ts";
import { decodeName, encodeName } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { accountOf, type Invocation, type Session } from "../session.ts";
import { tell } from "../tell.ts";

const items: Readonly<
	Record<string, (of: MailboxStatus, info: MailboxInfo) => number | string>
> = {
	// RFC 7889 §3
	APPENDLIMIT: () => MESSAGE_BYTES_MAX,
	// RFC 9051 §6.3.11
	DELETED: (of) => of.deleted,
	// RFC 9208 §4.1.4
	"DELETED-STORAGE": (of) => Math.ceil(of.deletedBytes / 1024),
	// RFC 7162 §3.1.7
	HIGHESTMODSEQ: (of) => of.highestModSeq,
	// RFC 8474 §4.3
	MAILBOXID: (_, { id }) => `(${id})`,
	MESSAGES: (of) => of.messages,
	RECENT: () => 0,
	// RFC 8438
	SIZE: (of) => of.sizeBytes,
	UIDNEXT: (of) => of.uidNext,
	UIDVALIDITY: (of) => of.uidValidity,
	UNSEEN: (of) => of.unseen,
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
	const name = decodeName(octets, session);
	await beforeStatus(session, names);
	session.output.text(await statusLine(session, name, names));
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

/** The untagged STATUS response. ClientFault NONEXISTENT. */
export async function statusLine(
	session: Session,
	name: string,
	names: readonly string[],
): Promise<string> {
	const account = accountOf(session);
	const status = await account.status(name);
	const info = account.find(name);
	if (info === undefined)
		throw new ClientFault("NONEXISTENT", "the mailbox has gone");
	const values = names.map((item) => `${item} ${items[item]?.(status, info)}`);
	return `* STATUS ${encodeName(info.name, session)} (${values.join(" ")})\r\n`;
}
