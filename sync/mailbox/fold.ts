/** Folds changes of segments into rows. Pure but for the batch it is given. The same changes give the same rows in any order. */
import type { Scalar } from "../documents/flat.ts";
import { keys, kindOf, splitKey } from "../documents/shapes.ts";
import type { EntryId, MailboxId } from "../ids.ts";
import { CLAIMS_PER_ENTRY_MAX } from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import type { KeyChange } from "../log/ledger.ts";
import {
	type ExpectedKeys,
	type NewId,
	type NewKey,
	putBy,
} from "../log/transaction.ts";
import type { Rules } from "../rules.ts";
import {
	type BoxRow,
	bodyTag,
	boxKey,
	decodeFacts,
	type EntryRow,
	type Facts,
	factsSegment,
	getBox,
	getRow,
	liesIn,
	liveBytesOf,
	lives,
	mergeOperations,
	noteOperation,
	type Part,
	rowKey,
	segmentsOf,
} from "./rows.ts";

/** The record that says it. */
export type RecordPlace = Pick<KeyChange, "origin" | "sequence">;

export interface Folded {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly row: EntryRow;
	/** Set when facts came (or came again): each names a body that this node should hold. */
	readonly facts: readonly Facts[];
	/** The facts that counted before the change. */
	readonly before: string | undefined;
	/** 1 when the entry began to live with this change, -1 when it ended. */
	readonly livesMore: number;
	/** Segments that hold the entry, with its facts, since this change. */
	readonly segments: readonly number[];
	/** All entries with something new to show: the entry, and what was made of it by moves. */
	readonly changed: readonly (readonly [MailboxId, EntryId])[];
}

/** Reads at once the rows that these changes are folded into. */
export function expectFolds(
	batch: Batch,
	records: readonly ExpectedKeys[],
): void {
	const rows = new Set<string>();
	for (const { document, keys: changed } of records) {
		const place = kindOf(document);
		if (place.kind !== "segment") continue;
		for (const key of changed)
			rows.add(rowKey(place.mailbox, splitKey(key)[1] as EntryId));
	}
	batch.expect([...rows]);
}

/** Undefined for changes that are none of a mailbox's. */
export function foldSegment(
	batch: Batch,
	change: KeyChange,
	rules: Rules,
): Folded | undefined {
	const place = kindOf(change.document);
	if (place.kind !== "segment") return undefined;
	const parts = splitKey(change.key);
	const kind = parts[0];
	const entry = parts[1] as EntryId;
	const detail = parts[2];
	const { mailbox, segment } = place;
	const row = getRow(batch, mailbox, entry) ?? {
		s: segment,
		u: [],
		g: {},
		o: {},
		n: 0,
	};
	const lived = lives(row);
	const before = row.f;
	const isFlag = kind === "f";
	const maySize = kind === "e" || kind === "x";
	const sizeBefore = maySize ? liveBytesOf(row) : 0;
	const isOther = noteSegment(row, segment);
	let facts: Facts[] = [];
	if (kind === "e") facts = foldFacts(batch, place, entry, row, change, rules);
	else if (kind === "u") foldClaim(batch, mailbox, row, Number(detail), change);
	else if (kind === "x") foldExpunged(row, segment);
	else if (isFlag) foldFlag(row, segment, detail, change);
	noteOperation(operationsFor(row, isFlag), change.origin, change.sequence);
	row.n++;
	const livesMore = Number(lives(row)) - Number(lived);
	const box = getBox(batch, mailbox);
	box.live += livesMore;
	if (maySize) box.liveBytes += liveBytesOf(row) - sizeBefore;
	noteOperation(box.o, change.origin, change.sequence);
	batch.change(boxKey(mailbox), box);
	batch.change(rowKey(mailbox, entry), row);
	const changed: [MailboxId, EntryId][] = [[mailbox, entry]];
	if (isFlag && rules.lineage) passOn(batch, row, changed);
	const segments = newSegments(row, before, isOther ? segment : undefined);
	return { mailbox, entry, row, facts, before, livesMore, segments, changed };
}

/** What the key holds since the change. `isNew`: it held nothing before, as its row has it. */
const valuesOf = (change: KeyChange, isNew: boolean): readonly Scalar[] =>
	(isNew ? change.valuesIfNew : undefined) ?? change.values;

/** True if the segment said nothing of the entry so far, and another one did. */
function noteSegment(row: EntryRow, segment: number): boolean {
	if (liesIn(row, segment)) return false;
	row.p ??= { [row.s]: { g: { ...row.g }, ...(row.x && { x: true }) } };
	row.p[segment] = { g: {} };
	return true;
}

