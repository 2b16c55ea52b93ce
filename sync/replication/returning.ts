/**
 * A member that was away for too long gets the documents as a whole, since the changes it lacks are in no log any more.
 * They are merged into what it has, so nothing is lost that only it has: its own changes go to the others as always.
 * Until all documents are merged it writes nothing: a change made on half of them would rest on changes that its vector
 * does not name. A snapshot that breaks off is begun again, by whoever is linked.
 */
import type { FlatDocument } from "../documents/flat.ts";
import {
	keys,
	kindOf,
	segmentDocument,
	splitKey,
} from "../documents/shapes.ts";
import type {
	DocumentId,
	EntryId,
	MailboxId,
	NodeId,
	Origin,
	Sequence,
} from "../ids.ts";
import { CLAIMS_PER_ENTRY_MAX, SAVES_A_BATCH } from "../limits.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Head } from "../log/log.ts";
import {
	covers,
	decodeVector,
	encodeVector,
	type Vector,
} from "../log/record.ts";
import { addDeadRanges } from "../mailbox/dead.ts";
import { passOn } from "../mailbox/fold.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import {
	boxKey,
	decodeFacts,
	type EntryRow,
	type Facts,
	factsSegment,
	getBox,
	getRow,
	isWithin,
	liesIn,
	lives,
	mergeOperations,
	type Operations,
	operationsOf,
	partOf,
	rowKey,
	segmentsOf,
} from "../mailbox/rows.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Frame } from "./frames.ts";
import { adoptAccount } from "./snapshot.ts";

type DocumentFrame = Extract<Frame, { type: "document" }>;

export interface ReturningOptions {
	readonly store: Store;
	readonly diary: Log;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	/** An entry names a body, by a change of one of these origins. */
	readonly bodyNamed: (
		tx: Transaction,
		facts: Facts,
		origins: readonly Origin[],
	) => void;
	/** All documents are whole; what is held of them in memory must be read anew. */
	readonly done: () => void;
}

const KEY = "meta/returning";

export class Returning {
	readonly #options: ReturningOptions;
	/** Who sends the documents. */
	#source: NodeId | undefined;
	#heads: ReadonlyMap<Origin, Head> = new Map();
	/** What this node must have before it may write again; kept, as a restart does not make half a document whole. */
	#until: Vector | undefined;
	/** Documents that came with this snapshot. */
	readonly #came = new Set<DocumentId>();
	/** Of the current document: entries whose body came to be known with it. */
	#named = new Map<EntryId, Facts>();
	/** And its keys, by entry. */
	#listed = new Map<EntryId, string[]>();

	constructor(options: ReturningOptions) {
		this.#options = options;
		const text = options.store.get(KEY);
		if (text === undefined) return;
		this.#until = decodeVector(JSON.parse(text as string));
		options.ledger.hold("this node is catching up with its cluster");
	}

	get isRunning(): boolean {
		return this.#until !== undefined;
	}

