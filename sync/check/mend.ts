/**
 * Mends what checks found: rows and sums from documents, documents and log from what is sound here or at another member,
 * bodies from other members. Mail is never thrown away for the sake of order: what only a row tells of goes back into its
 * document. Nothing here looks for flaws.
 */

import type { Member } from "../directory/cluster.ts";
import { FlatDocument } from "../documents/flat.ts";
import {
	bucketsOf,
	CLUSTER,
	keys,
	kindOf,
	segmentDocument,
	splitKey,
} from "../documents/shapes.ts";
import type {
	AccountId,
	DocumentId,
	EntryId,
	MailboxId,
	NodeId,
	Origin,
} from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import { type ChangeLog, framedHash, unframe } from "../log/log.ts";
import {
	type ChainHash,
	type ChangeRecord,
	chainHash,
	decodeRecord,
} from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import {
	boxKey,
	decodeFacts,
	type EntryRow,
	getBox,
	getRow,
	lives,
	mergeOperations,
	operationsOf,
	rowKey,
} from "../mailbox/rows.ts";
import type { Bodies } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { changeSegment } from "../space/segments.ts";
import type { Space } from "../space/space.ts";
import { addUse } from "../space/uses.ts";
import { addTo, newSums } from "./boxes.ts";
import type { Flaw } from "./flaws.ts";
import type { PeerDocuments } from "./peers.ts";
import { entryKeys, meaning, rowOf } from "./rows.ts";

export interface MenderOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly bodies: Bodies;
	readonly diary: Log;
	readonly peers: PeerDocuments;
	/** The other members that can be asked now. */
	readonly reachable: () => readonly Member[];
	/** An entry is here in another way than by a change: what keeps its body is told. */
	readonly adopted: Space["adopted"];
	/** A document of the directory was put together anew: what was read from it is read again. */
	readonly directoryChanged: (account: AccountId | "cluster") => void;
	/** Lets others have a turn. */
	readonly breathe: () => Promise<void>;
}

export class Mender {
	readonly #options: MenderOptions;

	constructor(options: MenderOptions) {
		this.#options = options;
	}

