/** Tells a client what has changed in its mailbox. */
import type { Uid } from "../../sync/ids.ts";
import { Bye, Refusal } from "./answer.ts";
import { modSeqItem } from "./condstore.ts";
import { type Difference, difference, nothingNew } from "./difference.ts";
import { answer } from "./fetch/answer.ts";
import type { FetchItems } from "./fetch/items.ts";
import { fetchHead, flagsItem } from "./fetch/render.ts";
import { SYSTEM_FLAGS } from "./flags.ts";
import type { Selected } from "./selected.ts";
import { format, lowerBound } from "./sequence-set.ts";
import type { Session } from "./session.ts";

/** UIDs of one VANISHED response, so that no line is endless. */
const VANISHED_MAX = 10_000;

/** Whether tell() would tell nothing: so it is after most commands, and then nothing is waited for. */
export function isUpToDate(session: Session, mayExpunge: boolean): boolean {
	const { selected, notifier } = session;
	if (selected === undefined) return true;
	if (notifier !== undefined || selected.mailbox.gone) return false;
	return nothingNew(selected.known, selected.mailbox, mayExpunge);
}

/**
 * Writes EXPUNGE or VANISHED (if allowed now), EXISTS and FETCH FLAGS so that the client knows what this node shows.
 * Resolves to the messages whose flags were told. Bye when the mailbox is gone.
 */
export async function tell(
	session: Session,
	mayExpunge: boolean,
): Promise<readonly Uid[]> {
	const { selected } = session;
	if (selected === undefined) return [];
	if (selected.mailbox.gone) {
		session.unselect();
		throw new Bye("The selected mailbox has been deleted");
	}
	const { known } = selected;
	const wishes = wishesOf(session);
	if (wishes === undefined && known.owed.size + known.owedModSeq.size === 0) {
		known.forgetPromises();
		return [];
	}
	const lastKnown = known.uids.at(-1) ?? 0;
	const wasBehind = known.missing.size > 0;
	const told = difference(known, selected.mailbox, mayExpunge);
	await tellExpunged(session, told);
	if (told.exists !== undefined)
		session.output.text(
			`* ${told.exists} EXISTS\r\n${session.rev2 ? "" : "* 0 RECENT\r\n"}`,
		);
	await tellFlags(
		session,
		selected,
		wishes?.flags === false ? withoutOthers(told) : told,
	);
	const fresh =
		told.exists !== undefined && wishes?.items !== undefined
			? await tellNew(session, selected, wishes.items, lastKnown)
			: [];
	const isBehind = known.missing.size > 0;
	// RFC 7162 §3.2: mod-sequences above those of expunges that wait must not become the client's.
	if (
		session.enabled.has("QRESYNC") &&
		(isBehind ? told.changed.length + told.expected.length > 0 : wasBehind)
	)
		session.output.text(
			`* OK [HIGHESTMODSEQ ${known.settledModSeq}] ${isBehind ? "Expunges are still to be told" : "All is told"}\r\n`,
		);
	return fresh.length === 0 ? told.changed : [...told.changed, ...fresh];
}

/** What the client wants to hear of its selected mailbox (RFC 5465 §3.1); undefined: nothing. */
function wishesOf(
	session: Session,
): { flags: boolean; items: FetchItems | undefined } | undefined {
	const { notifier } = session;
	if (notifier === undefined) return { flags: true, items: undefined };
	const group = notifier.selected;
	if (group === undefined) return undefined;
	// With mod-sequences none may be left out, or the client would take it for known.
	const flags = session.condstore || group.events.has("FLAGCHANGE");
	return { flags, items: group.items };
}

/** Without flags that others changed. */
const withoutOthers = (told: Difference): Difference => ({
	...told,
	changed: told.changed.filter((uid) => told.promised.has(uid)),
});

