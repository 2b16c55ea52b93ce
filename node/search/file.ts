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
	ZLIB_CHUNK_BYTES_MIN,
} from "../../sync/limits.ts";
import { holds, type SearchText } from "../mime/index.ts";
import { RowFile } from "../rows/row-file.ts";
import { BODY_AT_BYTES, Notes } from "./notes.ts";
import { signatureOf, trigramsOf } from "./signature.ts";
import { NO, type SoughtBytes, UNKNOWN, YES } from "./types.ts";

/** Raise it when text, collation or signatures change: the file is made anew then. */
const FORMAT = 4;
const HASH_LENGTH = 64;

/** Tables and buffer as large as this text needs them: a quarter less work. */
const packed = (text: Uint8Array): Uint8Array =>
	zstdCompressSync(text, {
		params: { [constants.ZSTD_c_compressionLevel]: 1 },
		pledgedSrcSize: text.length,
		chunkSize: Math.max(ZLIB_CHUNK_BYTES_MIN, text.length),
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

/** Of a message: where its body begins in the text, and what trigrams that has; none where the text is too large to be kept. */
interface Row {
	readonly bodyAt: number;
	readonly signature: Uint8Array;
}

function packedNote({ bodyAt, signature }: Row): Buffer {
	const note = Buffer.allocUnsafe(BODY_AT_BYTES + signature.length);
	note.writeUInt32LE(bodyAt);
	note.set(signature, BODY_AT_BYTES);
	return note;
}

/** Messages whose signature does not deny what is sought, and where in the question they stand. */
type Candidates = Map<string, { bodyAt: number; positions: number[] }>;

/** All methods throw what the file system throws; the file is to be closed then. */
export class TextFile {
	readonly #base: string;
	readonly #rows: RowFile;
	#isFull = false;
	/** Of the last question: a user who searches asks of the same mailbox again, and of what came to it since. */
	#asked: { readonly hashes: string; readonly notes: Notes } | undefined;

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
		if (this.#rows.waitingBytes >= SEARCH_WAITING_BYTES_MAX) this.commit();
	}

	/** For each of the sought, what is known of each message. */
	known(hashes: string, sought: readonly SoughtBytes[]): Uint8Array[] {
		const count = hashes.length / HASH_LENGTH;
		const results = sought.map(() => new Uint8Array(count).fill(UNKNOWN));
		const trigrams = sought.map(({ bytes }) => trigramsOf(bytes));
		const candidates: Candidates = new Map();
		const notes = this.#notesOf(hashes, count);
		for (let at = 0; at < count; at++) {
			// Not here, damaged, or too large to be kept.
			if (!notes.hasSignature(at)) continue;
			let isCandidate = false;
			for (let index = 0; index < sought.length; index++)
				if (notes.mayHold(at, trigrams[index] as Uint32Array))
					isCandidate = true;
				else (results[index] as Uint8Array)[at] = NO;
			if (!isCandidate) continue;
			const hash = hashAt(hashes, at);
			const candidate = candidates.get(hash);
			if (candidate === undefined)
				candidates.set(hash, { bodyAt: notes.bodyAt(at), positions: [at] });
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
			const { bodyAt, positions } = candidates.get(hash) as {
				bodyAt: number;
				positions: number[];
			};
			const text = { bytes, bodyAt };
			for (const [index, { kind, bytes }] of sought.entries()) {
				const result = results[index] as Uint8Array;
				if (result[positions[0] as number] === NO) continue;
				const says = holds(text, kind, bytes) ? YES : NO;
				for (const at of positions) result[at] = says;
			}
		});
	}

	/** Of each that is asked about, as far as it is here. */
	#notesOf(hashes: string, count: number): Notes {
		const isMore = this.#asked && hashes.startsWith(this.#asked.hashes);
		const notes = (isMore && this.#asked?.notes) || new Notes();
		notes.reach(count, this.#rows.size, this.#rows.notesBytes);
		const lacking = new Map<string, number[]>();
		for (const at of notes.unknown()) {
			const hash = hashAt(hashes, at);
			const positions = lacking.get(hash);
			if (positions === undefined) lacking.set(hash, [at]);
			else positions.push(at);
		}
		this.#rows.notes(lacking.keys(), (hash, note) => {
			notes.add(lacking.get(hash) as number[], note);
		});
		const mayStay = notes.bytes <= SEARCH_MEMORY_BYTES_MAX;
		this.#asked = mayStay ? { hashes, notes } : undefined;
		return notes;
	}

	/** Gives back the memory that questions are answered from. */
	forget(): void {
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
