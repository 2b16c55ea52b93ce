import type { FlagChange } from "../../../sync/api.ts";
import type { Uid } from "../../../sync/ids.ts";
import { nameToken, parseModSeq } from "../condstore.ts";
import { applyChange, flagsKey, parseFlags } from "../flags.ts";
import { newest } from "../message-limit.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Selected, Target } from "../selected.ts";
import { format } from "../sequence-set.ts";
import { type Completion, type Invocation, writableOf } from "../session.ts";

const modes: Readonly<Record<string, FlagChange["mode"]>> = {
	"+FLAGS": "add",
	"-FLAGS": "remove",
	FLAGS: "replace",
};

/**
 * STORE, RFC 3501 §6.4.6, also only of what has not changed meanwhile (RFC 7162 §3.1.3). The flags are told at the end
 * of the command, with all else that changed.
 */
export async function store({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion | undefined> {
	const set = parser.sequenceSet();
	parser.space();
	const unchangedSince = parseModifiers(parser);
	const { change, silent } = parseStore(parser);
	parser.end();
	const selected = writableOf(session);
	if (unchangedSince !== undefined)
		await nameToken(session, selected, unchangedSince);
	const found = selected.targets(set, byUid);
	const { targets, limit } = newest(session, found.targets);
	if (silent) expect(selected, targets, change);
	else for (const { uid } of targets) selected.known.owed.add(uid);
	const modified =
		targets.length === 0
			? []
			: await selected.mailbox.store(
					targets.map(({ message }) => message.uid),
					change,
					unchangedSince,
				);
	if (unchangedSince !== undefined) promise(selected, targets, modified);
	if (modified.length > 0)
		return {
			limit,
			code: modifiedCode(targets, modified, byUid),
			text: "Some messages have been changed meanwhile",
		};
	return found.someGone && !byUid
		? { limit, code: "EXPUNGEISSUED", text: "Some of the messages are gone" }
		: { limit };
}

/** `(UNCHANGEDSINCE 4711) ` (RFC 4466 §2.5, RFC 7162 §3.1.3). */
function parseModifiers(parser: Parser): number | undefined {
	if (!parser.atList) return undefined;
	const values = parser.list("modifiers", () => {
		if (parser.word("a modifier") !== "UNCHANGEDSINCE")
			throw new ParseFault("unknown modifier of STORE");
		parser.space();
		return parseModSeq(parser);
	});
	parser.space();
	return Math.min(...values);
}

function parseStore(parser: Parser): { change: FlagChange; silent: boolean } {
	const word = parser.word("FLAGS");
	const silent = word.endsWith(".SILENT");
	const name = silent ? word.slice(0, -".SILENT".length) : word;
	const mode = Object.hasOwn(modes, name) ? modes[name] : undefined;
	if (mode === undefined) throw new ParseFault("unknown item to store");
	parser.space();
	return { change: { mode, flags: parseFlags(parser) }, silent };
}

/**
 * What a conditional STORE always answers: the mod-sequence of what it changed, and all about what it left alone, so
 * that the client need not ask (RFC 7162 §3.1.3).
 */
function promise(
	{ known }: Selected,
	targets: readonly Target[],
	modified: readonly Uid[],
): void {
	const left = new Set(modified);
	for (const { uid, message } of targets)
		if (left.has(message.uid)) {
			known.expected.delete(uid);
			known.owed.add(uid);
		} else if (!known.owed.has(uid)) known.owedModSeq.add(uid);
}

/** MODIFIED, RFC 7162 §3.1.3: by message number or UID, as the command named them. */
function modifiedCode(
	targets: readonly Target[],
	modified: readonly Uid[],
	byUid: boolean,
): string {
	const left = new Set(modified);
	const names = targets
		.filter(({ message }) => left.has(message.uid))
		.map(({ number, uid }) => (byUid ? uid : number))
		.sort((a, b) => a - b);
	return `MODIFIED ${format(names)}`;
}

/**
 * Notes which flags the client will take these messages to have, so that they are told only if they come out otherwise.
 * Of messages that others have changed since the client was last told, it has a wrong idea: those are told.
 */
export function expect(
	{ known, mailbox }: Selected,
	targets: readonly Target[],
	change: FlagChange,
): void {
	const untold = mailbox.touchedSince(known.cursor);
	if (untold === "all") return;
	const stale = new Set(untold);
	for (const { uid, message } of targets)
		if (uid === message.uid && !stale.has(uid) && !known.unsure.has(uid))
			known.expected.set(uid, flagsKey(applyChange(message.flags, change)));
}
