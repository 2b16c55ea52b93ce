/**
 * Which blob files RocksDB's MANIFEST names, and how long they are. RocksDB compares the sizes of its tables with it when it
 * opens, but not those of its blob files: one that is cut, or gone, is met when a value in it is read.
 *
 * The MANIFEST is a log of version edits (db/log_format.h, db/version_edit.h, db/blob/blob_file_addition.h of RocksDB).
 * Its checksums are not looked at: RocksDB has just written it anew.
 */

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
/** Kinds of pieces of a record. */
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

/** Every blob file has a header and a footer around its values. */
const BLOB_FRAME_BYTES = 30 + 32;

/** Tags of what an edit says; those that are not named here are not written by this version. */
const NEW_FILE = 103;
const BLOB_FILE_ADDITION = 400;
const BLOB_FILE_GARBAGE = 401;
/** What has this bit is as long as it says, and may be passed over. */
const SAFE_TO_IGNORE = 1 << 13;
/** Tag → what follows it: numbers (n), texts with their length before (t). */
const LAYOUTS: ReadonlyMap<number, string> = new Map([
	[1, "t"], // comparator
	[2, "n"], // log number
	[3, "n"], // next file number
	[4, "n"], // last sequence
	[5, "nt"], // compaction cursor
	[6, "nn"], // deleted file
	[9, "n"], // previous log number
	[10, "n"], // least log number to keep
	[200, "n"], // column family
	[201, "t"], // column family added
	[202, ""], // column family dropped
	[203, "n"], // greatest column family
	[300, "n"], // in an atomic group
]);

/** It is not as this version of RocksDB writes it. */
export class UnknownManifest extends Error {
	override name = "UnknownManifest";
	constructor(what: string) {
		super(`the MANIFEST of the body store is not understood: ${what}`);
	}
}

class Reader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get isAtEnd(): boolean {
		return this.#at >= this.#bytes.length;
	}

	/** LEB128; sizes of files stay far below 2^53. */
	number(): number {
		let value = 0;
		for (let factor = 1; ; factor *= 128) {
			const byte = this.#bytes[this.#at++];
			if (byte === undefined) throw new UnknownManifest("it ends in a number");
			value += (byte & 127) * factor;
			if (byte < 128) return value;
		}
	}

	text(): void {
		const bytes = this.number();
		this.#at += bytes;
	}

	layout(layout: string): void {
		for (const part of layout) part === "n" ? this.number() : this.text();
	}

	/** Fields of later versions, up to the tag that ends them. */
	fields(end: number): void {
		while (this.number() !== end) this.text();
	}
}

interface BlobFile {
	readonly sizeBytes: number;
	readonly values: number;
	garbage: number;
}

/** Names and sizes of the blob files that the MANIFEST with these bytes has, without those in which nothing is left. */
export function blobFilesOf(manifest: Buffer): Map<string, number> {
	const files = new Map<number, BlobFile>();
	for (const record of records(manifest)) applyEdit(new Reader(record), files);
	const sizes = new Map<string, number>();
	for (const [number, { sizeBytes, values, garbage }] of files)
		if (garbage < values)
			sizes.set(`${String(number).padStart(6, "0")}.blob`, sizeBytes);
	return sizes;
}

function applyEdit(edit: Reader, files: Map<number, BlobFile>): void {
	while (!edit.isAtEnd) {
		const tag = edit.number();
		const layout = LAYOUTS.get(tag);
		if (layout !== undefined) edit.layout(layout);
		else if (tag === NEW_FILE) {
			edit.layout("nnnttnn");
			edit.fields(1);
		} else if (tag === BLOB_FILE_ADDITION) {
			const number = edit.number();
			const values = edit.number();
			const sizeBytes = edit.number() + BLOB_FRAME_BYTES;
			files.set(number, { sizeBytes, values, garbage: 0 });
			edit.layout("tt");
			edit.fields(0);
		} else if (tag === BLOB_FILE_GARBAGE) {
			const file = files.get(edit.number());
			const garbage = edit.number();
			if (file !== undefined) file.garbage += garbage;
			edit.layout("n");
			edit.fields(0);
		} else if (tag & SAFE_TO_IGNORE) edit.text();
		else throw new UnknownManifest(`tag ${tag}`);
	}
}

function* records(log: Buffer): Generator<Buffer> {
	let pieces: Buffer[] = [];
	for (let at = 0; at + HEADER_BYTES <= log.length; ) {
		const left = BLOCK_BYTES - (at % BLOCK_BYTES);
		if (left < HEADER_BYTES) {
			at += left;
			continue;
		}
		const length = log.readUInt16LE(at + 4);
		const kind = log[at + 6];
		const from = at + HEADER_BYTES;
		if (kind === 0 || from + length > log.length) return;
		if (kind === FULL || kind === FIRST) pieces = [];
		else if (kind !== MIDDLE && kind !== LAST)
			throw new UnknownManifest(`kind of piece ${kind}`);
		pieces.push(log.subarray(from, from + length));
		if (kind === FULL || kind === LAST) yield Buffer.concat(pieces);
		at = from + length;
	}
}
