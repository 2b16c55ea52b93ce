import { BODY_MEMORY_BYTES_MAX } from "../../../sync/limits.ts";
import { BodyUnavailable } from "../../../sync/ports/bodies.ts";
import { Refusal } from "../answer.ts";
import { type FetchItems, parseFetchItems } from "../fetch/items.ts";
import { readAhead } from "../fetch/read-ahead.ts";
import { type Piece, render, renderPlain } from "../fetch/render.ts";
import { writePieces } from "../fetch/write.ts";
import type { Selected, Target } from "../selected.ts";
import {
	type Completion,
	type Invocation,
	type Session,
	selectedOf,
} from "../session.ts";
import { expect } from "./store.ts";

/** What envelope and structure take in memory, about. */
const STRUCTURE_BYTES = 1024;

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
	if (items.structure.length + items.sections.length === 0)
		await fetchPlain(session, items, current);
	else await fetchAll(session, items, current);
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

/** Without waiting for anything but the client. */
async function fetchPlain(
	{ output }: Session,
	{ plain }: FetchItems,
	targets: readonly Target[],
): Promise<void> {
	for (const target of targets) {
		output.text(`* ${target.number} FETCH (${renderPlain(plain, target)})\r\n`);
		if (output.crowded) await output.room();
	}
}

/** Reads some messages ahead while earlier ones are written. */
async function fetchAll(
	session: Session,
	items: FetchItems,
	targets: readonly Target[],
): Promise<void> {
	const { surroundings, output } = session;
	const { bodies } = surroundings;
	let unavailable: BodyUnavailable | undefined;
	const prepare = async (target: Target): Promise<Piece[]> => {
		// One message that cannot be had costs a wait; after it only what lies here is answered.
		if (unavailable !== undefined && !(await bodies.has(target.message.body)))
			throw unavailable;
		return render(surroundings, items, target);
	};
	const results = readAhead(targets, prepare, (target) =>
		costOf(target, items),
	);
	for (const pieces of results) {
		try {
			await writePieces(session, await pieces);
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
			unavailable = error;
		}
		if (output.crowded) await output.room();
	}
	if (unavailable !== undefined)
		throw new Refusal(
			"NO",
			"UNAVAILABLE",
			"Some messages have not arrived at this node yet",
		);
}

/** Memory that a message read ahead may take. */
const costOf = ({ message }: Target, { sections }: FetchItems): number =>
	sections.length === 0
		? STRUCTURE_BYTES
		: Math.min(message.body.sizeBytes, BODY_MEMORY_BYTES_MAX) * sections.length;
