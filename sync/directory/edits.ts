/** What commands of users do to the documents. Each function edits within one transaction; they decide nothing about time or copies. */
import type { FlagChange } from "../api.ts";
import { mapOf } from "../documents/places.ts";
import { keys, segmentDocument } from "../documents/shapes.ts";
import { deriveId, type EntryId, type MailboxId } from "../ids.ts";
import {
	SEGMENT_BUCKETS,
	SEGMENT_ENTRIES_MAX,
	SEGMENT_ENTRIES_MIN,
	STORE_PLACES_ASKED_MAX,
} from "../limits.ts";
import type { Transaction } from "../log/ledger.ts";
import type { NewKey } from "../log/transaction.ts";
import {
	type BoxRow,
	decodeFacts,
	type EntryRow,
	encodeFacts,
	expectRows,
	type Facts,
	factsSegment,
	flagsOf,
	getBox,
	getRow,
	lives,
	noteNewRow,
	segmentsOf,
} from "../mailbox/rows.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Rules } from "../rules.ts";

/** Adds an entry with its flags; the caller has seen that the id is new. */
export function addEntry(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	facts: Facts,
	flags: readonly string[],
): void {
	const box = getBox(tx.batch, mailbox);
	const segment =
		box.segmentEntries >= segmentEntriesMax(box)
			? box.segment + 1
			: box.segment;
	const document = segmentDocument(mailbox, segment);
	const edits: NewKey[] = [
		{ key: keys.facts(entry), set: encodeFacts(facts), isNew: true },
	];
	for (let i = 0; i < flags.length; i++) {
		const flag = flags[i] as string;
		edits.push({ key: keys.flag(entry, flag), add: flag, isNew: true });
	}
	tx.editNew(document, entry, edits);
}

/** By what lives in the mailbox, so that a small one that turns over fast drops its history soon. */
const segmentEntriesMax = ({ live }: BoxRow): number =>
	Math.min(SEGMENT_ENTRIES_MAX, Math.max(SEGMENT_ENTRIES_MIN, live));

/** Names the body of an entry again, or another one where that cannot be had (a retried delivery brought it again). */
export function nameBody(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	row: EntryRow,
	facts: Facts | string | undefined,
): void {
	if (facts === undefined) return;
	tx.edit(segmentDocument(mailbox, factsSegment(row)), {
		key: keys.facts(entry),
		add: typeof facts === "string" ? facts : encodeFacts(facts),
	});
}

/**
 * Messages in UID order, for steps on many of them: as they lie in their documents, one document after the other, so that a
 * step changes neighbours, and the next one those that follow. Automerge applies these for a fifth of what scattered ones
 * take. `segmentOf` is asked for few, since what came together lies in one segment.
 */
export function inPlaceOrder<One extends { readonly entry: EntryId }>(
	all: readonly One[],
	segmentOf: (entry: EntryId) => number | undefined,
): One[] {
	const placed = all.map((one) => ({
		map: mapOf(keys.expunged(one.entry), SEGMENT_BUCKETS),
		one,
	}));
	const ordered: One[] = [];
	for (const [from, to] of segmentParts(all, segmentOf)) {
		const part = placed.slice(from, to);
		part.sort((a, b) => a.map - b.map || (a.one.entry < b.one.entry ? -1 : 1));
		for (const { one } of part) ordered.push(one);
	}
	return ordered;
}

/** Where one segment ends and the next begins, found by halves. What is not told apart is one part, in the right order all the same. */
function segmentParts(
	all: readonly { readonly entry: EntryId }[],
	segmentOf: (entry: EntryId) => number | undefined,
): (readonly [from: number, to: number])[] {
	const asked = new Map<number, number | undefined>();
	const segmentAt = (at: number) => {
		if (!asked.has(at))
			asked.set(at, segmentOf((all[at] as { entry: EntryId }).entry));
		return asked.get(at);
	};
	const parts: [from: number, to: number][] = [];
	const walk = (from: number, to: number): void => {
		const segment = segmentAt(from);
		const isOne = to - from < 2 || segment === segmentAt(to - 1);
		if (!isOne && asked.size < STORE_PLACES_ASKED_MAX) {
			const middle = (from + to) >> 1;
			walk(from, middle);
			walk(middle, to);
			return;
		}
		const last = parts.at(-1);
		if (last !== undefined && segmentAt(last[1] - 1) === segment) last[1] = to;
		else parts.push([from, to]);
	};
	if (all.length > 0) walk(0, all.length);
	return parts;
}