	/** Resolves to whether it is mended now. */
	async mend(flaw: Flaw): Promise<boolean> {
		try {
			return await this.#mend(flaw);
		} catch (error) {
			this.#options.diary.warn("could not mend what a check found", {
				kind: flaw.kind,
				error: String(error),
			});
			return false;
		}
	}

	async #mend(flaw: Flaw): Promise<boolean> {
		const { mailboxes } = this.#options;
		switch (flaw.kind) {
			case "log":
				return this.#mendLog(flaw.origin, flaw.sequence);
			case "document":
				return this.#mendDocument(flaw.document);
			case "row":
				return this.#mendRow(flaw.mailbox, flaw.entry);
			case "shown":
				return this.#write(
					(tx) => mailboxes.unshow(tx, flaw.mailbox, flaw.entry),
					flaw.mailbox,
				);
			case "claim":
				return this.#write((tx) =>
					mailboxes.numbering.takeWants(tx, [
						{ mailbox: flaw.mailbox, entry: flaw.entry, claim: flaw.uid },
					]),
				);
			case "use":
				return this.#write((tx) => this.#noteUse(tx, flaw.mailbox, flaw.entry));
			case "box":
				return this.#write((tx) => this.#recount(tx, flaw.mailbox));
			case "body":
				await this.#options.bodies.fetch(flaw.body);
				return true;
			case "differs":
				return this.#mergeWith(flaw.peer, flaw.document, flaw.lacks);
			case "store":
			case "slots":
			case "copies":
				return false;
		}
	}

	/** What is held in memory of mailboxes follows. */
	async #write(
		work: (tx: Transaction) => void,
		mailbox?: MailboxId,
	): Promise<boolean> {
		const { ledger, mailboxes } = this.#options;
		await ledger.write(work);
		if (mailbox !== undefined) mailboxes.reread(mailbox);
		mailboxes.recount();
		await ledger.write((tx) => mailboxes.numbering.numberAll(tx));
		return true;
	}

	// ------------------------------------------------------------------ rows and sums

	#noteUse(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined || !lives(row)) return;
		const { body } = decodeFacts(row.f as string);
		addUse(tx.batch, body, mailbox, entry, undefined);
	}

	async #mendRow(mailbox: MailboxId, entry: EntryId): Promise<boolean> {
		if (await this.#mendRowFromHere(mailbox, entry)) return true;
		// Its document may be lost as a whole.
		const { store, ledger, reachable } = this.#options;
		const text = store.get(rowKey(mailbox, entry));
		if (text === undefined) return false;
		const row = JSON.parse(text as string) as EntryRow;
		const id = segmentDocument(mailbox, row.s);
		for (const member of reachable()) {
			await this.mergeFrom(member, [id]).catch(() => {});
			if (ledger.documents.get(id).has(keys.facts(entry))) return true;
		}
		if (row.f === undefined) return false;
		return this.#write((tx) => this.#putBack(tx, mailbox, entry, row));
	}

	async #mendRowFromHere(mailbox: MailboxId, entry: EntryId): Promise<boolean> {
		const { ledger, store } = this.#options;
		const text = store.get(rowKey(mailbox, entry));
		const before =
			text === undefined ? undefined : (JSON.parse(text as string) as EntryRow);
		for (const segment of this.#segmentsOf(mailbox, before)) {
			const document = ledger.documents.get(segmentDocument(mailbox, segment));
			const found = entryKeys(document).get(entry);
			if (found === undefined) continue;
			const { operations } = await this.#logged(
				segmentDocument(mailbox, segment),
			);
			return this.#write((tx) => {
				const expected = rowOf(document, found);
				this.#rewrite(tx, mailbox, entry, segment, expected, operations);
				this.#recount(tx, mailbox);
			}, mailbox);
		}
		return false;
	}

	/** Segments that may have the entry, the likely one first. */
	#segmentsOf(mailbox: MailboxId, row: EntryRow | undefined): number[] {
		const prefix = segmentDocument(mailbox, 0).slice(0, -1);
		const all = [...this.#options.ledger.documents.ids()]
			.filter((id) => id.startsWith(prefix))
			.map((id) => Number(id.slice(prefix.length)));
		return row === undefined
			? all
			: [row.s, ...all.filter((one) => one !== row.s)];
	}

	#rewrite(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		segment: number,
		expected: ReturnType<typeof rowOf>,
		operations: Operations,
	): void {
		const { mailboxes } = this.#options;
		const { batch } = tx;
		const before = getRow(batch, mailbox, entry);
		const { f, u, t, x, g } = expected;
		const row: EntryRow = {
			s: segment,
			u: [...u],
			g,
			o: latest(
				operations.before,
				operations.of(entry, "else"),
				before?.o ?? {},
			),
			n: (before?.n ?? 0) + 1,
		};
		const flags = latest(operations.of(entry, "flags"), before?.q ?? {});
		if (Object.keys(flags).length > 0) row.q = latest(operations.before, flags);
		if (f !== undefined) row.f = f;
		if (x) row.x = true;
		if (t !== undefined && Object.keys(t).length > 0) row.t = t;
		if (before?.to !== undefined) row.to = before.to;
		if (before?.v !== undefined) {
			row.v = before.v;
			if (before.f !== undefined && before.f !== f) row.v.f ??= before.f;
		}
		if (before?.r !== undefined) row.r = before.r;
		if (before?.l !== undefined) row.l = before.l;
		batch.change(rowKey(mailbox, entry), row);
		// As what comes with a snapshot: its body is kept, or it is to be buried.
		if (
			f !== undefined &&
			(before === undefined || lives(before) !== lives(row))
		)
			this.#options.adopted(batch, mailbox, entry, row);
		if (f !== undefined && before?.f === undefined)
			changeSegment(batch, mailbox, segment, 1);
		if (f !== undefined) this.#inherit(tx, mailbox, entry, row, f);
		mailboxes.noteAdopted(batch, mailbox, entry);
	}

	/** Rule 17: what it was moved from passes its flags on. */
	#inherit(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
		facts: string,
	): void {
		const { from } = decodeFacts(facts);
		const source = from && getRow(tx.batch, ...from);
		if (!from || !source) return;
		row.l = { ...source.l, ...source.g };
		if (source.to?.some(([box, one]) => box === mailbox && one === entry))
			return;
		source.to = [...(source.to ?? []), [mailbox, entry]];
		tx.batch.change(rowKey(...from), source);
	}

	/** An entry that only its row tells of goes back into its document. */
	#putBack(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
	): void {
		const document = segmentDocument(mailbox, row.s);
		tx.edit(document, { key: keys.facts(entry), add: row.f as string });
		const tag = decodeFacts(row.f as string).body.hash.slice(0, 16);
		for (const uid of row.u)
			tx.edit(document, {
				key: keys.claim(entry, uid),
				add: row.t?.[uid] ?? tag,
			});
		for (const flag of Object.values(row.g))
			tx.edit(document, { key: keys.flag(entry, flag), add: flag });
		this.#recount(tx, mailbox);
	}

	/** In one go, as others may not come between: some 3 µs a message. */
	#recount(tx: Transaction, mailbox: MailboxId): void {
		const sums = newSums();
		const box = getBox(tx.batch, mailbox);
		const prefix = rowKey(mailbox, "" as EntryId);
		for (const [key] of this.#options.store.range(prefix, prefixEnd(prefix))) {
			const row = getRow(
				tx.batch,
				mailbox,
				key.slice(prefix.length) as EntryId,
			);
			if (row === undefined) continue;
			addTo(sums, row);
			mergeOperations(box.o, operationsOf(row));
		}
		const { live, liveBytes, shown, unseen, deleted, sizeBytes, deletedBytes } =
			sums;
		Object.assign(box, {
			live,
			liveBytes,
			shown,
			unseen,
			deleted,
			sizeBytes,
			deletedBytes,
		});
		box.E = Math.max(box.E, sums.E);
		box.H = Math.max(box.H, sums.H);
		box.heardUid = Math.max(box.heardUid, sums.heardUid);
		box.segment = Math.max(box.segment, sums.segment);
		tx.batch.change(boxKey(mailbox), box);
	}

	// ------------------------------------------------------------------ documents

	async #mendDocument(id: DocumentId): Promise<boolean> {
		const { ledger } = this.#options;
		if (this.#opens(id))
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.resnapshot(id));
			});
		else {
			const document = await this.#gathered(id);
			if (document === undefined) return false;
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.replace(id, document));
			});
		}
		await this.#follow(id);
		return true;
	}

	/** It may be sound in memory, though not in the store. */
	#opens(id: DocumentId): boolean {
		try {
			this.#options.ledger.documents.get(id);
			return true;
		} catch {
			return false; // that is what is to be mended
		}
	}

	/** From the first member that has it whole, and what is in the log of it; or from the log alone, if that reaches back. */
	async #gathered(id: DocumentId): Promise<FlatDocument | undefined> {
		const { reachable, peers, ledger } = this.#options;
		const { changes: logged } = await this.#logged(id);
		for (const member of reachable()) {
			const saved = await peers.document(member, id).catch(() => undefined);
			if (saved === undefined) continue;
			const document = FlatDocument.load(bucketsOf(id), ledger.origin, saved);
			document.apply(logged);
			if (document.lacks([]).length === 0) return document;
			document.free();
		}
		const document = FlatDocument.create(bucketsOf(id), ledger.origin);
		document.apply(logged);
		if (logged.length > 0 && document.lacks([]).length === 0) return document;
		document.free();
		return undefined;
	}

	/** All changes of a document that are in the log, and which entries they are about. */
	async #logged(
		id: DocumentId,
	): Promise<{ changes: Uint8Array[]; operations: Operations }> {
		const { ledger, breathe } = this.#options;
		const { log } = ledger;
		const changes: Uint8Array[] = [];
		const operations = new Operations();
		for (const [origin, head] of [...log.vector]) {
			const first = log.firstKept(origin);
			if (first > 1) operations.before[origin] = first - 1;
			for (let next = first; next <= head; ) {
				const framed = log.readFramed(origin, next, SLICE, SLICE_BYTES);
				if (framed.length === 0) break;
				for (const one of framed) {
					const record = decodeRecord(unframe(one));
					next = record.sequence + 1;
					if (record.document !== id) continue;
					changes.push(record.change);
					operations.note(record);
				}
				await breathe();
			}
		}
		return { changes, operations };
	}

	async #mergeWith(
		node: NodeId,
		id: DocumentId,
		lacks: "here" | "there",
	): Promise<boolean> {
		const { reachable, peers } = this.#options;
		const member = reachable().find((one) => one.node === node);
		if (member === undefined) return false;
		if (lacks === "there") await peers.offer(member, [id]);
		else await this.mergeFrom(member, [id]);
		return true;
	}

	/** Takes what this node lost of the documents from a member. */
	async mergeFrom(member: Member, ids: readonly DocumentId[]): Promise<void> {
		const { ledger, peers, diary } = this.#options;
		for (const id of ids) {
			const saved = await peers.document(member, id);
			if (saved === undefined) continue;
			const before = ledger.documents.get(id).heads().join();
			await ledger.write((tx) => {
				tx.batch.putAll(ledger.documents.adoptSnapshot(id, saved));
			});
			if (ledger.documents.get(id).heads().join() === before) continue;
			diary.error(
				"a document lacked changes that were in its log; they were taken from a member",
				{ document: id, member: member.name },
			);
			await this.#follow(id);
		}
	}

	/** Rows follow their document, and what the directory holds in memory. */
	async #follow(id: DocumentId): Promise<void> {
		const { ledger, store, directoryChanged } = this.#options;
		const place = kindOf(id);
		if (id === CLUSTER) directoryChanged("cluster");
		if (place.kind === "account") directoryChanged(place.account);
		if (place.kind !== "segment") return;
		const { mailbox, segment } = place;
		const document = ledger.documents.get(id);
		const differing = [...entryKeys(document)].filter(([entry, found]) => {
			const text = store.get(rowKey(mailbox, entry));
			return (
				text === undefined ||
				meaning(JSON.parse(text as string)) !== meaning(rowOf(document, found))
			);
		});
		if (differing.length === 0) return;
		const { operations } = await this.#logged(id);
		await this.#write((tx) => {
			for (const [entry, found] of differing) {
				const expected = rowOf(document, found);
				this.#rewrite(tx, mailbox, entry, segment, expected, operations);
			}
			this.#recount(tx, mailbox);
		}, mailbox);
	}

	// ------------------------------------------------------------------ log

	async #mendLog(origin: Origin, sequence: number): Promise<boolean> {
		const { ledger } = this.#options;
		const framed = await this.#recordsFrom(origin, sequence);
		// Documents no longer need what lies before: where that is, is not known any more.
		await this.#snapshotAll();
		await ledger.write((tx) => {
			if (framed.length > 0) ledger.log.putBack(tx.batch, origin, framed);
			else ledger.log.cut(tx.batch, origin, sequence);
		});
		return true;
	}

	/** Records that continue the chain here, from a member that has them. */
	async #recordsFrom(origin: Origin, sequence: number): Promise<Uint8Array[]> {
		const { reachable, peers, ledger } = this.#options;
		const { log } = ledger;
		const head = log.head(origin)?.sequence ?? 0;
		const hash = sequence === 1 ? "" : hashAt(log, origin, sequence - 1);
		if (hash === undefined) return [];
		for (const member of reachable()) {
			const framed = await peers
				.records(member, origin, sequence)
				.catch(() => []);
			const good = chained(framed, origin, sequence, hash, head);
			if (good.length > 0) return good;
		}
		return [];
	}

	async #snapshotAll(): Promise<void> {
		const { ledger, store, breathe } = this.#options;
		for (const id of [...ledger.documents.ids()]) {
			if (store.get(`docs/${id}`) === "") continue;
			await this.#mendDocument(id);
			await breathe();
		}
	}
}

