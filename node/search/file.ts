/**
 * Texts and signatures of one account. Only ever a copy of what the bodies say: whatever is wrong with the files, the
 * answer is "unknown". A row's note is its signature, the row itself its text.
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
	SEARCH_DISK_FREE_BYTES_MIN,
	SEARCH_FILE_BYTES_MAX,
	SEARCH_MEMORY_BYTES_MAX,
	SEARCH_TEXT_BYTES_MAX,
	SEARCH_WAITING_BYTES_MAX,
} from "../../sync/limits.ts";
import { holds, type SearchText } from "../mime/index.ts";
import { RowFile } from "../rows/row-file.ts";
import { mayHold, signatureOf, trigramsOf } from "./signature.ts";
import { NO, type SoughtBytes, UNKNOWN, YES } from "./types.ts";

/** Raise it when text, collation or signatures change: the file is made anew then. */
const FORMAT = 4;
const HASH_LENGTH = 64;
/** One question in so many rows is cheaper by itself than by reading all. */
const ROWS_PER_LOOKUP = 20;
/** Where the body begins in the text, in a note before the signature. */
const BODY_AT_BYTES = 4;

const packed = (text: Uint8Array): Uint8Array =>
	zstdCompressSync(text, {
		params: { [constants.ZSTD_c_compressionLevel]: 1 },
	});
/** Undefined: it is damaged. */
function unpacked(stored: Uint8Array): Buffer | undefined {
	try {
		return zstdDecompressSync(stored, {
			maxOutputLength: SEARCH_TEXT_BYTES_MAX,
		});
	} catch {
		return undefined;
	}
}

interface Row {
	readonly bodyAt: number;
	/** Empty: the text is too large to be kept. */
	readonly signature: Uint8Array;
}
/** What a row takes in memory beside its signature, about. */
const ROW_MEMORY_BYTES = 300;

function packedNote({ bodyAt, signature }: Row): Buffer {
	const note = Buffer.allocUnsafe(BODY_AT_BYTES + signature.length);
	note.writeUInt32LE(bodyAt);
	note.set(signature, BODY_AT_BYTES);
	return note;
}
/** With bytes of its own. */
const rowIn = (note: Buffer): Row => ({
	bodyAt: note.readUInt32LE(),
	signature: Uint8Array.from(note.subarray(BODY_AT_BYTES)),
});

/** Messages whose signature does not deny what is sought, and where in the question they stand. */
type Candidates = Map<string, { row: Row; positions: number[] }>;

/** All methods throw what the file system throws; the file is to be closed then. */
export class TextFile {
	readonly #base: string;
	readonly #rows: RowFile;
	#isFull = false;
	/** All rows, once somebody searched. */
	#held: Map<string, Row> | undefined;
	#heldBytes = 0;
	/** Of the last question, until rows come or go: a user who searches asks of the same mailbox again. */
	#asked: { hashes: string; rows: readonly (Row | undefined)[] } | undefined;

	/** `base`: path of the files without their endings. `warn` takes a line for the log. */
	constructor(base: string, warn: (text: string) => void) {
		this.#base = base;
		this.#rows = new RowFile({ base, format: FORMAT, warn });
	}

