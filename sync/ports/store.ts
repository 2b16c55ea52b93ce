/**
 * The node's local truth as an ordered map, small enough to have an exact twin in memory. Keys are ASCII text, ordered
 * by code unit; values are text or bytes and come back as what they were put. One process owns a store.
 */
export type StoreValue = string | Uint8Array;
/** `undefined` deletes. Later writes to the same key win. */
export type StoreWrite = readonly [key: string, value: StoreValue | undefined];
export interface RangeOptions {
	readonly limit?: number;
	readonly reverse?: boolean;
}

export interface Store {
	get(key: string): StoreValue | undefined;
	/** The same of many keys, in their order: asked for one by one, many take twice to five times as long. */
	getAll(keys: readonly string[]): (StoreValue | undefined)[];
	/** Entries with `from <= key < to`, in order. What is committed during the walk may or may not be seen. */
	range(
		from: string,
		to: string,
		options?: RangeOptions,
	): Iterable<readonly [key: string, value: StoreValue]>;
	/** All or nothing, and durable (synced to disk) when it returns. Throws StoreFull or StoreFailed, having changed nothing. */
	commit(writes: readonly StoreWrite[]): void;
	/** What is wrong with the file below, one line each. Where there is a file; beside all other work. */
	damage?(signal?: AbortSignal): Promise<readonly string[]>;
	/** Bytes in use on disk, for status and compaction. */
	sizeBytes(): number;
	close(): void;
}

/** No room on the disk. Nothing was written; works again when there is room. */
export class StoreFull extends Error {
	override name = "StoreFull";
}
/** The store cannot be read or written; the message says which file and what to do. */
export class StoreFailed extends Error {
	override name = "StoreFailed";
}
/** What lies in the store is not what was put there: a bad disk, or another hand. Nothing of it may be used any more. */
export class StoreDamaged extends StoreFailed {
	override name = "StoreDamaged";
}

/** The end of the range of all keys that start with `prefix`. */
export const prefixEnd = (prefix: string): string => `${prefix}\u{7f}`;
