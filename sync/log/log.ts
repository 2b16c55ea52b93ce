/**
 * The change log: every change of every origin, in its origin's order, and the vector of what is held. Reading and
 * appending only; who commits and who applies is ledger.ts.
 */
import type { ChangePlace } from "../documents/open.ts";
import type { Origin, Sequence } from "../ids.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { Batch } from "./batch.ts";
import {
	BadRecord,
	type ChainHash,
	type ChangeRecord,
	chainHash,
	decodeRecord,
	type Vector,
} from "./record.ts";

export interface Head {
	readonly sequence: Sequence;
	readonly hash: ChainHash;
}

const logKey = (origin: Origin, sequence: number): string =>
	`log/${origin}/${sequence.toString(16).padStart(12, "0")}`;
const headKey = (origin: Origin): string => `head/${origin}`;

export class ChangeLog {
	readonly #store: Store;
	/** What is committed. */
	readonly #heads = new Map<Origin, Head>();
	readonly #vector = new Map<Origin, Sequence>();

	constructor(store: Store) {
		this.#store = store;
		for (const [key, value] of store.range("head/", prefixEnd("head/"))) {
			const [sequence, hash] = JSON.parse(value as string) as [
				Sequence,
				ChainHash,
			];
			const origin = key.slice("head/".length) as Origin;
			this.#heads.set(origin, { sequence, hash });
			this.#vector.set(origin, sequence);
		}
	}

	/** What is held durably. The map lives: it grows with each commit. */
	get vector(): Vector {
		return this.#vector;
	}

	head(origin: Origin): Head | undefined {
		return this.#heads.get(origin);
	}

	/** Hash of the chain up to this record; undefined when the record is not kept here. */
	hashAt(origin: Origin, sequence: number): ChainHash | undefined {
		const head = this.#heads.get(origin);
		if (head?.sequence === sequence) return head.hash;
		const row = this.#store.get(logKey(origin, sequence));
		return row && framedHash(fromRow(row as Uint8Array).framed);
	}

	/** Whether the record lies here and does not continue what is before it: its bytes went wrong on this disk. */
	isDamaged(origin: Origin, sequence: number): boolean {
		const row = this.#store.get(logKey(origin, sequence));
		const previous = sequence === 1 ? "" : this.hashAt(origin, sequence - 1);
		if (row === undefined || previous === undefined) return false;
		const { framed } = fromRow(row as Uint8Array);
		return chainHash(previous, unframe(framed)) !== framedHash(framed);
	}

	/** The head as of the batch. */
	headIn(batch: Batch, origin: Origin): Head | undefined {
		const head = batch.object<[Sequence, ChainHash]>(headKey(origin));
		return head && { sequence: head[0], hash: head[1] };
	}

	/** Appends to the batch. The record must be the next of its origin; the caller has seen to that. */
	append(
		batch: Batch,
		record: ChangeRecord,
		encoded: Uint8Array,
		documentPrevious: ChangePlace | "",
	): void {
		const previous = this.headIn(batch, record.origin);
		if ((previous?.sequence ?? 0) + 1 !== record.sequence)
			throw new BadRecord(
				`change ${record.sequence} of ${record.origin} does not follow ${previous?.sequence ?? 0}`,
			);
		const hash = chainHash(previous?.hash ?? "", encoded);
		const row = toRow(documentPrevious, hash, encoded);
		batch.put(logKey(record.origin, record.sequence), row);
		countBytes(batch, row.length);
		batch.change(headKey(record.origin), [record.sequence, hash]);
	}

	/** A peer sent all documents as of these heads: the log of these origins starts after them here. */
	adoptHeads(batch: Batch, heads: ReadonlyMap<Origin, Head>): void {
		for (const [origin, head] of heads) {
			const mine = this.headIn(batch, origin);
			if (mine !== undefined && mine.sequence >= head.sequence) continue;
			batch.change(headKey(origin), [head.sequence, head.hash]);
			batch.put(`first/${origin}`, String(head.sequence + 1));
		}
	}

	/**
	 * Puts back records that were damaged or lost here, as a peer has them. Their documents must be snapshotted in the same
	 * batch, as it is not known any more where their changes before lie.
	 */
	putBack(batch: Batch, origin: Origin, framed: readonly Uint8Array[]): void {
		for (const one of framed) {
			const { sequence } = decodeRecord(unframe(one));
			batch.put(
				logKey(origin, sequence),
				toRow("", framedHash(one), unframe(one)),
			);
		}
	}

