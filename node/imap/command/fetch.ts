import type { Uid, UidRange } from "../../../sync/ids.ts";
import { without } from "../../../sync/ranges.ts";
import { Refusal } from "../answer.ts";
import { enableCondstore, nameToken, parseModSeq } from "../condstore.ts";
import { answer } from "../fetch/answer.ts";
import { type FetchItems, parseFetchItems } from "../fetch/items.ts";
import { limitCode, newest } from "../message-limit.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { cut, type PartialRange, parsePartial } from "../search/results.ts";
import type { Selected, Target } from "../selected.ts";
import { formatRanges, normalise, type SequenceSet } from "../sequence-set.ts";
import {
	type Completion,
	type Invocation,
	type Session,
	selectedOf,
} from "../session.ts";
import { tell } from "../tell.ts";
import { expect } from "./store.ts";

interface Modifiers {
	/** RFC 7162 §3.1.4.1 */
	readonly changedSince: number | undefined;
	/** RFC 7162 §3.2.6 */
	readonly vanished: boolean;
	/** RFC 9394 §3.3 */
	readonly partial: PartialRange | undefined;
}

/** FETCH, RFC 3501 §6.4.5, also of what has changed since (RFC 7162 §3.1.4). */
export async function fetch({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion | undefined> {
	const set = parser.sequenceSet();
	parser.space();
	const asked = parseFetchItems(parser);
	const modifiers = parseModifiers(parser);
	parser.end();
	const { changedSince, vanished, partial } = modifiers;
	if (partial !== undefined && !byUid)
		throw new ParseFault("PARTIAL needs UID FETCH");
	if (
		vanished &&
		!(byUid && changedSince !== undefined && session.enabled.has("QRESYNC"))
	)
		throw new ParseFault(
			"VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC",
		);
	if (partial !== undefined) requireFewPlaces(session, partial);
	const selected = selectedOf(session);
	if (changedSince !== undefined)
		await nameToken(session, selected, changedSince);
	else if (asked.plain.includes("MODSEQ")) enableCondstore(session);
	const found = selected.targets(set, byUid);
	const named = found.targets.filter(({ number }) => number > 0);
	if (vanished) tellVanished(session, selected, set);
	const limited = newest(
		session,
		partial === undefined ? named : cut(named, partial),
	);
	const targets = changedOf(selected, limited.targets, changedSince);
	const seen = await markSeen(session, selected, asked, targets);
	const items = withImplied(asked, session, {
		byUid,
		seen: seen === "to be told",
		changedSince,
	});
	const current = seen
		? targets.map((target) => refresh(selected, target))
		: targets;
	await answer(session, items, current);
	const { limit } = limited;
	return found.someGone && !byUid
		? { limit, code: "EXPUNGEISSUED", text: "Some of the messages are gone" }
		: { limit };
}

/** RFC 9738 §3.1: it is the client that says how many it wants. */
function requireFewPlaces(
	{ surroundings }: Session,
	{ low, high }: PartialRange,
): void {
	const max = surroundings.messagesPerCommandMax;
	if (high - low >= max)
		throw new Refusal("NO", limitCode(max), "Too many messages at once");
}

/** ` (CHANGEDSINCE 4711 VANISHED)` (RFC 4466 §2.4). */
function parseModifiers(parser: Parser): Modifiers {
	let changedSince: number | undefined;
	let vanished = false;
	let partial: PartialRange | undefined;
	if (!parser.take(" ") || parser.atEnd)
		return { changedSince, vanished, partial };
	parser.list("modifiers", () => {
		const name = parser.word("a modifier");
		if (name === "VANISHED") vanished = true;
		else if (name === "CHANGEDSINCE") {
			parser.space();
			changedSince = parseModSeq(parser);
		} else if (name === "PARTIAL") {
			parser.space();
			partial = parsePartial(parser);
		} else throw new ParseFault("unknown modifier of FETCH");
	});
	return { changedSince, vanished, partial };
}

/** Those with a change that a client need not know which was told `token` (rule 13). */
function changedOf(
	{ mailbox }: Selected,
	targets: readonly Target[],
	token: number | undefined,
): readonly Target[] {
	if (token === undefined) return targets;
	const changed = new Set(mailbox.changedSince(token));
	return targets.filter(({ message }) => changed.has(message.uid));
}

/**
 * Of the UIDs that the set names, those that are gone (rule 15). Messages that this session knows are not among them:
 * of these it hears without EARLIER, in its turn (RFC 7162 §3.2.10).
 */
function tellVanished(
	session: Session,
	{ known, mailbox }: Selected,
	set: SequenceSet,
): void {
	const highest = mailbox.uidNext - 1;
	const ranges = normalise(set, known.uids.at(-1) ?? 0)
		.map(([low, high]): UidRange => [low, Math.min(high, highest)])
		.filter(([low, high]) => low <= high);
	const gone = mailbox.vanished(without(ranges, known.uids));
	if (gone.length > 0)
		session.output.text(`* VANISHED (EARLIER) ${formatRanges(gone)}\r\n`);
}

/**
 * UID FETCH always answers the UID (RFC 3501 §6.4.8), CHANGEDSINCE the mod-sequence (RFC 7162 §3.1.4.1), and what sets
 * \Seen the flags (RFC 3501 §6.4.5).
 */
function withImplied(
	items: FetchItems,
	{ uidOnly }: Session,
	asked: {
		readonly byUid: boolean;
		readonly seen: boolean;
		readonly changedSince: number | undefined;
	},
): FetchItems {
	const plain = [...items.plain];
	// RFC 9586 §3.3: UIDFETCH names it already.
	if (asked.byUid && !uidOnly && !plain.includes("UID")) plain.unshift("UID");
	if (asked.seen && !plain.includes("FLAGS")) plain.push("FLAGS");
	if (asked.changedSince !== undefined && !plain.includes("MODSEQ"))
		plain.push("MODSEQ");
	return { ...items, plain, uidOnly };
}

/** Sets \Seen where the sections ask for it. Undefined: nothing was changed. */
async function markSeen(
	session: Session,
	selected: Selected,
	{ sections }: FetchItems,
	targets: readonly Target[],
): Promise<"told" | "to be told" | undefined> {
	if (selected.readOnly || sections.every(({ peek }) => peek)) return undefined;
	const unseen = targets.filter(
		({ message }) => !message.flags.includes("\\Seen"),
	);
	if (unseen.length === 0) return undefined;
	const change = { mode: "add", flags: ["\\Seen"] } as const;
	const uids: Uid[] = unseen.map(({ message }) => message.uid);
	// With mod-sequences the flags are told first, in the order of stamps, whatever becomes of the texts (rule 16).
	if (!session.condstore) expect(selected, unseen, change);
	try {
		await selected.mailbox.store(uids, change);
	} catch (error) {
		// Reading goes on where writing cannot, as on a full disk.
		session.log.warn("cannot mark messages as seen", { error });
		selected.known.expected.clear();
		return undefined;
	}
	if (!session.condstore) return "to be told";
	await tell(session, false);
	return "told";
}

const refresh = (selected: Selected, target: Target): Target => {
	const message = selected.mailbox.resolve(target.uid) ?? target.message;
	return { ...target, message, modSeq: selected.tellable(message) };
};