	/** One frame at a time. */
	async take(frame: Frame, peer: NodeId): Promise<void> {
		if (frame.type === "snapshot") await this.#begin(frame.heads, peer);
		else if (peer !== this.#source) return;
		else if (frame.type === "document")
			await this.#options.ledger.write((tx) => this.#merge(tx, frame));
		else if (frame.type === "snapshotEnd") await this.#end();
	}

	/** The link to the peer closed. */
	lost(peer: NodeId): void {
		if (peer === this.#source) this.#source = undefined;
	}

	/** What was missing may have come as changes after all. */
	async evaluate(): Promise<void> {
		const { ledger } = this.#options;
		if (this.#until === undefined || this.#source !== undefined) return;
		if (covers(ledger.log.vector, this.#until)) await this.#release();
	}

	async #begin(heads: ReadonlyMap<Origin, Head>, peer: NodeId): Promise<void> {
		const { ledger, diary } = this.#options;
		const vector: Vector = new Map(
			[...heads].map(([origin, { sequence }]) => [origin, sequence]),
		);
		if (this.#source !== undefined || covers(ledger.log.vector, vector)) return;
		diary.info("was away for too long: takes the documents as a whole", {
			from: peer,
		});
		this.#source = peer;
		this.#heads = heads;
		this.#until = vector;
		this.#came.clear();
		ledger.hold("this node is catching up with its cluster");
		await ledger.write(({ batch }) =>
			batch.put(KEY, JSON.stringify(encodeVector(vector))),
		);
	}

	#merge(tx: Transaction, frame: DocumentFrame): void {
		const { ledger } = this.#options;
		const { id, saved } = frame;
		const place = kindOf(id);
		if (saved.length > 0) {
			this.#came.add(id);
			this.#named = new Map();
			this.#listed = new Map();
			tx.batch.putAll(ledger.documents.adoptSnapshot(id, saved));
			tx.batch.put(`docs/${id}`, "");
			if (place.kind === "account") adoptAccount(ledger, tx, place.account);
			if (place.kind === "segment") this.#foldAll(tx, id, place);
		}
		if (place.kind !== "segment") return;
		addDeadRanges(tx.batch, place.mailbox, frame.dead);
		for (const [entry, json] of frame.rows)
			this.#mergeRow(
				tx,
				id,
				place.mailbox,
				entry,
				JSON.parse(json) as EntryRow,
			);
	}

	/** What the document says that the rows do not. */
	#foldAll(
		tx: Transaction,
		id: DocumentId,
		{ mailbox, segment }: { mailbox: MailboxId; segment: number },
	): void {
		const document = this.#options.ledger.documents.get(id);
		this.#listed = keysByEntry(document);
		for (const [entry, found] of this.#listed) {
			const row = getRow(tx.batch, mailbox, entry);
			// Known to be dead by all, and forgotten.
			if (row === undefined && document.has(keys.expunged(entry))) continue;
			const before = row?.f;
			// What another segment says of it is said no less.
			const part = row && partOf(row, segment);
			for (const key of found)
				if (differs(row, segment, document, key)) this.#fold(tx, id, key);
			for (const flag of Object.keys(part?.g ?? {})) {
				const key = keys.flag(entry, flag);
				if (!document.has(key)) this.#fold(tx, id, key);
			}
			const now = getRow(tx.batch, mailbox, entry);
			if (now !== undefined && lives(now) && now.f !== before)
				this.#named.set(entry, decodeFacts(now.f as string));
		}
	}

	/** Dead, and not forgotten by the others: something that was made of it has its flags (rule 17). */
	#takeDead(tx: Transaction, id: DocumentId, entry: EntryId): void {
		for (const key of this.#listed.get(entry) ?? []) this.#fold(tx, id, key);
	}

	/** Number 0: by which change it was is not known, and not noted. */
	#fold(tx: Transaction, document: DocumentId, key: string): void {
		const { ledger, mailboxes } = this.#options;
		const origin = this.#otherOrigin();
		mailboxes.fold(tx, {
			document,
			key,
			origin,
			sequence: 0 as Sequence,
			values: ledger.documents.get(document).values(key),
		});
	}

	#otherOrigin(): Origin {
		const own = this.#options.ledger.origin;
		return [...this.#heads.keys()].find((one) => one !== own) ?? own;
	}

	#mergeRow(
		tx: Transaction,
		document: DocumentId,
		mailbox: MailboxId,
		entry: EntryId,
		theirs: EntryRow,
	): void {
		if (getRow(tx.batch, mailbox, entry) === undefined)
			this.#takeDead(tx, document, entry);
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined) return;
		// What was made of it by moves may have come before it.
		if (theirs.to !== undefined && row.to === undefined) {
			row.to = theirs.to;
			this.#passOn(tx, row);
		}
		mergeOperations(row.o, theirs.o);
		const flagged = JSON.stringify([row.q, row.r]);
		if (theirs.q !== undefined) row.q = merged(row.q, theirs.q);
		if (theirs.r !== undefined) row.r = merged(row.r, theirs.r);
		tx.batch.change(rowKey(mailbox, entry), row);
		if (JSON.stringify([row.q, row.r]) !== flagged) this.#passOn(tx, row);
		const box = getBox(tx.batch, mailbox);
		mergeOperations(box.o, operationsOf(row));
		tx.batch.change(boxKey(mailbox), box);
		const facts = this.#named.get(entry);
		if (facts === undefined || !lives(row)) return;
		this.#options.bodyNamed(tx, facts, Object.keys(row.o) as Origin[]);
	}

	#passOn({ batch }: Transaction, row: EntryRow): void {
		const changed: [MailboxId, EntryId][] = [];
		passOn(batch, row, changed);
		for (const place of changed) this.#options.mailboxes.noteAdopted(...place);
	}

	async #end(): Promise<void> {
		const { ledger } = this.#options;
		await this.#dropWhatTheyDropped();
		await this.#saveAll();
		const heads = new Map(
			[...this.#heads].filter(
				([origin, { sequence }]) =>
					sequence > (ledger.log.vector.get(origin) ?? 0),
			),
		);
		// In one commit: what came since as changes must not rest on records that go.
		await ledger.adopt(heads, ({ batch }) => {
			for (const id of ledger.documents.ids())
				if (ledger.documents.hasChanges(id, batch))
					batch.putAll(ledger.documents.resnapshot(id));
			for (const [origin, { sequence }] of heads)
				ledger.log.cut(batch, origin, sequence);
		});
		ledger.dropWaiting();
		this.#source = undefined;
		await this.#release();
	}

	/**
	 * Segments that the others have no more: all in them was known to be dead, also to the life of this node that was put
	 * back to an old copy.
	 */
	async #dropWhatTheyDropped(): Promise<void> {
		const { ledger, store } = this.#options;
		for (const id of [...ledger.documents.ids()]) {
			const place = kindOf(id);
			if (place.kind !== "segment" || this.#came.has(id)) continue;
			const prefix = `ent/${place.mailbox}/`;
			const entries: EntryId[] = [];
			let news = false;
			for (const [key, value] of store.range(prefix, prefixEnd(prefix))) {
				const row = JSON.parse(value as string) as EntryRow;
				if (!liesIn(row, place.segment)) continue;
				// Others that count its rows otherwise may have dropped one of its segments while it lives in the other.
				if (segmentsOf(row).some((one) => this.#hasCome(place.mailbox, one)))
					continue;
				entries.push(key.slice(prefix.length) as EntryId);
				news ||= !isWithin(operationsOf(row), this.#until as Vector);
			}
			if (news) continue;
			await ledger.write((tx) => {
				for (const entry of entries) this.#die(tx, id, entry);
			});
		}
	}

	#hasCome(mailbox: MailboxId, segment: number): boolean {
		return this.#came.has(segmentDocument(mailbox, segment));
	}

	#die(tx: Transaction, document: DocumentId, entry: EntryId): void {
		const origin = this.#otherOrigin();
		this.#options.mailboxes.fold(tx, {
			document,
			key: keys.expunged(entry),
			origin,
			sequence: 0 as Sequence,
			values: [true],
		});
	}

	/** No document needs what lies in the log before the heads. */
	async #saveAll(): Promise<void> {
		const { ledger } = this.#options;
		const unsaved = [...ledger.documents.ids()].filter((id) =>
			ledger.documents.hasChanges(id),
		);
		for (let i = 0; i < unsaved.length; i += SAVES_A_BATCH)
			await ledger.write(({ batch }) => {
				for (const id of unsaved.slice(i, i + SAVES_A_BATCH))
					batch.putAll(ledger.documents.resnapshot(id));
			});
	}

	async #release(): Promise<void> {
		const { ledger, diary, done } = this.#options;
		await ledger.write(({ batch }) => batch.put(KEY, undefined));
		this.#until = undefined;
		ledger.hold(undefined);
		diary.info("has all documents of the cluster again");
		done();
	}
}