	/** Forgets the records up to `sequence`, of documents that were all snapshotted since. */
	cut(batch: Batch, origin: Origin, sequence: number): void {
		const end = logKey(origin, sequence + 1);
		for (const [key, row] of this.#store.range(`log/${origin}/`, end)) {
			batch.put(key, undefined);
			countBytes(batch, -row.length);
		}
		batch.put(`first/${origin}`, String(sequence + 1));
	}

	/** Bytes of all records that are kept here, about. */
	get keptBytes(): number {
		return Number(this.#store.get(BYTES_KEY) ?? 0);
	}

	/** How many of the newest records of an origin are within both bounds. */
	newest(origin: Origin, count: number, bytes: number): number {
		let within = 0;
		let sum = 0;
		const prefix = `log/${origin}/`;
		const rows = this.#store.range(prefix, prefixEnd(prefix), {
			limit: count,
			reverse: true,
		});
		for (const [, row] of rows) {
			sum += row.length;
			if (sum > bytes) break;
			within++;
		}
		return within;
	}

	/** The first sequence whose record is kept here. */
	firstKept(origin: Origin): number {
		return Number(this.#store.get(`first/${origin}`) ?? 1);
	}

	committed(batch: Batch, origins: Iterable<Origin>): void {
		for (const origin of origins) {
			const head = this.headIn(batch, origin);
			if (head === undefined) continue;
			this.#heads.set(origin, head);
			this.#vector.set(origin, head.sequence);
		}
	}

	/** A record, and where the change of its document before it lies. */
	read(at: ChangePlace): {
		readonly record: ChangeRecord;
		readonly previous: ChangePlace | "";
	} {
		const [origin, sequence] = at.split(" ") as [Origin, string];
		const row = this.#store.get(logKey(origin, Number(sequence)));
		if (row === undefined)
			throw new BadRecord(`change ${sequence} of ${origin} is not in the log`);
		const { previous, framed } = fromRow(row as Uint8Array);
		return { record: decodeRecord(unframe(framed)), previous };
	}

	/** Encoded records with their chain hash in front, as they travel; from `from` on, at most `count` and about `bytes`. */
	readFramed(
		origin: Origin,
		from: number,
		count: number,
		bytes: number,
	): Uint8Array[] {
		const framed: Uint8Array[] = [];
		let sum = 0;
		const rows = this.#store.range(
			logKey(origin, from),
			prefixEnd(`log/${origin}/`),
			{ limit: count },
		);
		for (const [, value] of rows) {
			framed.push(fromRow(value as Uint8Array).framed);
			sum += value.length;
			if (sum >= bytes) break;
		}
		return framed;
	}
}

const BYTES_KEY = "meta/logBytes";

function countBytes(batch: Batch, by: number): void {
	const bytes = batch.object<number>(BYTES_KEY) ?? 0;
	batch.change(BYTES_KEY, Math.max(0, bytes + by));
}

const HASH_BYTES = 16;

/** As it lies in the store: length and text of the document's change before, chain hash, encoded record. */
function toRow(
	previous: ChangePlace | "",
	hash: ChainHash,
	encoded: Uint8Array,
): Uint8Array {
	const row = Buffer.allocUnsafe(
		1 + previous.length + HASH_BYTES + encoded.length,
	);
	row[0] = previous.length;
	row.write(previous, 1, "latin1");
	row.write(hash, 1 + previous.length, "hex");
	row.set(encoded, 1 + previous.length + HASH_BYTES);
	return row;
}
function fromRow(row: Uint8Array): {
	previous: ChangePlace | "";
	framed: Uint8Array;
} {
	const end = 1 + (row[0] as number);
	const previous = Buffer.from(row.subarray(1, end)).toString("latin1");
	return {
		previous: previous as ChangePlace | "",
		framed: row.subarray(end),
	};
}
export const unframe = (framed: Uint8Array): Uint8Array =>
	framed.subarray(HASH_BYTES);
export const framedHash = (framed: Uint8Array): ChainHash =>
	Buffer.from(framed.subarray(0, HASH_BYTES)).toString("hex");
