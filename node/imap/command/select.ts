import type { Uid } from "../../../sync/ids.ts";
import { SYSTEM_FLAGS } from "../flags.ts";
import { decodeName } from "../names.ts";
import { Selected } from "../selected.ts";
import { accountOf, type Completion, type Invocation } from "../session.ts";
import { flagList } from "../tell.ts";

/** SELECT, RFC 3501 §6.3.1. */
export const select = (invocation: Invocation): Promise<Completion> =>
	open(invocation, false);

/** EXAMINE, RFC 3501 §6.3.2. */
export const examine = (invocation: Invocation): Promise<Completion> =>
	open(invocation, true);

async function open(
	{ parser, session }: Invocation,
	readOnly: boolean,
): Promise<Completion> {
	const octets = parser.astring("a mailbox name");
	parser.end();
	const { output } = session;
	if (session.selected !== undefined) {
		// Also when the new one cannot be opened (RFC 3501 §6.3.1).
		session.unselect();
		output.text("* OK [CLOSED] Previous mailbox closed\r\n");
	}
	const mailbox = await accountOf(session).select(decodeName(octets));
	const selected = new Selected(mailbox, readOnly);
	session.selected = selected;
	const { uids } = selected.known;
	const firstUnseen = survey(selected, uids);
	const flags = flagList(selected);
	const permanent = readOnly ? "()" : `${flags.slice(0, -1)} \\*)`;
	output.text(
		`* FLAGS ${flags}\r\n* ${uids.length} EXISTS\r\n* 0 RECENT\r\n${
			firstUnseen === 0
				? ""
				: `* OK [UNSEEN ${firstUnseen}] First unseen message\r\n`
		}* OK [PERMANENTFLAGS ${permanent}] Flags that last\r\n* OK [UIDVALIDITY ${
			mailbox.uidValidity
		}] UIDs valid\r\n* OK [UIDNEXT ${mailbox.uidNext}] Next UID\r\n`,
	);
	return { code: readOnly ? "READ-ONLY" : "READ-WRITE" };
}

const systemFlags: ReadonlySet<string> = new Set(SYSTEM_FLAGS);

/** Notes which keywords are in use; returns the number of the first message without \Seen, or 0. */
function survey(selected: Selected, uids: readonly Uid[]): number {
	const { keywords, mailbox } = selected;
	let firstUnseen = 0;
	for (let index = 0; index < uids.length; index++) {
		const flags = mailbox.get(uids[index] as Uid)?.flags ?? [];
		if (firstUnseen === 0 && !flags.includes("\\Seen")) firstUnseen = index + 1;
		for (const flag of flags)
			if (!systemFlags.has(flag)) keywords.set(flag.toLowerCase(), flag);
	}
	return firstUnseen;
}
