import type { Uid } from "../../../sync/ids.ts";
import { limitCode } from "../message-limit.ts";
import type { Selected } from "../selected.ts";
import {
	type Completion,
	type Invocation,
	type Session,
	writableOf,
} from "../session.ts";

/** EXPUNGE, RFC 3501 §6.4.3, and UID EXPUNGE, RFC 4315 §2.1. The client is told at the end of the command. */
export async function expunge({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion | undefined> {
	const set = byUid ? parser.sequenceSet() : undefined;
	parser.end();
	const selected = writableOf(session);
	const among =
		set === undefined
			? selected.known.uids
			: selected.targets(set, true).targets.map(({ message }) => message.uid);
	const all = deletedAmong(selected, among);
	const max = session.surroundings.messagesPerCommandMax;
	// RFC 9738 §3.1: UID EXPUNGE is bounded; EXPUNGE and CLOSE must not be.
	const isTooMany = byUid && all.length > max;
	const uids = isTooMany ? all.slice(-max) : all;
	if (uids.length === 0) return undefined;
	await selected.mailbox.expunge(uids);
	return {
		limit: isTooMany ? limitCode(max, uids[0]) : undefined,
		code: () => highestModSeq(session),
	};
}

/** RFC 7162 §3.2.7: where the client stands after the expunges it was told. */
export const highestModSeq = ({
	enabled,
	selected,
}: Session): string | undefined =>
	enabled.has("QRESYNC") && selected !== undefined
		? `HIGHESTMODSEQ ${selected.known.settledModSeq}`
		: undefined;

/** Those that have \Deleted. Only what the client knows is ever given: it must not lose what it never saw. */
export const deletedAmong = (
	{ mailbox }: Selected,
	uids: readonly Uid[],
): Uid[] =>
	uids.filter((uid) => mailbox.get(uid)?.flags.includes("\\Deleted") === true);
