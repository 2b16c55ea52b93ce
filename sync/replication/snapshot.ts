/** All documents as a whole, for a node that has nothing yet: sent in slices, taken in as they come, valid at the end. */
import { accountDocument, kindOf, splitKey } from "../documents/shapes.ts";
import type { AccountId, EntryId, MailboxId, Origin } from "../ids.ts";
import { SNAPSHOT_PART_BYTES, SNAPSHOT_WHOLE_BYTES_MAX } from "../limits.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Head } from "../log/log.ts";
import { addDeadRanges, deadRanges } from "../mailbox/dead.ts";
import {
	boxKey,
	decodeFacts,
	type EntryRow,
	type Facts,
	getBox,
	getRow,
	liveBytesOf,
	lives,
	mergeOperations,
	operationsOf,
	rowKey,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { recountSegments } from "../space/segments.ts";
import type { Frame } from "./frames.ts";

type DocumentFrame = Extract<Frame, { type: "document" }>;

/** The frames of a snapshot; each is made when it is taken, so a slow reader holds little. */
export function* snapshotFrames(
	ledger: Ledger,
	store: Store,
): Generator<Frame> {
	const heads = new Map<Origin, Head>();
	for (const origin of ledger.log.vector.keys()) {
		const head = ledger.log.head(origin);
		if (head !== undefined) heads.set(origin, head);
	}
	yield { type: "snapshot", heads };
	let mailbox: MailboxId | undefined;
	let rows = new Map<number, Row[]>();
	for (const id of [...ledger.documents.ids()]) {
		const place = kindOf(id);
		let own: Row[] = [];
		if (place.kind === "segment") {
			// Segments of a mailbox follow one another, so its rows are read once.
			if (place.mailbox !== mailbox) rows = rowsOf(store, place.mailbox);
			mailbox = place.mailbox;
			own = rows.get(place.segment) ?? [];
		}
		const saved = ledger.documents.get(id).save();
		const dead =
			place.kind === "segment" ? deadRanges(store, place.mailbox) : [];
		const rowsOfFirst = own.slice(0, ROWS_A_FRAME);
		const { parts, last } = partsOf(saved);
		for (const part of parts)
			yield {
				type: "document",
				id,
				saved: part,
				rows: [],
				dead: [],
				more: true,
			};
		yield { type: "document", id, saved: last, rows: rowsOfFirst, dead };
		for (let i = ROWS_A_FRAME; i < own.length; i += ROWS_A_FRAME)
			yield {
				type: "document",
				id,
				saved: new Uint8Array(0),
				rows: own.slice(i, i + ROWS_A_FRAME),
				dead: [],
			};
	}
	yield { type: "snapshotEnd" };
}

/** A large document, cut. */
function partsOf(saved: Uint8Array): {
	parts: readonly Uint8Array[];
	last: Uint8Array;
} {
	if (saved.length <= SNAPSHOT_WHOLE_BYTES_MAX)
		return { parts: [], last: saved };
	const parts: Uint8Array[] = [];
	let at = 0;
	for (; at + SNAPSHOT_PART_BYTES < saved.length; at += SNAPSHOT_PART_BYTES)
		parts.push(saved.subarray(at, at + SNAPSHOT_PART_BYTES));
	return { parts, last: saved.subarray(at) };
}

type Row = readonly [EntryId, string];
/** At some 500 bytes each far below what a frame may hold. */
const ROWS_A_FRAME = 1_000;

/** Rows of a mailbox by segment, without what this node has shown. */
function rowsOf(store: Store, mailbox: MailboxId): Map<number, Row[]> {
	const prefix = `ent/${mailbox}/`;
	const bySegment = new Map<number, Row[]>();
	for (const [key, value] of store.range(prefix, prefixEnd(prefix))) {
		const row = JSON.parse(value as string) as EntryRow;
		delete row.v;
		const rows = bySegment.get(row.s) ?? [];
		bySegment.set(row.s, rows);
		rows.push([key.slice(prefix.length) as EntryId, JSON.stringify(row)]);
	}
	return bySegment;
}

/** Takes one document into the store of a node that has none of it. Returns the entries that are new here. */
export function adoptDocument(
	ledger: Ledger,
	tx: Transaction,
	frame: DocumentFrame,
): { facts: Facts; mailbox: MailboxId; entry: EntryId; row: EntryRow }[] {
	if (frame.saved.length > 0) {
		tx.batch.putAll(ledger.documents.adoptSnapshot(frame.id, frame.saved));
		tx.batch.put(`docs/${frame.id}`, "");
	}
	const place = kindOf(frame.id);
	if (place.kind === "account") adoptAccount(ledger, tx, place.account);
	if (place.kind !== "segment") return [];
	const { mailbox, segment } = place;
	addDeadRanges(tx.batch, mailbox, frame.dead);
	const box = getBox(tx.batch, mailbox);
	if (segment > box.segment) {
		box.segment = segment;
		box.segmentEntries = 0;
	}
	const named = [];
	for (const [entry, json] of frame.rows) {
		const row = JSON.parse(json) as EntryRow;
		// A snapshot that broke off is sent again from its start, as of a later time.
		const before = getRow(tx.batch, mailbox, entry);
		if (before === undefined && segment === box.segment) box.segmentEntries++;
		box.heardUid = Math.max(box.heardUid, ...row.u);
		mergeOperations(box.o, operationsOf(row));
		box.live +=
			Number(lives(row)) - Number(before !== undefined && lives(before));
		box.liveBytes +=
			liveBytesOf(row) - (before === undefined ? 0 : liveBytesOf(before));
		recountSegments(tx.batch, mailbox, before, row);
		tx.batch.change(rowKey(mailbox, entry), row);
		if (row.f === undefined) continue;
		const facts = decodeFacts(row.f);
		named.push({ facts, mailbox, entry, row });
	}
	tx.batch.change(boxKey(mailbox), box);
	return named;
}

/** Its mailboxes know whose they are. */
export function adoptAccount(
	ledger: Ledger,
	tx: Transaction,
	account: AccountId,
): void {
	for (const key of ledger.documents.get(accountDocument(account)).keys()) {
		const [kind, mailbox] = splitKey(key) as [string, MailboxId, string];
		if (kind !== "n" && kind !== "x") continue;
		const box = getBox(tx.batch, mailbox);
		if (kind === "n") box.account = account;
		else box.wasDeleted = true;
		tx.batch.change(boxKey(mailbox), box);
	}
}