/** What NOTIFY asked to hear of each new message (RFC 5465 §5.2). */
async function tellNew(
	session: Session,
	selected: Selected,
	items: FetchItems,
	lastKnown: number,
): Promise<readonly Uid[]> {
	const from = lowerBound(selected.known.uids, lastKnown + 1);
	const targets = selected.known.uids.slice(from).flatMap((uid, index) => {
		const message = selected.mailbox.get(uid);
		return message === undefined
			? []
			: [
					{
						number: from + index + 1,
						uid,
						message,
						modSeq: selected.tellable(message),
					},
				];
	});
	const plain = [...items.plain];
	// RFC 7162 §3.2.4
	for (const item of ["UID", "MODSEQ"] as const)
		if (session.condstore && !plain.includes(item)) plain.push(item);
	try {
		await answer(
			session,
			{ ...items, plain, uidOnly: session.uidOnly },
			targets,
		);
	} catch (error) {
		// A text that has not arrived here yet; the client knows of the message and can ask for it.
		if (!(error instanceof Refusal)) throw error;
	}
	return targets.map(({ uid }) => uid);
}

/**
 * Tells what has changed before a command is answered that keeps its numbers. The client may have sent it before it hears
 * of this: what it takes for granted by its own STORE may be wrong.
 */
export const tellBefore = (session: Session): Promise<void> =>
	tellUnsure(session, false);

/** The same also between commands. */
export async function tellUnsure(
	session: Session,
	mayExpunge: boolean,
): Promise<void> {
	const told = await tell(session, mayExpunge);
	for (const uid of told) session.selected?.known.unsure.add(uid);
}

async function tellExpunged(
	session: Session,
	{ expunged, vanished }: Difference,
): Promise<void> {
	const { output } = session;
	if (session.vanishes) {
		for (let at = 0; at < vanished.length; at += VANISHED_MAX) {
			const some = vanished.slice(at, at + VANISHED_MAX);
			output.text(`* VANISHED ${format(some)}\r\n`);
			if (output.crowded) await output.room();
		}
		return;
	}
	for (const number of expunged) {
		output.text(`* ${number} EXPUNGE\r\n`);
		if (output.crowded) await output.room();
	}
}

/** In the order of stamps (rule 16), as they were when the difference was taken or later. */
async function tellFlags(
	session: Session,
	selected: Selected,
	{ changed, expected }: Difference,
): Promise<void> {
	const { condstore } = session;
	if (!condstore) {
		await tellEach(session, selected, changed, () => false);
		return;
	}
	const silent = new Set(expected);
	const stamps = new Map<Uid, number>();
	for (const uid of [...changed, ...expected])
		stamps.set(uid, selected.mailbox.resolve(uid)?.modSeq ?? 0);
	const all = [...stamps.keys()].sort(
		(a, b) => (stamps.get(a) ?? 0) - (stamps.get(b) ?? 0),
	);
	await tellEach(session, selected, all, (uid) => silent.has(uid));
}

async function tellEach(
	session: Session,
	selected: Selected,
	uids: readonly Uid[],
	isExpected: (uid: Uid) => boolean,
): Promise<void> {
	const { output, condstore } = session;
	for (const uid of uids) {
		const message = selected.mailbox.resolve(uid);
		const number = selected.numberOf(uid);
		if (message === undefined || number === 0) continue;
		const items: string[] = session.uidOnly ? [] : [`UID ${uid}`];
		if (!isExpected(uid)) {
			tellKeywords(session, selected, message.flags);
			items.push(flagsItem(message.flags));
		}
		if (condstore) items.push(modSeqItem(selected.tellable(message)));
		output.text(
			`${fetchHead(session.uidOnly, { number, uid })}${items.join(" ")})\r\n`,
		);
		if (output.crowded) await output.room();
	}
}

/** Announces keywords that are new to the client (RFC 3501 §7.2.6). */
export function tellKeywords(
	session: Session,
	selected: Selected,
	flags: readonly string[],
): void {
	let isNew = false;
	for (const flag of flags) {
		const key = flag.charCodeAt(0) === 0x5c ? undefined : flag.toLowerCase();
		if (key === undefined || selected.keywords.has(key)) continue;
		selected.keywords.set(key, flag);
		isNew = true;
	}
	if (isNew) session.output.text(`* FLAGS ${flagList(selected)}\r\n`);
}

/** `(\Answered … $Junk)`: all flags that are in use here. */
export const flagList = ({ keywords }: Selected): string =>
	`(${[...SYSTEM_FLAGS, ...keywords.values()].join(" ")})`;