export function changeFlags(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	change: FlagChange,
): void {
	const row = getRow(tx.batch, mailbox, entry);
	if (row === undefined) return;
	if (!lives(row)) {
		// Moved away, but still shown until the move has its second copy: the change is for what it became (rule 17). Nothing
		// is written to what is known to be dead.
		for (const place of row.to ?? []) changeFlags(tx, ...place, change);
		return;
	}
	const named = new Map(change.flags.map((flag) => [flag.toLowerCase(), flag]));
	const remove =
		change.mode === "remove"
			? [...named.keys()]
			: change.mode === "add"
				? []
				: flagsOf(row)
						.map((flag) => flag.toLowerCase())
						.filter((flag) => !named.has(flag));
	for (const flag of remove) removeFlag(tx, mailbox, entry, flag);
	if (change.mode === "remove") return;
	for (const [key, flag] of named)
		tx.edit(segmentDocument(mailbox, row.s), {
			key: keys.flag(entry, flag),
			add: flag,
			isNew: row.g[key] === undefined,
		});
}

/** From the entry and from all it was moved from, whose flags count for it (rule 17). */
function removeFlag(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	flag: string,
): void {
	let at: readonly [MailboxId, EntryId] | null = [mailbox, entry];
	while (at !== null) {
		const row: EntryRow | undefined = getRow(tx.batch, ...at);
		if (row?.f === undefined) return;
		const spelt = row.g[flag];
		const key = keys.flag(at[1], flag);
		if (spelt !== undefined)
			for (const segment of segmentsOf(row)) {
				const document = segmentDocument(at[0], segment);
				// Which of several has it is not known here, and nobody takes a removal of what is not there.
				if (row.p !== undefined) tx.edit(document, { key, add: spelt });
				tx.edit(document, { key, remove: true });
			}
		at = decodeFacts(row.f).from;
	}
}

export function expunge(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
): void {
	const row = getRow(tx.batch, mailbox, entry);
	if (row === undefined || !lives(row)) return;
	const segments = segmentsOf(row);
	for (let i = 0; i < segments.length; i++)
		tx.edit(segmentDocument(mailbox, segments[i] as number), {
			key: keys.expunged(entry),
			set: true,
			isNew: true,
		});
}

/** Rule 17: the new id follows from the old one and the target, so that equal moves on two nodes merge. */
export const movedId = (entry: EntryId, target: MailboxId): EntryId =>
	deriveId<EntryId>("move", entry, target);

/**
 * First all there, then all gone here: two changes, where one after the other would be two for each of them. `ids`: what
 * movedId() gives of the entries, if the caller has it.
 */
export function moveEntries(
	tx: Transaction,
	mailbox: MailboxId,
	entries: readonly EntryId[],
	target: MailboxId,
	savedMilliseconds: number,
	rules: Rules,
	ids?: readonly EntryId[],
): void {
	const moved = ids ?? entries.map((entry) => movedId(entry, target));
	expectRows(tx.batch, mailbox, entries);
	expectRows(tx.batch, target, moved);
	for (const [i, entry] of entries.entries()) {
		const to = moved[i] as EntryId;
		addMoved(tx, mailbox, entry, target, to, savedMilliseconds, rules);
	}
	for (const entry of entries) expunge(tx, mailbox, entry);
}

function addMoved(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	target: MailboxId,
	moved: EntryId,
	savedMilliseconds: number,
	rules: Rules,
): void {
	const row = getRow(tx.batch, mailbox, entry);
	if (row === undefined || !lives(row)) return;
	if (getRow(tx.batch, target, moved) === undefined) {
		const facts = decodeFacts(row.f as string);
		addEntry(
			tx,
			target,
			moved,
			{ ...facts, savedMilliseconds, from: [mailbox, entry] },
			rules.lineage ? [] : flagsOf(row),
		);
	}
}

/** What a copy takes over. */
export interface Original {
	readonly body: BodyRef;
	readonly internalDateMilliseconds: number;
	readonly flags: readonly string[];
}

/** The entry as of the batch; undefined when it lives no more. */
export function originalOf(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
): Original | undefined {
	const row = getRow(tx.batch, mailbox, entry);
	if (row === undefined || !lives(row)) return undefined;
	const { body, internalDateMilliseconds } = decodeFacts(row.f as string);
	return { body, internalDateMilliseconds, flags: flagsOf(row) };
}

/** `copy` is an id that chance has just made. */
export function copyEntry(
	tx: Transaction,
	{ body, internalDateMilliseconds, flags }: Original,
	target: MailboxId,
	copy: EntryId,
	savedMilliseconds: number,
): void {
	noteNewRow(tx.batch, target, copy);
	addEntry(
		tx,
		target,
		copy,
		{ body, internalDateMilliseconds, savedMilliseconds, from: null },
		flags,
	);
}