	/** Keeps the text of a message; one that is too large is only remembered as such, also unread. */
	add(hash: string, text: SearchText | "too large"): void {
		if (this.#rows.waitingBytes === 0) this.#isFull = this.#hasNoRoom();
		if (this.#isFull || (this.#rows.isLoaded && this.#rows.has(hash))) return;
		const kept =
			text === "too large" || text.bytes.length > SEARCH_TEXT_BYTES_MAX
				? undefined
				: text;
		const row = {
			bodyAt: kept?.bodyAt ?? 0,
			signature: kept ? signatureOf(kept.bytes) : new Uint8Array(),
		};
		this.#rows.add(
			hash,
			packedNote(row),
			kept ? packed(kept.bytes) : new Uint8Array(),
		);
		this.#asked = undefined;
		this.#heldBytes += row.signature.length + ROW_MEMORY_BYTES;
		if (this.#heldBytes > SEARCH_MEMORY_BYTES_MAX) this.#held = undefined;
		this.#held?.set(hash, row);
		if (this.#rows.waitingBytes >= SEARCH_WAITING_BYTES_MAX) this.commit();
	}

	/** For each of the sought, what is known of each message. */
	known(hashes: string, sought: readonly SoughtBytes[]): Uint8Array[] {
		const count = hashes.length / HASH_LENGTH;
		const results = sought.map(() => new Uint8Array(count).fill(UNKNOWN));
		const trigrams = sought.map(({ bytes }) => trigramsOf(bytes));
		const candidates: Candidates = new Map();
		for (const [at, row] of this.#rowsOf(hashes, count).entries()) {
			// Not here, damaged, or too large to be kept.
			if (row === undefined || row.signature.length === 0) continue;
			let isCandidate = false;
			for (const [index, result] of results.entries())
				if (mayHold(row.signature, trigrams[index] as Uint32Array))
					isCandidate = true;
				else result[at] = NO;
			if (!isCandidate) continue;
			const hash = hashAt(hashes, at);
			const candidate = candidates.get(hash);
			if (candidate === undefined)
				candidates.set(hash, { row, positions: [at] });
			else candidate.positions.push(at);
		}
		this.#decide(candidates, sought, results);
		return results;
	}

	/** Looks into the texts. What is damaged stays unknown. */
	#decide(
		candidates: Candidates,
		sought: readonly SoughtBytes[],
		results: readonly Uint8Array[],
	): void {
		this.#rows.rows(candidates.keys(), (hash, stored) => {
			const bytes = unpacked(stored);
			if (bytes === undefined) return;
			const { row, positions } = candidates.get(hash) as {
				row: Row;
				positions: number[];
			};
			const text = { bytes, bodyAt: row.bodyAt };
			for (const [index, { kind, bytes }] of sought.entries()) {
				const result = results[index] as Uint8Array;
				if (result[positions[0] as number] === NO) continue;
				const says = holds(text, kind, bytes) ? YES : NO;
				for (const at of positions) result[at] = says;
			}
		});
	}

	#rowsOf(hashes: string, count: number): readonly (Row | undefined)[] {
		if (this.#asked?.hashes === hashes) return this.#asked.rows;
		const all = Array.from({ length: count }, (_, at) => hashAt(hashes, at));
		const found = this.#find(all);
		const rows = all.map((hash) => found.get(hash));
		// Else these would be kept in memory beyond the bound.
		this.#asked = this.#held === undefined ? undefined : { hashes, rows };
		return rows;
	}

	/** All rows, to be kept for the next question, if they are not too many; or else those that are asked for. */
	#find(hashes: readonly string[]): ReadonlyMap<string, Row> {
		if (this.#held !== undefined) return this.#held;
		const rows = this.#rows;
		const found = new Map<string, Row>();
		const isForAll =
			hashes.length * ROWS_PER_LOOKUP >= rows.size &&
			rows.size * ROW_MEMORY_BYTES + rows.notesBytes <= SEARCH_MEMORY_BYTES_MAX;
		rows.notes(isForAll ? rows.hashes() : new Set(hashes), (hash, note) =>
			found.set(hash, rowIn(note)),
		);
		if (isForAll) {
			this.#held = found;
			this.#heldBytes = rows.size * ROW_MEMORY_BYTES + rows.notesBytes;
		}
		return found;
	}

	/** Gives back the memory that questions are answered from. */
	forget(): void {
		this.#held = undefined;
		this.#asked = undefined;
		this.#rows.forget();
	}

	/** Takes out all but these; positions of those that are not here. */
	reconcile(hashes: string): Uint32Array {
		const wanted = new Map<string, number>();
		for (let at = 0; at * HASH_LENGTH < hashes.length; at++)
			wanted.set(hashAt(hashes, at), at);
		const gone: string[] = [];
		for (const hash of this.#rows.hashes())
			if (!wanted.delete(hash)) gone.push(hash);
		if (gone.length > 0) {
			this.#held = undefined;
			this.#asked = undefined;
			this.#rows.remove(gone);
		}
		return Uint32Array.from(wanted.values());
	}

	/** Mail comes first: the index leaves room on the disk, and is no larger than anyone's mailbox needs. */
	#hasNoRoom(): boolean {
		if (this.#rows.bytes > SEARCH_FILE_BYTES_MAX) return true;
		const disk = statfsSync(dirname(this.#base));
		return disk.bavail * disk.bsize < SEARCH_DISK_FREE_BYTES_MIN;
	}

	/** Writes what waits. */
	commit(): void {
		this.#rows.flush();
	}

	/** With what waits. */
	close(): void {
		this.#rows.close();
	}
}

const hashAt = (hashes: string, at: number): string =>
	hashes.slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH);
