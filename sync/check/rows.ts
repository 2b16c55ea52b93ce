/** Rows against documents: the fold of all changes must be what the documents say. Pure. */
import type { FlatDocument, Scalar } from "../documents/flat.ts";
import { keys, segmentDocument, splitKey } from "../documents/shapes.ts";
import type { DocumentId, EntryId, MailboxId } from "../ids.ts";
import { CLAIMS_PER_ENTRY_MAX } from "../limits.ts";
import { dropLowestClaim } from "../mailbox/fold.ts";
import {
	bodyTag,
	type EntryRow,
	liesIn,
	type Part,
	rowKey,
	segmentsOf,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Step } from "./flaws.ts";
import { walk } from "./walk.ts";

/**
 * Opens a document, if that can be opened; what it gives may be used until the next turn of the event loop.
 */
export type Documents = (id: DocumentId) => FlatDocument | undefined;

/** What of an entry's row follows from its documents. */
export type Replicated = Pick<
	EntryRow,
	"f" | "fs" | "u" | "t" | "x" | "g" | "p"
>;

const smallest = (values: readonly Scalar[]): string | undefined =>
	values
		.map(String)
		.sort((a, b) => (a < b ? -1 : 1))
		.at(0);

/** Keys of each entry of a segment. */
export function entryKeys(document: FlatDocument): Map<EntryId, string[]> {
	const byEntry = new Map<EntryId, string[]>();
	for (const key of document.keys()) {
		const [, id] = splitKey(key);
		const found = byEntry.get(id as EntryId);
		if (found) found.push(key);
		else byEntry.set(id as EntryId, [key]);
	}
	return byEntry;
}

/** Keys of an entry, and the document that has them. */
type Source = readonly [document: FlatDocument, keysOfEntry: readonly string[]];

/** The row that these keys of the document make, without what is local, inherited or counted. */
export const rowOf = (...source: Source): Replicated => {
	const row = emptyRow();
	addSource(row, row, source);
	return finished(row);
};

type RowInTheMaking = Replicated & { t: Record<number, string> };
const emptyRow = (): RowInTheMaking => ({ u: [], t: {}, g: {} });

/**
 * `sources`: by ascending segment. A delivery that was tried on two nodes may lie in two; the facts of the lowest count. `s`:
 * the segment that the row is under.
 */
function rowOfAll(
	sources: readonly (readonly [segment: number, Source])[],
	s: number | undefined,
): Whole {
	const row = emptyRow();
	const parts: Record<number, Part> = {};
	for (const [segment, source] of sources) {
		const part: Part = { g: {} };
		parts[segment] = part;
		const isFirst = row.f === undefined;
		addSource(row, part, source);
		if (isFirst && row.f !== undefined) row.fs = segment;
		for (const [flag, spelt] of Object.entries(part.g)) {
			const other = row.g[flag];
			row.g[flag] = other !== undefined && other < spelt ? other : spelt;
		}
		if (part.x) row.x = true;
	}
	if (sources.length > 1) row.p = parts;
	const found = Object.keys(parts).map(Number);
	const segment = s !== undefined && parts[s] ? s : (found[0] as number);
	if (row.fs === segment) delete row.fs;
	return { ...finished(row), s: segment };
}

function finished(row: RowInTheMaking): Replicated {
	const own = row.f === undefined ? undefined : bodyTag(row.f);
	for (const uid of row.u)
		if (own === undefined || row.t[uid] === own) delete row.t[uid];
	while (row.u.length > CLAIMS_PER_ENTRY_MAX) dropLowestClaim(row);
	return row;
}

/** Facts and claims go to `row`, what each segment says by itself to `part`. */
function addSource(
	row: RowInTheMaking,
	part: Part,
	[document, keysOfEntry]: Source,
): void {
	for (const key of keysOfEntry) {
		const [kind, , detail] = splitKey(key);
		const values = document.values(key);
		const text = smallest(values);
		if (kind === "e" && text !== undefined) row.f ??= text;
		else if (kind === "x") part.x = true;
		else if (kind === "f" && text !== undefined) part.g[detail] = text;
		else if (kind === "u") {
			if (!row.u.includes(Number(detail))) row.u.push(Number(detail));
			if (typeof values[0] === "string") row.t[Number(detail)] = values[0];
		}
	}
}

/** A row of all segments, and the one that it is under. */
export type Whole = Replicated & Pick<EntryRow, "s">;

/**
 * The row that all segments of the mailbox together make: to be asked for the few that are not as one of them says.
 * Undefined where none has it, or where one that should cannot be opened. `known`: the keys of it in one of them.
 */
export function rowOfMailbox(
	{ store, documents, mailbox }: Looked,
	entry: EntryId,
	known?: readonly [segment: number, keysOfEntry: readonly string[]],
): Whole | undefined {
	const text = store.get(rowKey(mailbox, entry));
	const row =
		text === undefined ? undefined : (JSON.parse(text as string) as EntryRow);
	const sources: (readonly [number, Source])[] = [];
	for (const segment of segmentNumbers(store, mailbox)) {
		const document = documents(segmentDocument(mailbox, segment));
		if (document === undefined && row !== undefined && liesIn(row, segment))
			return undefined;
		const found =
			known?.[0] === segment
				? known[1]
				: document?.has(keys.facts(entry)) && entryKeys(document).get(entry);
		if (document && found) sources.push([segment, [document, found]]);
	}
	return sources.length === 0 ? undefined : rowOfAll(sources, row?.s);
}

