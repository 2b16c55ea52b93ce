import type { ToldElsewhere } from "../../../sync/api.ts";
import type { Uid, UidRange } from "../../../sync/ids.ts";
import { Refusal } from "../answer.ts";
import { enableCondstore, modSeqItem, parseModSeq } from "../condstore.ts";
import { fetchHead } from "../fetch/render.ts";
import { SYSTEM_FLAGS } from "../flags.ts";
import { listLine } from "../list-line.ts";
import { decodeName } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { Selected } from "../selected.ts";
import {
	contains,
	formatRanges,
	normalise,
	SAVED,
	type SequenceSet,
	STAR,
} from "../sequence-set.ts";
import {
	accountOf,
	type Completion,
	type Invocation,
	type Session,
} from "../session.ts";
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
	const { condstore, resync } = parseParameters(parser, session.uidOnly);
	parser.end();
	if (resync !== undefined && !session.enabled.has("QRESYNC"))
		throw new ParseFault("QRESYNC needs ENABLE QRESYNC");
	const { output } = session;
	if (session.selected !== undefined) {
		// Also when the new one cannot be opened (RFC 3501 §6.3.1).
		session.unselect();
		output.text("* OK [CLOSED] Previous mailbox closed\r\n");
	}
	if (condstore) enableCondstore(session);
	const name = decodeName(octets, session);
	const account = accountOf(session);
	const mailbox = await account.select(name, resync);
	session.surroundings.texts.looking(account);
	const selected = new Selected(mailbox, readOnly);
	session.selected = selected;
	tellState(session, selected);
	// RFC 9051 §6.3.2: under which name it is listed.
	const info = account.find(name);
	if (session.rev2 && info !== undefined)
		output.text(listLine(session, info, octets));
	if (resync?.uidValidity === mailbox.uidValidity)
		await resynchronise(session, selected, resync);
	return { code: readOnly ? "READ-ONLY" : "READ-WRITE" };
}

/** RFC 7162 §3.2.5: what the client knows of the mailbox. */
interface Resync extends ToldElsewhere {
	/** Ascending and disjoint. */
	readonly uids: readonly UidRange[] | undefined;
}

/** ` (CONDSTORE)`, ` (QRESYNC (67890007 20050715194045000 41,43:211 (1,9 41,50)))` (RFC 4466 §2.1). */
function parseParameters(
	parser: Parser,
	uidOnly: boolean,
): {
	condstore: boolean;
	resync: Resync | undefined;
} {
	let condstore = false;
	let resync: Resync | undefined;
	if (!parser.take(" ") || parser.atEnd) return { condstore, resync };
	parser.list("parameters", () => {
		const name = parser.word("a parameter");
		if (name === "CONDSTORE") condstore = true;
		else if (name === "QRESYNC") {
			parser.space();
			resync = parseResync(parser, uidOnly);
		} else throw new ParseFault("unknown parameter of SELECT");
	});
	return { condstore, resync };
}

function parseResync(parser: Parser, uidOnly: boolean): Resync {
	parser.expect("(", "what is known of the mailbox");
	const uidValidity = parser.number("a UIDVALIDITY");
	parser.space();
	const modSeq = parseModSeq(parser);
	let uids: readonly UidRange[] | undefined;
	if (parser.take(" ")) {
		if (!parser.atList) {
			uids = rangesOf(parser.sequenceSet());
			if (parser.take(" ")) skipMatchData(parser, uidOnly);
		} else skipMatchData(parser, uidOnly);
	}
	parser.expect(")", '")" after what is known of the mailbox');
	return { uidValidity, modSeq, uids, uid: uids?.at(-1)?.[1] ?? 0 };
}

/** RFC 7162 §7 known-uids: no "*". */
function rangesOf(set: SequenceSet): UidRange[] {
	if (set === SAVED || set.some(({ from, to }) => from === STAR || to === STAR))
		throw new ParseFault("expected UIDs that are known");
	return normalise(set, 0);
}

/**
 * Which UIDs some message numbers have: they let a server tell less of what has vanished (RFC 7162 §3.2.5.2). Numbers
 * count differently on nodes that have not met, so this one tells all.
 */