function newSegments(
	row: EntryRow,
	before: string | undefined,
	other: number | undefined,
): readonly number[] {
	if (row.f === undefined) return [];
	if (before === undefined) return segmentsOf(row);
	return other === undefined ? [] : [other];
}

/**
 * The same of an entry that comes with its facts and its flags in one record, where nothing is known of it yet: what
 * foldSegment() makes of them one by one. Undefined: it is not so, and that is to be asked for each.
 */
export function foldNewEntry(
	batch: Batch,
	{ document, id, edits, origin, sequence }: NewId,
	rules: Rules,
): Folded | undefined {
	const place = kindOf(document);
	if (place.kind !== "segment") return undefined;
	const { mailbox, segment } = place;
	const entry = id as EntryId;
	const first = edits[0];
	const text = first && putBy(first);
	if (first?.key !== keys.facts(entry) || typeof text !== "string")
		return undefined;
	const flags = newFlags(entry, edits);
	if (flags === undefined || getRow(batch, mailbox, entry) !== undefined)
		return undefined;
	const row: EntryRow = {
		s: segment,
		u: [],
		g: flags,
		o: { [origin]: sequence },
		n: edits.length,
		f: text,
	};
	if (edits.length > 1) row.q = { [origin]: sequence };
	const facts = decodeFacts(text);
	const box = getBox(batch, mailbox);
	openSegment(box, segment);
	if (segment === box.segment) box.segmentEntries++;
	box.live++;
	box.liveBytes += facts.body.sizeBytes;
	noteOperation(box.o, origin, sequence);
	batch.change(boxKey(mailbox), box);
	batch.change(rowKey(mailbox, entry), row);
	if (rules.lineage) inherit(batch, mailbox, entry, row);
	return {
		mailbox,
		entry,
		row,
		facts: [facts],
		before: undefined,
		livesMore: 1,
		segments: [segment],
		changed: [[mailbox, entry]],
	};
}

/** By the edits after the first one; undefined: they are not all flags. */
function newFlags(
	entry: EntryId,
	edits: readonly NewKey[],
): EntryRow["g"] | undefined {
	const flags: EntryRow["g"] = {};
	if (edits.length === 1) return flags;
	const start = keys.flag(entry, "");
	for (let i = 1; i < edits.length; i++) {
		const edit = edits[i] as NewKey;
		if (!edit.key.startsWith(start)) return undefined;
		flags[edit.key.slice(start.length)] = String(putBy(edit));
	}
	return flags;
}

/** Flags are apart, since only what happens to them counts also for what the entry is moved to (rule 17). */
function operationsFor(row: EntryRow, isFlag: boolean) {
	if (!isFlag) return row.o;
	row.q ??= {};
	return row.q;
}

function foldFacts(
	batch: Batch,
	{ mailbox, segment }: { mailbox: MailboxId; segment: number },
	entry: EntryId,
	row: EntryRow,
	change: KeyChange,
	rules: Rules,
): Facts[] {
	const isNew = row.f === undefined;
	const texts = valuesOf(change, isNew).filter(
		(value) => typeof value === "string",
	);
	const [smallest] = [...texts].sort();
	if (smallest === undefined) return [];
	// Two nodes may put one delivery into different segments: which of them came last is not the same everywhere.
	if (isNew || segment <= factsSegment(row)) setFacts(row, smallest, segment);
	const box = getBox(batch, mailbox);
	// Also by what lay in a lower one before: whoever has this one may drop those, and nothing may be put into them.
	if (openSegment(box, segment)) batch.change(boxKey(mailbox), box);
	if (isNew) {
		if (segment === box.segment) box.segmentEntries++;
		batch.change(boxKey(mailbox), box);
		if (rules.lineage) inherit(batch, mailbox, entry, row);
	}
	return texts.map(decodeFacts);
}

/** New entries go to this segment from now on, if it is the highest so far. */
function openSegment(box: BoxRow, segment: number): boolean {
	if (segment <= box.segment) return false;
	box.segment = segment;
	box.segmentEntries = 0;
	return true;
}

/** Claims that were made for the body so far are none for another one, and the other way round. */
function setFacts(row: EntryRow, facts: string, segment: number): void {
	const before = row.f;
	if (segment === row.s) delete row.fs;
	else row.fs = segment;
	if (before === facts) return;
	row.f = facts;
	if (before === undefined) return;
	if (row.v !== undefined) row.v.f ??= before;
	for (const uid of row.u) setTag(row, uid, row.t?.[uid] ?? bodyTag(before));
}