function segmentNumbers(store: Store, mailbox: MailboxId): number[] {
	const prefix = `docs/${segmentDocument(mailbox, 0).slice(0, -1)}`;
	return [...store.range(prefix, prefixEnd(prefix))]
		.map(([key]) => Number(key.slice(prefix.length)))
		.sort((a, b) => a - b);
}

/** Equal for rows that mean the same, whatever order their parts came in. */
export const meaning = (row: Replicated): string =>
	row.p === undefined ? wholeMeaning(row) : wholeMeaning(row) + inParts(row);

const wholeMeaning = (row: Replicated): string =>
	JSON.stringify([
		row.f ?? null,
		[...row.u].sort((a, b) => a - b),
		Object.entries(row.t ?? {}).sort(([a], [b]) => Number(a) - Number(b)),
		row.x ?? false,
		sortedFlags(row.g),
	]);
const inParts = ({ p, fs }: Replicated): string =>
	JSON.stringify([
		fs ?? null,
		Object.entries(p ?? {}).map(([segment, { g, x }]) => [
			segment,
			sortedFlags(g),
			x ?? false,
		]),
	]);
const sortedFlags = (flags: Readonly<Record<string, string>>) =>
	Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1));

const SLICE_ENTRIES = 100;

/** Each entry of a segment has its row, as the document says. */
export function* checkSegment(
	store: Store,
	documents: Documents,
	mailbox: MailboxId,
	segment: number,
): Generator<Step> {
	const id = segmentDocument(mailbox, segment);
	const listed = documents(id);
	if (listed === undefined) return;
	let done = 0;
	for (const [entry, found] of entryKeys(listed)) {
		const document = documents(id);
		const what =
			document &&
			rowFault({ store, documents, mailbox }, document, entry, found);
		if (what !== undefined) yield { kind: "row", mailbox, entry, what };
		if (++done % SLICE_ENTRIES === 0) yield SLICE_ENTRIES;
	}
	yield done % SLICE_ENTRIES;
}

export interface Looked {
	readonly store: Store;
	readonly documents: Documents;
	readonly mailbox: MailboxId;
}

/** How the row differs from the document, if it does. */
function rowFault(
	looked: Looked,
	document: FlatDocument,
	entry: EntryId,
	found: readonly string[],
): string | undefined {
	const text = looked.store.get(rowKey(looked.mailbox, entry));
	if (text === undefined) {
		// A dead one is forgotten before its segment is dropped.
		const now = rowOf(document, entryKeys(document).get(entry) ?? []);
		return now.f === undefined || now.x || rowOfMailbox(looked, entry)?.x
			? undefined
			: "it has no row, so nobody sees it";
	}
	const row = JSON.parse(text as string) as EntryRow;
	if (meaning(rowOf(document, found)) === meaning(row)) return undefined;
	// It may have changed since its keys were listed.
	const now = entryKeys(document).get(entry) ?? [];
	const expected = rowOf(document, now);
	if (meaning(expected) === meaning(row)) return undefined;
	const whole = rowOfMailbox(looked, entry);
	if (whole === undefined || meaning(whole) === meaning(row)) return undefined;
	return differences(whole, row);
}

function differences(expected: Replicated, row: Replicated): string {
	const parts: string[] = [];
	if (expected.f !== row.f) parts.push("what it is");
	if ((expected.x ?? false) !== (row.x ?? false))
		parts.push(expected.x ? "that it is expunged" : "that it lives");
	if (wholeMeaning(expected) === wholeMeaning(row))
		parts.push("in which segments it lies");
	else if (
		wholeMeaning({ ...expected, g: row.g }) === wholeMeaning(row) ||
		parts.length === 0
	)
		parts.push(
			JSON.stringify(Object.entries(expected.g).sort()) ===
				JSON.stringify(Object.entries(row.g).sort())
				? "its UIDs"
				: "its flags",
		);
	return `its row does not say ${parts.join(" and ")} as its document does`;
}

/** Each row of a mailbox that tells of a message has it from a document. */
export function* checkOrphans(
	store: Store,
	documents: Documents,
	mailbox: MailboxId,
): Generator<Step> {
	const prefix = rowKey(mailbox, "" as EntryId);
	for (const rows of walk(store, prefix)) {
		for (const [key, value] of rows) {
			const entry = key.slice(prefix.length) as EntryId;
			const row = JSON.parse(value as string) as EntryRow;
			if (row.f === undefined || row.x === true) continue;
			const isMissing = segmentsOf(row).every(
				(segment) =>
					documents(segmentDocument(mailbox, segment))?.has(
						keys.facts(entry),
					) === false,
			);
			if (!isMissing) continue;
			// Read again: it may have been moved to another segment since.
			if (store.get(key) !== value) continue;
			yield {
				kind: "row",
				mailbox,
				entry,
				what: "it is in no document",
			};
		}
		yield rows.length;
	}
}