function skipMatchData(parser: Parser, uidOnly: boolean): void {
	// RFC 9586 §3.7
	if (uidOnly)
		throw new Refusal("BAD", "UIDREQUIRED", "Message numbers are not in use");
	parser.expect("(", "message numbers and UIDs");
	rangesOf(parser.sequenceSet());
	parser.space();
	rangesOf(parser.sequenceSet());
	parser.expect(")", '")" after message numbers and UIDs');
}

function tellState(session: Session, selected: Selected): void {
	const { mailbox, readOnly, known } = selected;
	const { uids } = known;
	const firstUnseen = survey(selected, uids);
	const flags = flagList(selected);
	const permanent = readOnly ? "()" : `${flags.slice(0, -1)} \\*)`;
	// RFC 9051 appendix E: no RECENT, no UNSEEN; RFC 9586 §3: no message numbers.
	const recent = session.rev2 ? "" : "* 0 RECENT\r\n";
	const unseen =
		firstUnseen === 0 || session.rev2 || session.uidOnly
			? ""
			: `* OK [UNSEEN ${firstUnseen}] First unseen message\r\n`;
	session.output.text(
		`* FLAGS ${flags}\r\n* ${uids.length} EXISTS\r\n${recent}${unseen}* OK [PERMANENTFLAGS ${permanent}] Flags that last\r\n* OK [UIDVALIDITY ${
			mailbox.uidValidity
		}] UIDs valid\r\n* OK [UIDNEXT ${mailbox.uidNext}] Next UID\r\n* OK [HIGHESTMODSEQ ${
			known.modSeq
		}] Highest mod-sequence\r\n* OK [MAILBOXID (${mailbox.id})] Mailbox identifier\r\n`,
	);
}

/** What is gone of what the client knows, then what has changed, in the order of stamps (rules 13, 15, 16). */
async function resynchronise(
	session: Session,
	selected: Selected,
	{ modSeq, uids }: Resync,
): Promise<void> {
	const { output } = session;
	const { mailbox } = selected;
	const changed = mailbox
		.changedSince(modSeq)
		.flatMap((uid) => mailbox.get(uid) ?? [])
		.filter(({ uid }) => uids === undefined || contains(uids, uid))
		.sort((a, b) => a.modSeq - b.modSeq);
	const gone = mailbox.vanished(uids);
	if (gone.length > 0)
		output.text(`* VANISHED (EARLIER) ${formatRanges(gone)}\r\n`);
	for (const message of changed) {
		const { uid, flags } = message;
		const head = fetchHead(session.uidOnly, {
			number: selected.numberOf(uid),
			uid,
		});
		const value = modSeqItem(selected.tellable(message));
		const name = session.uidOnly ? "" : `UID ${uid} `;
		output.text(`${head}${name}FLAGS (${flags.join(" ")}) ${value})\r\n`);
		if (output.crowded) await output.room();
	}
}

const systemFlags: ReadonlySet<string> = new Set(SYSTEM_FLAGS);

interface Survey {
	/** Where the mailbox was then: the same list of UIDs and the same cursor mean that nothing has changed. */
	readonly cursor: number;
	readonly firstUnseen: number;
	readonly keywords: ReadonlyMap<string, string>;
}
const surveys = new WeakMap<readonly Uid[], Survey>();

/** Notes which keywords are in use; returns the number of the first message without \Seen, or 0. */
function survey(selected: Selected, uids: readonly Uid[]): number {
	const { cursor } = selected.known;
	let made = surveys.get(uids);
	if (made?.cursor !== cursor) {
		made = { cursor, ...lookThrough(selected, uids) };
		surveys.set(uids, made);
	}
	for (const [key, keyword] of made.keywords)
		selected.keywords.set(key, keyword);
	return made.firstUnseen;
}

function lookThrough(
	{ mailbox }: Selected,
	uids: readonly Uid[],
): Omit<Survey, "cursor"> {
	const keywords = new Map<string, string>();
	let firstUnseen = 0;
	let before: readonly string[] | undefined;
	for (let index = 0; index < uids.length; index++) {
		const flags = mailbox.flagsOf(uids[index] as Uid) ?? [];
		if (flags === before) continue;
		before = flags;
		if (firstUnseen === 0 && !flags.includes("\\Seen")) firstUnseen = index + 1;
		for (const flag of flags)
			if (!systemFlags.has(flag)) keywords.set(flag.toLowerCase(), flag);
	}
	return { firstUnseen, keywords };
}