function setTag(row: EntryRow, uid: number, tag: string): void {
	const tags = { ...row.t };
	if (row.f === undefined || tag === bodyTag(row.f)) delete tags[uid];
	else tags[uid] = tag;
	if (Object.keys(tags).length > 0) row.t = tags;
	else delete row.t;
}

function foldClaim(
	batch: Batch,
	mailbox: MailboxId,
	row: EntryRow,
	uid: number,
	change: KeyChange,
): void {
	const [tag] = valuesOf(change, row.u.length === 0);
	if (!row.u.includes(uid)) row.u.push(uid);
	if (typeof tag === "string") setTag(row, uid, tag);
	if (row.u.length > CLAIMS_PER_ENTRY_MAX) dropLowestClaim(row);
	const box = getBox(batch, mailbox);
	if (uid > box.heardUid) {
		box.heardUid = uid;
		batch.change(boxKey(mailbox), box);
	}
}

/** What foldSegment() makes of the first claim of an entry, for the body that it has, in the segment that it lies in. */
export function foldFirstClaim(
	batch: Batch,
	mailbox: MailboxId,
	entry: EntryId,
	row: EntryRow,
	uid: number,
	{ origin, sequence }: RecordPlace,
): void {
	row.u = [uid];
	row.n++;
	noteOperation(row.o, origin, sequence);
	const box = getBox(batch, mailbox);
	box.heardUid = Math.max(box.heardUid, uid);
	noteOperation(box.o, origin, sequence);
	batch.change(boxKey(mailbox), box);
	batch.change(rowKey(mailbox, entry), row);
}

/** The highest ones are the same everywhere, in whatever order they came. */
export function dropLowestClaim(row: Pick<EntryRow, "u" | "t">): void {
	const lowest = Math.min(...row.u);
	row.u.splice(row.u.indexOf(lowest), 1);
	if (row.t === undefined) return;
	delete row.t[lowest];
	if (Object.keys(row.t).length === 0) delete row.t;
}

function foldExpunged(row: EntryRow, segment: number): void {
	row.x = true;
	const part = row.p?.[segment];
	if (part !== undefined) part.x = true;
}

/** It is set while one segment says so: it may be taken from one of them and set in the other at the same time. */
function foldFlag(
	row: EntryRow,
	segment: number,
	flag: string,
	change: KeyChange,
): void {
	const flags = row.p?.[segment]?.g ?? row.g;
	const isNew = flags[flag] === undefined;
	const [spelt] = valuesOf(change, isNew).map(String).sort();
	setFlag(flags, flag, spelt);
	if (row.p !== undefined)
		setFlag(row.g, flag, speltIn(Object.values(row.p), flag));
}
function setFlag(
	flags: Record<string, string>,
	flag: string,
	spelt: string | undefined,
): void {
	if (spelt === undefined) delete flags[flag];
	else flags[flag] = spelt;
}
const speltIn = (parts: readonly Part[], flag: string): string | undefined =>
	parts
		.flatMap(({ g }) => g[flag] ?? [])
		.sort()
		.at(0);

/** Rule 17: a moved message has the flags of what it was moved from, also those set there later. */
function inherit(
	batch: Batch,
	mailbox: MailboxId,
	entry: EntryId,
	row: EntryRow,
): void {
	const { from } = decodeFacts(row.f as string);
	if (from === null) return;
	const source = getRow(batch, ...from);
	if (source === undefined) return;
	source.to = [...(source.to ?? []), [mailbox, entry]];
	batch.change(rowKey(...from), source);
	takeFlagsOf(batch, mailbox, row, source);
}

function takeFlagsOf(
	batch: Batch,
	mailbox: MailboxId,
	row: EntryRow,
	source: EntryRow,
): void {
	row.l = { ...source.l, ...source.g };
	if (source.q === undefined && source.r === undefined) return;
	row.r ??= {};
	mergeOperations(row.r, source.q);
	mergeOperations(row.r, source.r);
	const box = getBox(batch, mailbox);
	mergeOperations(box.o, row.r);
	batch.change(boxKey(mailbox), box);
}

/** Its flags have changed, or what happened to them: so it is for what was made of it by moves (rule 17). */
export function passOn(
	batch: Batch,
	row: EntryRow,
	changed: [MailboxId, EntryId][],
): void {
	for (const [mailbox, entry] of row.to ?? []) {
		const next = getRow(batch, mailbox, entry);
		if (next === undefined) continue;
		takeFlagsOf(batch, mailbox, next, row);
		next.n++;
		batch.change(rowKey(mailbox, entry), next);
		changed.push([mailbox, entry]);
		passOn(batch, next, changed);
	}
}
