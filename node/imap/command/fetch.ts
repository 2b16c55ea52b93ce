import { answer } from "../fetch/answer.ts";
import { type FetchItems, parseFetchItems } from "../fetch/items.ts";
import type { Selected, Target } from "../selected.ts";
import {
	type Completion,
	type Invocation,
	type Session,
	selectedOf,
} from "../session.ts";
import { expect } from "./store.ts";

/** FETCH, RFC 3501 §6.4.5. */
export async function fetch({
	parser,
	session,
	byUid,
}: Invocation): Promise<Completion | undefined> {
	const set = parser.sequenceSet();
	parser.space();
	const asked = parseFetchItems(parser);
	parser.end();
	const selected = selectedOf(session);
	const found = selected.targets(set, byUid);
	const targets = found.targets.filter(({ number }) => number > 0);
	const seen = await markSeen(session, selected, asked, targets);
	const items = withImplied(asked, byUid, seen);
	const current = seen
		? targets.map((target) => refresh(selected, target))
		: targets;
	await answer(session, items, current);
	return found.someGone && !byUid
		? { code: "EXPUNGEISSUED", text: "Some of the messages are gone" }
		: undefined;
}

/** UID FETCH always answers the UID (RFC 3501 §6.4.8); what sets \Seen answers the flags (§6.4.5). */
function withImplied(
	items: FetchItems,
	byUid: boolean,
	seen: boolean,
): FetchItems {
	const plain = [...items.plain];
	if (byUid && !plain.includes("UID")) plain.unshift("UID");
	if (seen && !plain.includes("FLAGS")) plain.push("FLAGS");
	return { ...items, plain };
}

/** Sets \Seen where the sections ask for it. True if any message was changed. */
async function markSeen(
	session: Session,
	selected: Selected,
	{ sections }: FetchItems,
	targets: readonly Target[],
): Promise<boolean> {
	if (selected.readOnly || sections.every(({ peek }) => peek)) return false;
	const unseen = targets.filter(
		({ message }) => !message.flags.includes("\\Seen"),
	);
	if (unseen.length === 0) return false;
	const change = { mode: "add", flags: ["\\Seen"] } as const;
	expect(selected, unseen, change);
	try {
		await selected.mailbox.store(
			unseen.map(({ message }) => message.uid),
			change,
		);
		return true;
	} catch (error) {
		// Reading goes on where writing cannot, as on a full disk.
		session.log.warn("cannot mark messages as seen", { error });
		selected.known.expected.clear();
		return false;
	}
}

const refresh = (selected: Selected, target: Target): Target => ({
	...target,
	message: selected.mailbox.resolve(target.uid) ?? target.message,
});