/** Which origin's changes were about which entry of a document, by the log: rule 13 asks for the latest of each. */
class Operations {
	/** What the log does not reach back to any more: as if each of these were about every entry. */
	readonly before: Record<Origin, number> = {};
	readonly #byEntry = new Map<string, Record<Origin, number>>();

	/** Those on its flags, or on all else of it. */
	of(entry: EntryId, what: "flags" | "else"): Record<Origin, number> {
		return this.#byEntry.get(`${entry} ${what}`) ?? {};
	}
	note({ origin, sequence, keys: changed }: ChangeRecord): void {
		for (const key of changed) {
			const [kind, entry] = splitKey(key);
			const at = `${entry} ${kind === "f" ? "flags" : "else"}`;
			this.#byEntry.set(
				at,
				latest(this.#byEntry.get(at) ?? {}, { [origin]: sequence }),
			);
		}
	}
}

function latest(
	...all: readonly Record<Origin, number>[]
): Record<Origin, number> {
	const found: Record<Origin, number> = {};
	for (const one of all)
		for (const [origin, sequence] of Object.entries(one) as [Origin, number][])
			found[origin] = Math.max(found[origin] ?? 0, sequence);
	return found;
}

const SLICE = 200;
const SLICE_BYTES = 1024 * 1024;

/** The chain's hash after a record, if that is here. */
function hashAt(
	log: ChangeLog,
	origin: Origin,
	sequence: number,
): ChainHash | undefined {
	const [framed] = log.readFramed(origin, sequence, 1, SLICE_BYTES);
	return framed !== undefined &&
		decodeRecord(unframe(framed)).sequence === sequence
		? framedHash(framed)
		: undefined;
}

/** As many as follow one another from `sequence` on, the first one continuing `hash`, and none beyond the head here. */
function chained(
	framed: readonly Uint8Array[],
	origin: Origin,
	sequence: number,
	hash: ChainHash,
	head: number,
): Uint8Array[] {
	const good: Uint8Array[] = [];
	let previous = hash;
	for (const one of framed) {
		const record = decodeRecord(unframe(one));
		const next = sequence + good.length;
		if (
			record.origin !== origin ||
			record.sequence !== next ||
			next > head ||
			chainHash(previous, unframe(one)) !== framedHash(one)
		)
			break;
		previous = framedHash(one);
		good.push(one);
	}
	return good;
}
