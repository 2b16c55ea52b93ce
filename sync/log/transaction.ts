/** What a batch is for those who have something in it: those who write, and those who fold what is written into rows. */
import type { Edit, Scalar } from "../documents/flat.ts";
import type { DocumentId, Origin, Sequence } from "../ids.ts";
import type { Batch } from "./batch.ts";

/** One key of a document was changed by one record. */
export interface KeyChange {
	readonly document: DocumentId;
	readonly key: string;
	readonly origin: Origin;
	readonly sequence: Sequence;
	/** What the key holds now: concurrent values, or none. Of a change that was taken in, the document is asked each time. */
	readonly values: readonly Scalar[];
	/**
	 * The same where it is known that the key held nothing before: then the document need not be asked, which takes longer
	 * than all else that is folded of a key. Undefined: it must be.
	 */
	readonly valuesIfNew?: readonly Scalar[] | undefined;
}

/** All that one record says first of an id of a document that was just made: several keys, folded in one step. */
export interface NewId {
	readonly document: DocumentId;
	readonly id: string;
	readonly origin: Origin;
	readonly sequence: Sequence;
	/** They put something under keys that are not there yet. */
	readonly edits: readonly NewKey[];
}
export type NewKey = Exclude<Edit, { readonly remove: true }>;

export const putBy = (edit: NewKey): Scalar =>
	"set" in edit ? edit.set : edit.add;

/** One of its keys. */
export const keyChangeOf = (
	{ document, origin, sequence }: NewId,
	edit: NewKey,
): KeyChange => ({
	document,
	key: edit.key,
	origin,
	sequence,
	values: [putBy(edit)],
});

export interface ExpectedKeys {
	readonly document: DocumentId;
	readonly keys: readonly string[];
}

/** What folds changes into rows, and adds own work that follows from them, before the batch is committed. */
export interface Fold {
	/** The keys of these will come to fold(), one by one: what that reads can be read at once. */
	expect?(batch: Batch, records: readonly ExpectedKeys[]): void;
	fold(tx: Transaction, change: KeyChange): void;
	/** The same of all keys of an id that was just made; without it fold() has them one by one. */
	foldNew?(tx: Transaction, change: NewId): void;
	/** Runs once a batch, after all folding; may edit. */
	finish(tx: Transaction): void;
	/** The batch is durable. */
	committed(): void;
	/** The batch came to nothing; forget what it left in memory. */
	rolledBack(): void;
}

/** A batch in the making. */
export interface Transaction {
	readonly batch: Batch;
	/** Changes a key of a replicated document; folded at once. Edits of one function keep their order everywhere. */
	edit(document: DocumentId, edit: Edit): void;
	/** Says several things first of an id that the caller has just made: they go into one record. */
	editNew(document: DocumentId, id: string, edits: readonly NewKey[]): void;
	/** The same of a key where the caller has done itself what folding it comes to. Returns the number of its record. */
	editFolded(document: DocumentId, edit: Edit): Sequence;
	/** Whether the document cannot be changed now, since it does not open; see DamagedDocument. */
	isDamaged(document: DocumentId): boolean;
}

/** Must check all it needs before its first edit: it may throw before, never after. */
export type Work = (tx: Transaction) => void;

/** Own changes that a piece of work made, from the first to the last of them. */
export interface Made {
	readonly first: number;
	readonly last: number;
}
export const NOTHING_MADE: Made = { first: 0, last: 0 };
