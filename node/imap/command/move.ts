import { newest } from "../message-limit.ts";
import { type Completion, type Invocation, writableOf } from "../session.ts";
import {
	copyUid,
	noteOwn,
	orTryCreate,
	parseTransfer,
	uidsOf,
} from "./copy.ts";
import { highestModSeq } from "./expunge.ts";

/** MOVE, RFC 6851. COPYUID comes untagged, before the EXPUNGEs that the end of the command tells (§4.3). */
export async function move(
	invocation: Invocation,
): Promise<Completion | undefined> {
	const { session } = invocation;
	const { target, targets: all } = parseTransfer(invocation);
	const { mailbox } = writableOf(session);
	if (all.length === 0) return undefined;
	// Not all or nothing, as COPY is (RFC 6851 §3.3).
	const { targets: newestFirst, limit } = newest(session, all);
	const targets = [...newestFirst].sort((a, b) => a.uid - b.uid);
	const placed = await orTryCreate(mailbox.move(uidsOf(targets), target));
	noteOwn(session, target, placed, targets);
	const code = copyUid(placed, targets);
	if (code !== undefined) session.output.text(`* OK [${code}] Moved\r\n`);
	// RFC 6851 §4.4
	return { limit, code: () => highestModSeq(session) };
}
