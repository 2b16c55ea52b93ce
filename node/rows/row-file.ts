/**
 * Rows by hash in files that are only appended to: for what can be made anew at any time, and is written once and read
 * seldom. A database would touch a page for each row and write it twice; here a row is written once, and many at a time.
 *
 * Two files: `BASE.heads`, a record of fixed size for each row (heads.ts), and `BASE.N.rows`, the notes and then the
 * rows of all that was written at once: whoever looks through the notes reads few of the rows. Nothing is synced, so after a power cut any stretch of both may be old or zeros; each record and each
 * part of a row has a checksum, and what fails it is told to the log once, and is not here. What must never live here:
 * anything that is not a copy.
 */
import {
	closeSync,
	constants,
	fstatSync,
	ftruncateSync,
	openSync,
	readdirSync,
	rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { readAll, readIntoLent, writeAll } from "./bytes.ts";
import {
	checksum,
	encodeGone,
	HEAD_BYTES,
	HeadTable,
	isSound,
	type Part,
	seal,
} from "./heads.ts";
import {
	type Group,
	groups,
	laidOut,
	READ_BYTES,
	type Wanted,
	type Written,
} from "./layout.ts";
import { FILE_MODE, rewritten } from "./rewritten.ts";

const MAGIC = "pmnode rows";
const FORMAT_AT = 32;
const GENERATION_AT = 36;
/** Records of rows that are gone which no file is rewritten for. */
const GONE_RECORDS_MIN = 100;

export interface RowFileOptions {
	/** Path of the files without their endings; the folder exists. */
	readonly base: string;
	/** Raise it when what rows say changes: files of another format are made anew. */
	readonly format: number;
	/** Takes a line for the log. */
	readonly warn: (text: string) => void;
}

const headsPath = (base: string): string => `${base}.heads`;
const rowsPath = (base: string, generation: number): string =>
	`${base}.${generation}.rows`;

/** Takes away the files of `base`, whatever state they are in. */
export function removeRowFile(base: string): void {
	rmSync(headsPath(base), { force: true });
	removeRows(base);
}

function removeRows(base: string): void {
	const folder = dirname(base);
	for (const name of readdirSync(folder))
		if (
			name.startsWith(`${basename(base)}.`) &&
			name !== `${basename(base)}.heads`
		)
			rmSync(join(folder, name), { force: true });
}

/** All methods throw what the file system throws; rows that waited to be written are forgotten then. */
export class RowFile {
	readonly #options: RowFileOptions;
	#heads = -1;
	#rows = -1;
	#generation = 1;
	#headsEnd = 0;
	#rowsEnd = 0;
	/** Made when somebody asks for it: appending needs none. */
	#table: HeadTable | undefined;
	#waiting = new Map<string, Written>();
	#waitingBytes = 0;
	/** The log has been told that something here is damaged. */
	#isTold = false;

	constructor(options: RowFileOptions) {
		this.#options = options;
		try {
			this.#open();
		} catch (error) {
			this.close();
			throw error;
		}
	}

	/** On the disk, or on the way to it. */
	get bytes(): number {
		return this.#headsEnd + this.#rowsEnd + this.#waitingBytes;
	}
	get waitingBytes(): number {
		return this.#waitingBytes;
	}
	get size(): number {
		return this.#loaded().size;
	}
	/** Of all notes. */
	get notesBytes(): number {
		return this.#loaded().notesBytes;
	}
	/** Whether questions can be answered without reading the records first. */
	get isLoaded(): boolean {
		return this.#table !== undefined;
	}
	hashes(): Iterable<string> {
		return this.#loaded().hashes();
	}
	has(hash: string): boolean {
		return this.#waiting.has(hash) || this.#loaded().has(hash);
	}

	/** Waits for flush(). A row of the same hash is replaced. The caller leaves the bytes as they are. */
	add(hash: string, note: Uint8Array, row: Uint8Array): void {
		this.#waiting.set(hash, {
			note,
			row,
			noteCrc: checksum(hash, note),
			rowCrc: checksum(hash, row),
		});
		this.#waitingBytes += note.length + row.length;
	}

	/** Writes what waits. */
	flush(): void {
		if (this.#waiting.size === 0) return;
		const { heads, bytes } = laidOut(this.#waiting, this.#rowsEnd);
		this.#waiting.clear();
		this.#waitingBytes = 0;
		// A record never stands before its row. What was written in part is written over.
		writeAll(this.#rows, bytes, this.#rowsEnd);
		writeAll(this.#heads, Buffer.concat(heads), this.#headsEnd);
		this.#rowsEnd += bytes.length;
		this.#headsEnd += heads.length * HEAD_BYTES;
		for (const head of heads) this.#table?.add(head);
	}

	/**
	 * Gives `take` the note of each of these that is here; its bytes are valid during the call only. Returns those that are
	 * not here.
	 */
	notes(
		hashes: Iterable<string>,
		take: (hash: string, note: Buffer) => void,
	): string[] {
		return this.#read(hashes, (table, hash) => table.note(hash), take);
	}

	/** The same of rows. */
	rows(
		hashes: Iterable<string>,
		take: (hash: string, row: Buffer) => void,
	): string[] {
		return this.#read(hashes, (table, hash) => table.row(hash), take);
	}

	/** Takes rows out, and gives their room back once they take more than half of it. */
	remove(hashes: readonly string[]): void {
		const table = this.#loaded();
		this.flush();
		const gone = hashes.filter((hash) => table.get(hash) !== undefined);
		const records = gone.map(encodeGone);
		writeAll(this.#heads, Buffer.concat(records), this.#headsEnd);
		this.#headsEnd += records.length * HEAD_BYTES;
		for (const hash of gone) table.remove(hash);
		this.#compactIfWorthwhile(table);
	}

	#compactIfWorthwhile(table: HeadTable): void {
		const records = this.#headsEnd / HEAD_BYTES - 1;
		if (
			this.#rowsEnd > 2 * table.liveBytes ||
			records > 2 * table.size + GONE_RECORDS_MIN
		)
			this.#compact(table);
	}

	/** Gives back the memory of the table until somebody asks again. */
	forget(): void {
		this.#table = undefined;
	}

	/** With what waits to be written. */
	close(): void {
		try {
			if (this.#heads >= 0 && this.#rows >= 0) this.flush();
		} finally {
			for (const file of [this.#heads, this.#rows])
				if (file >= 0) closeSync(file);
			this.#heads = -1;
			this.#rows = -1;
		}
	}

	#open(): void {
		const { base, format, warn } = this.#options;
		this.#heads = openSync(
			headsPath(base),
			constants.O_RDWR | constants.O_CREAT,
			FILE_MODE,
		);
		const sizeBytes = fstatSync(this.#heads).size;
		const start = readAll(this.#heads, 0, HEAD_BYTES);
		if (isSound(start) && start.toString("latin1", 0, MAGIC.length) === MAGIC) {
			this.#generation = start.readUInt32LE(GENERATION_AT);
			if (start.readUInt32LE(FORMAT_AT) === format) {
				this.#openRows(constants.O_CREAT);
				// A record that was cut off is written over.
				this.#headsEnd = sizeBytes - (sizeBytes % HEAD_BYTES);
				return;
			}
			warn(`${base} is of another version and is made anew`);
		} else if (sizeBytes > 0)
			warn(`${base} is damaged and is made anew; it holds nothing but copies`);
		// The generation of a damaged file is not known.
		if (sizeBytes > 0) removeRows(base);
		this.#openRows(constants.O_CREAT | constants.O_TRUNC);
		ftruncateSync(this.#heads);
		writeAll(this.#heads, this.#fileHead(this.#generation), 0);
		this.#headsEnd = HEAD_BYTES;
	}

	#openRows(flags: number): void {
		const { base } = this.#options;
		// What a rewriting that was cut short has left.
		for (const other of [this.#generation - 1, this.#generation + 1])
			rmSync(rowsPath(base, other), { force: true });
		this.#rows = openSync(
			rowsPath(base, this.#generation),
			constants.O_RDWR | flags,
			FILE_MODE,
		);
		this.#rowsEnd = fstatSync(this.#rows).size;
	}

	#fileHead(generation: number): Buffer {
		const start = Buffer.alloc(HEAD_BYTES);
		start.write(MAGIC, "latin1");
		start.writeUInt32LE(this.#options.format, FORMAT_AT);
		start.writeUInt32LE(generation, GENERATION_AT);
		return seal(start);
	}

	#loaded(): HeadTable {
		if (this.#table === undefined) {
			this.flush();
			this.#table = this.#load();
		}
		return this.#table;
	}

	#load(): HeadTable {
		const table = new HeadTable(this.#headsEnd / HEAD_BYTES);
		let damaged = 0;
		for (let at = HEAD_BYTES; at < this.#headsEnd; at += READ_BYTES) {
			const length = Math.min(READ_BYTES, this.#headsEnd - at);
			const heads = readAll(this.#heads, at, length);
			for (let next = 0; next < length; next += HEAD_BYTES) {
				const head = heads.subarray(next, next + HEAD_BYTES);
				if (isSound(head)) table.add(head);
				else damaged++;
			}
		}
		if (damaged > 0) this.#tell();
		return table;
	}

	#read(
		hashes: Iterable<string>,
		partOf: (table: HeadTable, hash: string) => Part | undefined,
		take: (hash: string, bytes: Buffer) => void,
	): string[] {
		const table = this.#loaded();
		this.flush();
		const wanted: Wanted[] = [];
		const missing: string[] = [];
		for (const hash of hashes) {
			const part = partOf(table, hash);
			if (part === undefined) missing.push(hash);
			else wanted.push({ hash, part });
		}
		wanted.sort((a, b) => a.part.start - b.part.start);
		for (const group of groups(wanted))
			this.#readGroup(table, group, take, missing);
		return missing;
	}

	#readGroup(
		table: HeadTable,
		{ wanted, start, end }: Group,
		take: (hash: string, bytes: Buffer) => void,
		missing: string[],
	): void {
		// Shorter where the file ends early.
		const stop = Math.min(end, this.#rowsEnd);
		const bytes = readIntoLent(this.#rows, start, Math.max(0, stop - start));
		for (const { hash, part: found } of wanted) {
			const { start: from, length, crc } = found;
			const at = from - start;
			const part = bytes.subarray(at, at + length);
			if (part.length === length && checksum(hash, part) === crc)
				take(hash, part);
			else {
				// So that it is kept again when it has been made anew.
				table.remove(hash);
				missing.push(hash);
				this.#tell();
			}
		}
	}

	#tell(): void {
		if (this.#isTold) return;
		this.#isTold = true;
		this.#options.warn(
			`${this.#options.base} is damaged in places; what they held is made anew from the messages`,
		);
	}

	/** Writes what is there into new files. Should the node end meanwhile, the former ones count until the new are whole. */
	#compact(table: HeadTable): void {
		const { base } = this.#options;
		const generation = this.#generation + 1;
		const next = rewritten({
			table,
			rows: this.#rows,
			start: this.#fileHead(generation),
			headsPath: headsPath(base),
			rowsPath: rowsPath(base, generation),
		});
		closeSync(this.#heads);
		this.#heads = next.heads;
		closeSync(this.#rows);
		rmSync(rowsPath(base, this.#generation), { force: true });
		this.#rows = next.rows;
		this.#generation = generation;
		this.#rowsEnd = next.rowsEnd;
		this.#headsEnd = next.headsEnd;
		this.#table = next.table;
	}
}
