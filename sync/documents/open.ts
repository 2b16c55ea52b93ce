/** The documents of this node: few are open at a time, the others lie in the store as a snapshot and the changes since. */
import { createHash } from "node:crypto";
import type { DocumentId, Origin, Sequence } from "../ids.ts";
import { DOCUMENTS_OPEN_MAX, SNAPSHOT_EVERY_CHANGES } from "../limits.ts";
import { prefixEnd, type Store, type StoreWrite } from "../ports/store.ts";
import { DamagedDocument, FlatDocument } from "./flat.ts";
import { bucketsOf } from "./shapes.ts";

/** Gives the Automerge change of a record in the log. */
export type ChangeReader = (origin: Origin, sequence: Sequence) => Uint8Array;

interface Opened {
	readonly document: FlatDocument;
	changesSinceSnapshot: number;
}

const tailPrefix = (document: DocumentId): string => `tail/${document}/`;
const snapshotKey = (document: DocumentId): string => `snap/${document}`;

export class OpenDocuments {
	readonly #store: Store;
	readonly #origin: Origin;
	readonly #change: ChangeReader;
	readonly #open = new Map<DocumentId, Opened>();
	readonly #touched = new Set<DocumentId>();
	#tailNumber: number;

	constructor(store: Store, origin: Origin, change: ChangeReader) {
		this.#store = store;
		this.#origin = origin;
		this.#change = change;
		this.#tailNumber = Number(store.get("meta/tail") ?? 0);
	}

	/** The document as of all that was committed, plus what was changed since through this object. */
	get(id: DocumentId): FlatDocument {
		let opened = this.#open.get(id);
		if (opened === undefined) {
			opened = this.#load(id);
			this.#evict();
		} else this.#open.delete(id);
		this.#open.set(id, opened);
		return opened.document;
	}

	/** Notes that a record changed the document; to be committed together with the record. */
	noteChange(id: DocumentId, origin: Origin, sequence: Sequence): StoreWrite[] {
		const number = String(this.#tailNumber++).padStart(12, "0");
		const opened = this.#open.get(id);
		if (opened !== undefined) opened.changesSinceSnapshot++;
		this.#touched.add(id);
		return [
			[`${tailPrefix(id)}${number}`, `${origin} ${sequence}`],
			["meta/tail", String(this.#tailNumber)],
		];
	}

	/** The commit went through; returns snapshots that are due, to go with a later commit. */
	committed(): StoreWrite[] {
		const writes: StoreWrite[] = [];
		for (const id of this.#touched) {
			const opened = this.#open.get(id);
			if (
				opened !== undefined &&
				opened.changesSinceSnapshot >= SNAPSHOT_EVERY_CHANGES
			)
				writes.push(...this.#snapshot(id, opened));
		}
		this.#touched.clear();
		return writes;
	}

	/** The commit failed: what was changed is forgotten, and read again from the store when it is needed. */
	rolledBack(): void {
		for (const id of this.#touched) this.forget(id);
		this.#touched.clear();
		this.#tailNumber = Number(this.#store.get("meta/tail") ?? 0);
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
		if (this.#exists(id)) {
			const theirs = FlatDocument.load(bucketsOf(id), this.#origin, saved);
			const mine = this.get(id);
			mine.mergeFrom(theirs);
			theirs.free();
		} else {
			this.#open.set(id, {
				document: FlatDocument.load(bucketsOf(id), this.#origin, saved),
				changesSinceSnapshot: 0,
			});
		}
		this.#touched.add(id);
		return this.#snapshot(id, this.#open.get(id) as Opened);
	}

	/** All documents there are. */
	*ids(): Iterable<DocumentId> {
		for (const [key] of this.#store.range("docs/", prefixEnd("docs/")))
			yield key.slice("docs/".length) as DocumentId;
	}

	#exists(id: DocumentId): boolean {
		return this.#store.get(`docs/${id}`) !== undefined;
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
		const tail = [
			...this.#store.range(tailPrefix(id), prefixEnd(tailPrefix(id))),
		];
		const changes = tail.map(([, at]) => {
			const [origin, sequence] = (at as string).split(" ");
			return this.#change(origin as Origin, Number(sequence) as Sequence);
		});
		if (changes.length > 0) document.apply(changes);
		return { document, changesSinceSnapshot: changes.length };
	}

	#snapshot(id: DocumentId, opened: Opened): StoreWrite[] {
		const saved = opened.document.save();
		opened.changesSinceSnapshot = 0;
		const digest = createHash("sha256").update(saved).digest();
		const writes: StoreWrite[] = [
			[snapshotKey(id), Buffer.concat([digest, saved])],
		];
		const prefix = tailPrefix(id);
		for (const [key] of this.#store.range(prefix, prefixEnd(prefix)))
			writes.push([key, undefined]);
		return writes;
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
