import { type Completion, type Invocation, writableOf } from "../session.ts";
import { copyUid, orTryCreate, parseTransfer, uidsOf } from "./copy.ts";
import { highestModSeq } from "./expunge.ts";

/** MOVE, RFC 6851. COPYUID comes untagged, before the EXPUNGEs that the end of the command tells (§4.3). */
export async function move(
	invocation: Invocation,
): Promise<Completion | undefined> {
	const { session } = invocation;
	const { target, targets } = parseTransfer(invocation);
	const { mailbox } = writableOf(session);
	if (targets.length === 0) return undefined;
	const placed = await orTryCreate(mailbox.move(uidsOf(targets), target));
	const code = copyUid(placed, targets);
	if (code !== undefined) session.output.text(`* OK [${code}] Moved\r\n`);
	// RFC 6851 §4.4
	return { code: () => highestModSeq(session) };
}
