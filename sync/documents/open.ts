/** The documents of this node: few are open at a time, the others lie in the store as a snapshot and the changes since. */
import { createHash } from "node:crypto";
import type { DocumentId, Origin, Sequence } from "../ids.ts";
import {
	DOCUMENTS_OPEN_MAX,
	LARGE_CHANGE_BYTES,
	SNAPSHOT_AT_REST_CHANGES,
	SNAPSHOT_CHANGE_BYTES,
	SNAPSHOT_EVERY_CHANGES,
	SNAPSHOT_OVERDUE_CHANGES,
} from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import {
	prefixEnd,
	type Store,
	StoreFailed,
	type StoreWrite,
} from "../ports/store.ts";
import { DamagedDocument, FlatDocument } from "./flat.ts";
import { bucketsOf } from "./shapes.ts";

/** "<origin> <sequence>" of a record in the log. */
export type ChangePlace = `${Origin} ${number}`;
/** Gives the Automerge change of a record in the log, and where the change of its document before it lies. */
export type ChangeReader = (at: ChangePlace) => {
	readonly change: Uint8Array;
	readonly previous: ChangePlace | "";
};

interface Opened {
	readonly document: FlatDocument;
	/** By weightOf(). */
	changesSinceSnapshot: number;
	/** Of these the large ones. */
	largeSinceSnapshot: number;
}

/** As how many changes one counts, by what it takes to replay it. */
const weightOf = (changeBytes: number): number =>
	changeBytes < LARGE_CHANGE_BYTES
		? 1
		: Math.ceil(changeBytes / SNAPSHOT_CHANGE_BYTES);

function count(opened: Omit<Opened, "document">, changeBytes: number): void {
	const weight = weightOf(changeBytes);
	opened.changesSinceSnapshot += weight;
	if (changeBytes >= LARGE_CHANGE_BYTES) opened.largeSinceSnapshot += weight;
}

const mustWait = ({ document, changesSinceSnapshot }: Opened): boolean =>
	document.isUnsettled && changesSinceSnapshot < SNAPSHOT_OVERDUE_CHANGES;

/** Where the newest change of a document since its snapshot lies. */
const docKey = (document: DocumentId): string => `docs/${document}`;
const snapshotKey = (document: DocumentId): string => `snap/${document}`;

export class OpenDocuments {
	readonly #store: Store;
	readonly #origin: Origin;
	readonly #change: ChangeReader;
	readonly #open = new Map<DocumentId, Opened>();
	readonly #touched = new Set<DocumentId>();
	/** A snapshot of them is due. */
	readonly #due = new Set<DocumentId>();
	/** It is when nothing else is to be done: what is put into a document that was just loaded takes ten times as long. */
	readonly #dueAtRest = new Set<DocumentId>();
	/** What did not open, until it does. */
	readonly #damaged = new Set<DocumentId>();
	readonly #onDamage: (id: DocumentId, reason: string) => void;

	/** `onDamage` is told of each document that does not open, once until it does again. */
	constructor(
		store: Store,
		origin: Origin,
		change: ChangeReader,
		onDamage: (id: DocumentId, reason: string) => void = () => {},
	) {
		this.#store = store;
		this.#origin = origin;
		this.#change = change;
		this.#onDamage = onDamage;
	}

	/** The document as of all that was committed, plus what was changed since through this object. Throws DamagedDocument. */
	get(id: DocumentId): FlatDocument {
		let opened = this.#open.get(id);
		if (opened === undefined) {
			opened = this.#loadOrTell(id);
			this.#damaged.delete(id);
			this.#evict();
		} else this.#open.delete(id);
		this.#open.set(id, opened);
		return opened.document;
	}

	/** It did not open when it was asked for last. */
	isDamaged(id: DocumentId): boolean {
		return this.#damaged.has(id);
	}