function merged(mine: Operations | undefined, theirs: Operations): Operations {
	const all = { ...mine };
	mergeOperations(all, theirs);
	return all;
}

/** Facts first: the rest of an entry means nothing without. */
function keysByEntry(document: FlatDocument): Map<EntryId, string[]> {
	const byEntry = new Map<EntryId, string[]>();
	for (const key of document.keys()) {
		const [kind, id] = splitKey(key);
		const found = byEntry.get(id as EntryId) ?? [];
		byEntry.set(id as EntryId, found);
		if (kind === "e") found.unshift(key);
		else found.push(key);
	}
	return byEntry;
}

/** Whether the row does not say what the document says under this key. */
function differs(
	row: EntryRow | undefined,
	segment: number,
	document: FlatDocument,
	key: string,
): boolean {
	const part = row && partOf(row, segment);
	if (row === undefined || part === undefined) return true;
	const [kind, , detail] = splitKey(key);
	const [smallest] = document.values(key).map(String).sort();
	// Of facts that do not count the row says nothing.
	if (kind === "e") return segment !== factsSegment(row) || row.f !== smallest;
	if (kind === "x") return !part.x;
	if (kind === "f") return part.g[detail] !== smallest;
	if (kind !== "u" || row.u.includes(Number(detail))) return false;
	return (
		row.u.length < CLAIMS_PER_ENTRY_MAX || Number(detail) > Math.min(...row.u)
	);
}
