/** Rows and sums of mailboxes made anew from documents; what only a row tells of goes back into its document. */
import type { Member } from "../directory/cluster.ts";
import { keys, segmentDocument } from "../documents/shapes.ts";
import type { DocumentId, EntryId, MailboxId } from "../ids.ts";
import type { Transaction } from "../log/ledger.ts";
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
import { prefixEnd } from "../ports/store.ts";
import { changeSegment } from "../space/segments.ts";
import { addUse } from "../space/uses.ts";
import { addTo, newSums } from "./boxes.ts";
import { latest, logged, type Operations } from "./logged.ts";
import type { MenderOptions } from "./mend.ts";
import { entryKeys, meaning, rowOf } from "./rows.ts";

export class RowMender {
	readonly #options: MenderOptions;
	/** Takes what was lost of documents from a member. */
	readonly #mergeFrom: (
		member: Member,
		ids: readonly DocumentId[],
	) => Promise<void>;

	constructor(
		options: MenderOptions,
		mergeFrom: (member: Member, ids: readonly DocumentId[]) => Promise<void>,
	) {
		this.#options = options;
		this.#mergeFrom = mergeFrom;
	}

	/** What is held in memory of mailboxes follows. */
	async write(
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

	noteUse(tx: Transaction, mailbox: MailboxId, entry: EntryId): void {
		const row = getRow(tx.batch, mailbox, entry);
		if (row === undefined || !lives(row)) return;
		const { body } = decodeFacts(row.f as string);
		addUse(tx.batch, body, mailbox, entry, undefined);
	}

	async mend(mailbox: MailboxId, entry: EntryId): Promise<boolean> {
		if (await this.#mendFromHere(mailbox, entry)) return true;
		// Its document may be lost as a whole.
		const { store, ledger, reachable } = this.#options;
		const text = store.get(rowKey(mailbox, entry));
		if (text === undefined) return false;
		const row = JSON.parse(text as string) as EntryRow;
		const id = segmentDocument(mailbox, row.s);
		for (const member of reachable()) {
			await this.#mergeFrom(member, [id]).catch(() => {});
			if (ledger.documents.get(id).has(keys.facts(entry))) return true;
		}
		if (row.f === undefined) return false;
		return this.write((tx) => this.#putBack(tx, mailbox, entry, row));
	}

	async #mendFromHere(mailbox: MailboxId, entry: EntryId): Promise<boolean> {
		const { ledger, store } = this.#options;
		const text = store.get(rowKey(mailbox, entry));
		const before =
			text === undefined ? undefined : (JSON.parse(text as string) as EntryRow);
		for (const segment of this.#segmentsOf(mailbox, before)) {
			const document = ledger.documents.get(segmentDocument(mailbox, segment));
			const found = entryKeys(document).get(entry);
			if (found === undefined) continue;
			const { operations } = await logged(
				ledger,
				segmentDocument(mailbox, segment),
				this.#options.breathe,
			);
			return this.write((tx) => {
				const expected = rowOf(document, found);
				this.#rewrite(tx, mailbox, entry, segment, expected, operations);
				this.recount(tx, mailbox);
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
		mailboxes.noteAdopted(mailbox, entry);
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
		this.recount(tx, mailbox);
	}

	/** In one go, as others may not come between: some 3 µs a message. */
	recount(tx: Transaction, mailbox: MailboxId): void {
		const sums = newSums();
		const box = getBox(tx.batch, mailbox);
		const prefix = rowKey(mailbox, "" as EntryId);
		// Also those that this batch brings.
		for (const key of tx.batch.keys(prefix, prefixEnd(prefix))) {
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

	/** All rows of a segment follow its document. */
	async follow(mailbox: MailboxId, segment: number): Promise<void> {
		const { ledger, store, breathe } = this.#options;
		const id = segmentDocument(mailbox, segment);
		const document = ledger.documents.get(id);
		const differing = [...entryKeys(document)].filter(([entry, found]) => {
			const text = store.get(rowKey(mailbox, entry));
			const expected = rowOf(document, found);
			// A dead one without a row was forgotten.
			if (text === undefined) return expected.f !== undefined && !expected.x;
			return meaning(JSON.parse(text as string)) !== meaning(expected);
		});
		if (differing.length === 0) return;
		const { operations } = await logged(ledger, id, breathe);
		await this.write((tx) => {
			for (const [entry, found] of differing) {
				const expected = rowOf(document, found);
				this.#rewrite(tx, mailbox, entry, segment, expected, operations);
			}
			this.recount(tx, mailbox);
		}, mailbox);
	}
}