	#loadOrTell(id: DocumentId): Opened {
		try {
			return this.#load(id);
		} catch (error) {
			// Damage of the store below is another matter, and worse.
			if (error instanceof StoreFailed) throw error;
			const reason = (error as Error).message;
			if (!this.#damaged.has(id)) {
				this.#damaged.add(id);
				this.#onDamage(id, reason);
			}
			throw error instanceof DamagedDocument
				? error
				: new DamagedDocument(`cannot load ${id}: ${reason}`);
		}
	}

	/**
	 * Notes in the batch that a record changes the document. Returns where the change before it lies ("" for none since the
	 * snapshot), which goes into the log with the record: changes of a document are a list, newest first, without an index.
	 */
	noteChange(
		batch: Batch,
		id: DocumentId,
		origin: Origin,
		sequence: Sequence,
		changeBytes: number,
	): ChangePlace | "" {
		const opened = this.#open.get(id);
		if (opened !== undefined) count(opened, changeBytes);
		this.#touched.add(id);
		const previous = (batch.get(docKey(id)) ?? "") as ChangePlace | "";
		batch.put(docKey(id), `${origin} ${sequence}`);
		return previous;
	}

	/** The commit went through; returns snapshots that are due, to go with a later commit. */
	committed(): StoreWrite[] {
		const writes: StoreWrite[] = [];
		for (const id of this.#touched) {
			const opened = this.#open.get(id);
			if (opened === undefined) continue;
			if (opened.changesSinceSnapshot >= SNAPSHOT_EVERY_CHANGES)
				this.#due.add(id);
			else if (opened.largeSinceSnapshot >= SNAPSHOT_AT_REST_CHANGES)
				this.#dueAtRest.add(id);
		}
		this.#touched.clear();
		for (const id of this.#due) {
			const opened = this.#open.get(id);
			if (opened !== undefined && mustWait(opened)) continue;
			this.#due.delete(id);
			if (opened !== undefined) writes.push(...this.#snapshot(id, opened));
		}
		return writes;
	}

	/** A snapshot that waited until all changes were applied, to go with a commit; one at a time, as others wait for it. */
	takeDue(): StoreWrite[] {
		for (const id of [...this.#due, ...this.#dueAtRest]) {
			const opened = this.#open.get(id);
			if (opened !== undefined && mustWait(opened)) continue;
			this.#due.delete(id);
			this.#dueAtRest.delete(id);
			if (opened !== undefined) return this.#snapshot(id, opened);
		}
		return [];
	}

	get isUnsettled(): boolean {
		return this.#unsettled() !== undefined;
	}

	/** Applies some of the changes that wait (flat.ts), if there are any. */
	settleSome(): void {
		this.#unsettled()?.settleSome();
	}

	#unsettled(): FlatDocument | undefined {
		for (const { document } of this.#open.values())
			if (document.isUnsettled) return document;
		return undefined;
	}

	/** The commit failed: what was changed is forgotten, and read again from the store when it is needed. */
	rolledBack(): void {
		for (const id of this.#touched) this.forget(id);
		this.#touched.clear();
	}

	/** Touched by a change whose commit may yet fail, though noteChange was not called (an aborted batch). */
	mayHaveChanged(id: DocumentId): void {
		this.#touched.add(id);
	}

	forget(id: DocumentId): void {
		this.#open.get(id)?.document.free();
		this.#open.delete(id);
	}

	/** Replaces whatever is held by a document that a peer sent whole; merges if there is one already. */
	adoptSnapshot(id: DocumentId, saved: Uint8Array): StoreWrite[] {
		if (this.exists(id)) {
			const theirs = FlatDocument.load(bucketsOf(id), this.#origin, saved);
			const mine = this.get(id);
			mine.mergeFrom(theirs);
			theirs.free();
		} else {
			this.#open.set(id, {
				document: FlatDocument.load(bucketsOf(id), this.#origin, saved),
				changesSinceSnapshot: 0,
				largeSinceSnapshot: 0,
			});
		}
		this.#touched.add(id);
		return this.#snapshot(id, this.#open.get(id) as Opened);
	}

	/** Another copy, as the store has it, whether the document is open or not; the caller frees it. */
	stored(id: DocumentId): FlatDocument {
		return this.#load(id).document;
	}

	/** Whether changes since its snapshot lie in the log; with a batch, as of it. */
	hasChanges(id: DocumentId, batch: Pick<Batch, "get"> = this.#store): boolean {
		return (batch.get(docKey(id)) ?? "") !== "";
	}

	/**
	 * Writes the document as it is in memory, within a batch: what the store had of it no longer counts, and it needs nothing
	 * of the log.
	 */
	resnapshot(id: DocumentId): StoreWrite[] {
		this.get(id);
		this.#touched.add(id);
		return this.#snapshot(id, this.#open.get(id) as Opened);
	}

	/** Puts this in the place of a document that cannot be opened any more. */
	replace(id: DocumentId, document: FlatDocument): StoreWrite[] {
		this.forget(id);
		this.#damaged.delete(id);
		this.#open.set(id, {
			document,
			changesSinceSnapshot: 0,
			largeSinceSnapshot: 0,
		});
		return this.resnapshot(id);
	}

	/** Nothing is left of the document; the caller knows that nobody will change it again. */
	drop(id: DocumentId): StoreWrite[] {
		this.forget(id);
		this.#damaged.delete(id);
		return [
			[docKey(id), undefined],
			[snapshotKey(id), undefined],
		];
	}

	/** All documents there are. */
	*ids(): Iterable<DocumentId> {
		for (const [key] of this.#store.range("docs/", prefixEnd("docs/")))
			yield key.slice("docs/".length) as DocumentId;
	}

	/** Whether the store has anything of it. */
	exists(id: DocumentId): boolean {
		return this.#store.get(docKey(id)) !== undefined;
	}

	#load(id: DocumentId): Opened {
		const saved = this.#store.get(snapshotKey(id));
		const document =
			saved === undefined
				? FlatDocument.create(bucketsOf(id), this.#origin)
				: FlatDocument.load(
						bucketsOf(id),
						this.#origin,
						checked(saved as Uint8Array, id),
					);
		const changes: Uint8Array[] = [];
		for (
			let at = (this.#store.get(docKey(id)) ?? "") as ChangePlace | "";
			at;
		) {
			const { change, previous } = this.#change(at);
			changes.push(change);
			at = previous;
		}
		changes.reverse();
		if (changes.length > 0)
			document.take(changes.map((change) => ({ change })));
		const opened = { document, changesSinceSnapshot: 0, largeSinceSnapshot: 0 };
		for (const { length } of changes) count(opened, length);
		return opened;
	}

	#snapshot(id: DocumentId, opened: Opened): StoreWrite[] {
		const saved = opened.document.save();
		opened.changesSinceSnapshot = 0;
		opened.largeSinceSnapshot = 0;
		this.#due.delete(id);
		this.#dueAtRest.delete(id);
		const digest = createHash("sha256").update(saved).digest();
		return [
			[snapshotKey(id), Buffer.concat([digest, saved])],
			[docKey(id), ""],
		];
	}

	/** Whether it lies in memory, besides the store. */
	isOpen(id: DocumentId): boolean {
		return this.#open.has(id);
	}

	#evict(): void {
		for (const [id] of this.#open) {
			if (this.#open.size < DOCUMENTS_OPEN_MAX) return;
			if (!this.#touched.has(id)) this.forget(id);
		}
	}
}

function checked(framed: Uint8Array, id: DocumentId): Uint8Array {
	const saved = framed.subarray(32);
	const digest = createHash("sha256").update(saved).digest();
	if (!digest.equals(framed.subarray(0, 32)))
		throw new DamagedDocument(`the snapshot of ${id} is damaged on disk`);
	return saved;
}
