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
	segmentsOf,
} from "../mailbox/rows.ts";
import { prefixEnd } from "../ports/store.ts";
import { recountSegments } from "../space/segments.ts";
import { addUse } from "../space/uses.ts";
import { addTo, newSums } from "./boxes.ts";
import { latest, logged, type Operations } from "./logged.ts";
import type { MenderOptions } from "./mend.ts";
import {
	entryKeys,
	type Looked,
	meaning,
	type Replicated,
	rowOf,
	rowOfMailbox,
	type Whole,
} from "./rows.ts";

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
		const ids = segmentsOf(row).map((one) => segmentDocument(mailbox, one));
		for (const member of reachable()) {
			await this.#mergeFrom(member, ids).catch(() => {});
			if (ids.some((id) => ledger.documents.get(id).has(keys.facts(entry))))
				return true;
		}
		if (row.f === undefined) return false;
		return this.write((tx) => this.#putBack(tx, mailbox, entry, row));
	}

	async #mendFromHere(mailbox: MailboxId, entry: EntryId): Promise<boolean> {
		const found = rowOfMailbox(this.#looked(mailbox), entry);
		if (found === undefined) return false;
		const operations = await this.#operations(mailbox, [found]);
		return this.write((tx) => {
			// Changes came while the log was read.
			const now = rowOfMailbox(this.#looked(mailbox), entry);
			if (now === undefined) return;
			this.#rewrite(tx, mailbox, entry, now, operations);
			this.recount(tx, mailbox);
		}, mailbox);
	}

	#looked(mailbox: MailboxId): Looked {
		const { ledger, store } = this.#options;
		return { store, mailbox, documents: (id) => ledger.documents.get(id) };
	}

	/** What the log tells of the segments of these rows. */
	async #operations(
		mailbox: MailboxId,
		rows: readonly Whole[],
	): Promise<readonly Operations[]> {
		const { ledger, breathe } = this.#options;
		const all: Operations[] = [];
		for (const segment of new Set(rows.flatMap(segmentsOf))) {
			const id = segmentDocument(mailbox, segment);
			all.push((await logged(ledger, id, breathe)).operations);
		}
		return all;
	}

	#rewrite(
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
		expected: Whole,
		operations: readonly Operations[],
	): void {
		const { mailboxes } = this.#options;
		const { batch } = tx;
		const before = getRow(batch, mailbox, entry);
		const { s, f, fs, u, t, x, g, p } = expected;
		const cut = operations.map(({ before: one }) => one);
		const row: EntryRow = {
			s,
			u: [...u],
			g,
			o: latest(
				...cut,
				...operations.map((one) => one.of(entry, "else")),
				before?.o ?? {},
			),
			n: (before?.n ?? 0) + 1,
		};
		const flags = latest(
			...operations.map((one) => one.of(entry, "flags")),
			before?.q ?? {},
		);
		if (Object.keys(flags).length > 0) row.q = latest(...cut, flags);
		if (f !== undefined) row.f = f;
		if (fs !== undefined) row.fs = fs;
		if (p !== undefined) row.p = p;
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
		recountSegments(batch, mailbox, before, row);
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
		const { ledger, store } = this.#options;
		const id = segmentDocument(mailbox, segment);
		const document = ledger.documents.get(id);
		const looked = this.#looked(mailbox);
		const differing = [...entryKeys(document)].flatMap(([entry, found]) => {
			const text = store.get(rowKey(mailbox, entry));
			const expected = rowOf(document, found);
			// A dead one without a row was forgotten.
			if (text === undefined && (expected.f === undefined || expected.x))
				return [];
			const before = text && meaning(JSON.parse(text as string) as Replicated);
			if (before === meaning(expected)) return [];
			// Most lie in this segment alone; of the others each segment has something to say.
			const whole = rowOfMailbox(looked, entry, [segment, found]);
			if (whole === undefined || before === meaning(whole)) return [];
			return before === undefined && whole.x ? [] : [{ entry, whole }];
		});
		if (differing.length === 0) return;
		const operations = await this.#operations(
			mailbox,
			differing.map(({ whole }) => whole),
		);
		await this.write((tx) => {
			// Changes came while the log was read.
			const now = entryKeys(ledger.documents.get(id));
			for (const { entry } of differing) {
				const found = now.get(entry) ?? [];
				const whole = rowOfMailbox(looked, entry, [segment, found]);
				if (whole === undefined) continue;
				this.#rewrite(tx, mailbox, entry, whole, operations);
			}
			this.recount(tx, mailbox);
		}, mailbox);
	}
}
