import { type Invocation, selectedOf } from "../session.ts";
import { deletedAmong } from "./expunge.ts";

/** CLOSE, RFC 3501 §6.4.2: expunges without telling, then deselects. */
export async function close({
	parser,
	session,
}: Invocation): Promise<undefined> {
	parser.end();
	const selected = selectedOf(session);
	if (!selected.readOnly) {
		const uids = deletedAmong(selected, selected.known.uids);
		if (uids.length > 0) await selected.mailbox.expunge(uids);
	}
	session.unselect();
}
