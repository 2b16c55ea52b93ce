import type { FlagChange } from "../../../sync/api.ts";
import { applyChange, flagsKey, parseFlags } from "../flags.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Selected, Target } from "../selected.ts";
import { type Completion, type Invocation, writableOf } from "../session.ts";

const modes: Readonly<Record<string, FlagChange["mode"]>> = {
	"+FLAGS": "add",
	"-FLAGS": "remove",
	FLAGS: "replace",
};

/** STORE, RFC 3501 §6.4.6. The flags are told at the end of the command, with all else that changed. */
export async function store({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion | undefined> {
	const set = parser.sequenceSet();
	parser.space();
	const { change, silent } = parseStore(parser);
	parser.end();
	const selected = writableOf(session);
	const { targets, someGone } = selected.targets(set, byUid);
	if (silent) expect(selected, targets, change);
	else for (const { uid } of targets) selected.known.owed.add(uid);
	if (targets.length > 0)
		await selected.mailbox.store(
			targets.map(({ message }) => message.uid),
			change,
		);
	return someGone && !byUid
		? { code: "EXPUNGEISSUED", text: "Some of the messages are gone" }
		: undefined;
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
		if (uid === message.uid && !stale.has(uid))
			known.expected.set(uid, flagsKey(applyChange(message.flags, change)));
}
