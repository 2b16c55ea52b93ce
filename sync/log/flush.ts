/** The batch of one run of the ledger: what it writes, which records it holds, and which own edits are still to become some. */
import { DamagedDocument, type Edit } from "../documents/flat.ts";
import type { OpenDocuments } from "../documents/open.ts";
import { Temporary } from "../faults.ts";
import type { DocumentId, Origin, Sequence } from "../ids.ts";
import { CHANGE_EDITS_MAX } from "../limits.ts";
import type { Store, StoreWrite } from "../ports/store.ts";
import { Batch } from "./batch.ts";
import type { ChangeLog } from "./log.ts";
import type { Recent } from "./recent.ts";
import type { ChangeRecord } from "./record.ts";
import {
	type Fold,
	type KeyChange,
	keyChangeOf,
	type Made,
	type NewKey,
	type Transaction,
	type Work,
} from "./transaction.ts";

/** What a batch is made on: the ledger. */
export interface Ground {
	readonly origin: Origin;
	readonly log: ChangeLog;
	readonly documents: OpenDocuments;
	/** Why no document may be changed now. */
	readonly held: string | undefined;
}

/** Edits of one document that become one record. */
export interface Group {
	readonly document: DocumentId;
	readonly sequence: Sequence;
	readonly edits: Edit[];
}

/** Whoever waits for its work to be durable. */
export interface Waiting {
	readonly work: Work;
	readonly resolve: (made: Made) => void;
	readonly reject: (error: unknown) => void;
}

/** The batch of one run. */
export class Flush implements Transaction {
	readonly batch: Batch;
	readonly groups: Group[] = [];
	readonly origins = new Set<Origin>();
	/** How many records of members are in it. */
	taken = 0;
	readonly #ledger: Ground;
	readonly #folds: readonly Fold[];
	readonly #openGroup = new Map<DocumentId, number>();
	#sequence: number;
	/** Edits of the running function go to groups from here on, so that their order is kept across documents. */
	#floor = 0;
	#highest = 0;
	#lowest = Number.POSITIVE_INFINITY;

	constructor(
		ledger: Ground,
		folds: readonly Fold[],
		store: Store,
		snapshots: readonly StoreWrite[],
		recent: Recent,
	) {
		this.#ledger = ledger;
		this.#folds = folds;
		this.batch = new Batch(store, recent);
		this.batch.putAll(snapshots);
		this.#sequence = ledger.log.vector.get(ledger.origin) ?? 0;
	}

	runOne(waiting: Waiting): Made | undefined {
		this.#floor = 0;
		this.#highest = 0;
		this.#lowest = Number.POSITIVE_INFINITY;
		try {
			waiting.work(this);
			const last = this.#highest;
			return { first: Math.min(this.#lowest, last), last };
		} catch (error) {
			// After an edit it is a bug, and the whole batch must go.
			if (this.#highest > 0) throw error;
			waiting.reject(error);
			return undefined;
		}
	}

	finish(): void {
		for (const fold of this.#folds) {
			this.#floor = 0;
			fold.finish(this);
		}
	}

	edit(document: DocumentId, edit: Edit): void {
		const { edits, sequence } = this.#groupFor(document, 1);
		edits.push(edit);
		this.fold({
			document,
			key: edit.key,
			origin: this.#ledger.origin,
			sequence,
			values: "set" in edit ? [edit.set] : "add" in edit ? [edit.add] : [],
		});
	}

	editFolded(document: DocumentId, edit: Edit): Sequence {
		const { edits, sequence } = this.#groupFor(document, 1);
		edits.push(edit);
		return sequence;
	}

	editNew(document: DocumentId, id: string, edits: readonly NewKey[]): void {
		if (edits.length > CHANGE_EDITS_MAX) {
			for (const edit of edits) this.edit(document, edit);
			return;
		}
		const group = this.#groupFor(document, edits.length);
		for (let i = 0; i < edits.length; i++) group.edits.push(edits[i] as NewKey);
		const { origin } = this.#ledger;
		const change = { document, id, origin, sequence: group.sequence, edits };
		for (let i = 0; i < this.#folds.length; i++) {
			const fold = this.#folds[i] as Fold;
			if (fold.foldNew !== undefined) fold.foldNew(this, change);
			else for (const edit of edits) fold.fold(this, keyChangeOf(change, edit));
		}
	}

	/** What so many more edits of the document go into. */
	#groupFor(document: DocumentId, count: number): Group {
		const { held } = this.#ledger;
		if (held !== undefined && this.#highest === 0) throw new Temporary(held);
		if (this.isDamaged(document))
			throw new DamagedDocument(
				`document ${document} is damaged here and being put together again; try later`,
			);
		let index = this.#openGroup.get(document);
		const isOpen =
			index !== undefined &&
			index >= this.#floor &&
			(this.groups[index] as Group).edits.length + count <= CHANGE_EDITS_MAX;
		if (index === undefined || !isOpen) {
			index = this.groups.length;
			this.#openGroup.set(document, index);
			this.groups.push({
				document,
				sequence: ++this.#sequence as Sequence,
				edits: [],
			});
		}
		const group = this.groups[index] as Group;
		this.#floor = index;
		this.#highest = Math.max(this.#highest, group.sequence);
		this.#lowest = Math.min(this.#lowest, group.sequence);
		return group;
	}

	isDamaged(document: DocumentId): boolean {
		return this.#ledger.documents.isDamaged(document);
	}

	/** Changes of these documents are about to be folded. */
	expect(records: readonly ChangeRecord[]): void {
		for (const fold of this.#folds) fold.expect?.(this.batch, records);
	}

	fold(change: KeyChange): void {
		for (let i = 0; i < this.#folds.length; i++)
			(this.#folds[i] as Fold).fold(this, change);
	}

	/** Puts a record into the log, as the newest change of its document. */
	append(record: ChangeRecord, encoded: Uint8Array): void {
		const { documents, log } = this.#ledger;
		const { document, origin, sequence } = record;
		this.origins.add(origin);
		const previous = documents.noteChange(
			this.batch,
			document,
			origin,
			sequence,
			record.change.length,
		);
		log.append(this.batch, record, encoded, previous);
	}

	/** The vector as of this batch. */
	*vector(): Iterable<[Origin, Sequence]> {
		for (const [origin, sequence] of this.#ledger.log.vector)
			yield [
				origin,
				this.#ledger.log.headIn(this.batch, origin)?.sequence ?? sequence,
			];
		for (const origin of this.origins)
			if (!this.#ledger.log.vector.has(origin)) {
				const head = this.#ledger.log.headIn(this.batch, origin);
				if (head !== undefined) yield [origin, head.sequence];
			}
	}
}
