/** A mailbox against its rows: UIDs, stamps and sums (mailbox-consistency.md rules 1, 5, 6 and 11). Pure. */
import type { EntryId, MailboxId } from "../ids.ts";
import { CLAIMS_PER_ENTRY_MAX } from "../limits.ts";
import {
	type BoxRow,
	boxKey,
	decodeFacts,
	type EntryRow,
	liveBytesOf,
	lives,
	newBox,
	rowKey,
	segmentsOf,
	shownFacts,
	uidOf,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { isUsedBy } from "../space/uses.ts";
import type { Flaw, Step } from "./flaws.ts";
import { walk } from "./walk.ts";

/** All mailboxes that have a row. */
export function* mailboxesOf(store: Store): Generator<MailboxId> {
	for (const rows of walk(store, "box/"))
		for (const [key] of rows) yield key.slice("box/".length) as MailboxId;
}

export const boxOf = (store: Store, mailbox: MailboxId): BoxRow => {
	const text = store.get(boxKey(mailbox));
	return text === undefined ? newBox() : JSON.parse(text as string);
};

/** What a mailbox's row must say, as far as its messages tell. */
export interface Sums {
	live: number;
	liveBytes: number;
	shown: number;
	unseen: number;
	deleted: number;
	sizeBytes: number;
	deletedBytes: number;
	/** Lower bounds of E, HIGHESTMODSEQ and the highest claim heard. */
	E: number;
	H: number;
	heardUid: number;
	segment: number;
}
export const newSums = (): Sums => ({
	live: 0,
	liveBytes: 0,
	shown: 0,
	unseen: 0,
	deleted: 0,
	sizeBytes: 0,
	deletedBytes: 0,
	E: 0,
	H: 0,
	heardUid: 0,
	segment: 0,
});

export function addTo(sums: Sums, row: EntryRow): void {
	if (row.f !== undefined)
		sums.segment = Math.max(sums.segment, ...segmentsOf(row));
	if (lives(row)) sums.live++;
	sums.liveBytes += liveBytesOf(row);
	for (const claim of row.u) sums.heardUid = Math.max(sums.heardUid, claim);
	const shown = row.v;
	if (shown === undefined) return;
	sums.shown++;
	if (!shown.g.includes("\\Seen")) sums.unseen++;
	const bytes = decodeFacts(shownFacts(row)).body.sizeBytes;
	sums.sizeBytes += bytes;
	if (shown.g.includes("\\Deleted")) {
		sums.deleted++;
		sums.deletedBytes += bytes;
	}
	sums.E = Math.max(sums.E, shown.u);
	sums.H = Math.max(sums.H, shown.m);
}

/**
 * Looks at all rows of the mailbox, in slices. Where something seems wrong it looks again, in one go, since clients may
 * have changed the mailbox meanwhile.
 */
export function* checkBox(store: Store, mailbox: MailboxId): Generator<Step> {
	const flaws = yield* scan(store, mailbox);
	if (flaws.length === 0) return;
	const again = scan(store, mailbox);
	for (;;) {
		const { done, value } = again.next();
		if (!done) continue;
		yield* value;
		return;
	}
}

function* scan(
	store: Store,
	mailbox: MailboxId,
): Generator<number, readonly Flaw[]> {
	const prefix = rowKey(mailbox, "" as EntryId);
	const sums = newSums();
	const flaws: Flaw[] = [];
	const claims = new Map<number, EntryId>();
	const shownAs = new Map<number, EntryId>();
	let pending: Set<string> | undefined;
	for (const rows of walk(store, prefix)) {
		for (const [key, value] of rows) {
			const entry = key.slice(prefix.length) as EntryId;
			const row = JSON.parse(value as string) as EntryRow;
			addTo(sums, row);
			const at = { mailbox, entry };
			const uid = lives(row) ? uidOf(row) : 0;
			const other = claims.get(uid);
			if (other !== undefined)
				flaws.push({
					kind: "claim",
					...at,
					uid,
					what: `its UID ${uid} is that of message ${other.slice(0, 12)} too`,
				});
			if (uid > 0) claims.set(uid, entry);
			if (lives(row)) {
				const { body } = decodeFacts(row.f as string);
				if (!isUsedBy(store, body, mailbox, entry))
					flaws.push({ kind: "use", ...at });
			}
			const wrong = shownFault(row, shownAs, entry);
			if (wrong !== undefined)
				flaws.push({ kind: "shown", ...at, what: wrong });
			if (isUnsettled(row)) {
				pending ??= pendingOf(store, mailbox);
				if (!pending.has(entry))
					flaws.push({
						kind: "shown",
						...at,
						what: lives(row)
							? "clients are not shown it, or not as it is now"
							: "it is expunged, and clients are shown it still",
					});
			}
		}
		yield rows.length;
	}
	flaws.push(...sumFaults(mailbox, boxOf(store, mailbox), sums));
	return flaws;
}

function shownFault(
	row: EntryRow,
	shownAs: Map<number, EntryId>,
	entry: EntryId,
): string | undefined {
	if (row.v === undefined) return undefined;
	const { u, a, m } = row.v;
	const other = shownAs.get(u);
	shownAs.set(u, entry);
	if (other !== undefined)
		return `it is shown under UID ${u}, as message ${other.slice(0, 12)} is`;
	if (!row.u.includes(u) && row.u.length < CLAIMS_PER_ENTRY_MAX)
		return `it is shown under UID ${u}, which nobody claimed for it`;
	if (!(a <= m)) return "its latest stamp is before that of its appearance";
	return undefined;
}

/** Clients are to be told something of it. */
export const isUnsettled = (row: EntryRow): boolean =>
	lives(row)
		? row.v?.u !== uidOf(row) || row.v.n !== row.n
		: row.v !== undefined;

function pendingOf(store: Store, mailbox: MailboxId): Set<string> {
	const found = new Set<string>();
	for (const [, value] of store.range("pend/", prefixEnd("pend/"))) {
		const [at, entry] = (value as string).split("/");
		if (at === mailbox) found.add(entry as string);
	}
	return found;
}

const COUNTED = {
	live: "messages that live",
	liveBytes: "bytes that live",
	shown: "messages shown",
	unseen: "unseen messages",
	deleted: "deleted messages",
	sizeBytes: "bytes",
	deletedBytes: "bytes of deleted messages",
} as const;
const BOUNDED = {
	E: "the highest UID told",
	H: "HIGHESTMODSEQ",
	heardUid: "the highest UID claimed",
	segment: "the segment in use",
} as const;

export function sumFaults(
	mailbox: MailboxId,
	box: BoxRow,
	sums: Sums,
): readonly Flaw[] {
	const flaw = (what: string): Flaw => ({ kind: "box", mailbox, what });
	return [
		...(Object.keys(COUNTED) as (keyof typeof COUNTED)[])
			.filter((name) => box[name] !== sums[name])
			.map((name) =>
				flaw(
					`it counts ${box[name]} ${COUNTED[name]}, there are ${sums[name]}`,
				),
			),
		...(Object.keys(BOUNDED) as (keyof typeof BOUNDED)[])
			// In a new life HIGHESTMODSEQ is none until the first client comes.
			.filter(
				(name) => box[name] < sums[name] && !(name === "H" && box.H === 0),
			)
			.map((name) =>
				flaw(`${BOUNDED[name]} is ${box[name]}, below ${sums[name]} in use`),
			),
	];
}
