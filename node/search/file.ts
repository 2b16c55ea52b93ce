/**
 * Texts and signatures of one account in SQLite. Only ever a copy of what the bodies say: whatever is wrong with the
 * file, the answer is "unknown". Every row is checked before it is believed.
 */
import { chmodSync, rmSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
	constants,
	crc32,
	zstdCompressSync,
	zstdDecompressSync,
} from "node:zlib";
import {
	SEARCH_DISK_FREE_BYTES_MIN,
	SEARCH_FILE_BYTES_MAX,
	SEARCH_MEMORY_BYTES_MAX,
	SEARCH_TEXT_BYTES_MAX,
} from "../../sync/limits.ts";
import { holds, type SearchText } from "../mime/index.ts";
import { mayHold, signatureOf, trigramsOf } from "./signature.ts";
import { NO, type SoughtBytes, UNKNOWN, YES } from "./types.ts";

/** Raise it when text, collation or signatures change: the file is made anew then. */
const FORMAT = 2;
const CHANGES_PER_COMMIT = 200;
const HASH_LENGTH = 64;
/** One question in so many rows is cheaper by index than by reading all. */
const ROWS_PER_LOOKUP = 20;

// Signatures apart from texts: a search reads all of the former and few of the latter.
const SCHEMA = `
	CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, signature BLOB NOT NULL,
		body_at INTEGER NOT NULL, crc INTEGER NOT NULL);
	CREATE TABLE IF NOT EXISTS text (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
	PRAGMA user_version=${FORMAT}`;
// Synced at checkpoints: after a power cut the file may be old, but not half of two states. These are rare, as rows lie in
// the order of their hashes: each touches a page of its own.
const PRAGMAS = `PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA locking_mode=EXCLUSIVE;
	PRAGMA cache_size=-4000; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=4000`;

type MessageRow = [
	id: number,
	hash: string,
	signature: Uint8Array,
	bodyAt: number,
	crc: number,
];

function open(path: string): DatabaseSync {
	const database = new DatabaseSync(path);
	try {
		chmodSync(path, 0o600);
		database.exec(PRAGMAS);
		const { user_version: format } = database
			.prepare("PRAGMA user_version")
			.get() as { user_version: number };
		if (format !== FORMAT)
			database.exec("DROP TABLE IF EXISTS message; DROP TABLE IF EXISTS text");
		database.exec(SCHEMA);
		return database;
	} catch (error) {
		database.close();
		throw error;
	}
}

// A page and its overflow would else be written twice for each message of some kilobytes: half of what a node writes.
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

/** Takes the files of a database away. */
export function removeFile(path: string): void {
	for (const suffix of ["", "-wal", "-shm"])
		rmSync(`${path}${suffix}`, { force: true });
}

interface Row {
	readonly id: number;
	readonly signature: Uint8Array;
	readonly bodyAt: number;
}

const COLUMNS = "SELECT id, hash, signature, body_at, crc FROM message";
/** What a row takes in memory beside its signature, about. */
const ROW_MEMORY_BYTES = 300;

/** Undefined where there is none, or it is damaged. */
function checked(row: MessageRow | undefined): Row | undefined {
	if (row === undefined) return undefined;
	const [id, hash, signature, bodyAt, crc] = row;
	if (checksum(hash, bodyAt, signature) !== crc) return undefined;
	return { id, signature, bodyAt };
}

const checksum = (hash: string, bodyAt: number, signature: Uint8Array) =>
	crc32(signature, crc32(`${hash} ${bodyAt}`));

/** All methods throw what SQLite and the file system throw; the file is to be closed then. */
export class TextFile {
	readonly #path: string;
	readonly #database: DatabaseSync;
	readonly #statements = new Map<string, StatementSync>();
	#changes = 0;
	#isFull = false;
	/** All rows, once somebody searched. */
	#held: Map<string, Row> | undefined;
	#heldBytes = 0;
	/** Of the last question, until rows come or go: a user who searches asks of the same mailbox again. */
	#asked: { hashes: string; rows: readonly (Row | undefined)[] } | undefined;

	constructor(path: string) {
		this.#path = path;
		this.#database = open(path);
	}

	#prepare(sql: string): StatementSync {
		let statement = this.#statements.get(sql);
		if (statement === undefined) {
			statement = this.#database.prepare(sql);
			statement.setReturnArrays(true);
			this.#statements.set(sql, statement);
		}
		return statement;
	}

	/** Keeps the text of a message; one that is too large is only remembered as such. */
	add(hash: string, text: SearchText): void {
		this.#begin();
		if (this.#isFull) return;
		const isKept = text.bytes.length <= SEARCH_TEXT_BYTES_MAX;
		const signature = isKept ? signatureOf(text.bytes) : new Uint8Array();
		const { changes, lastInsertRowid: id } = this.#prepare(
			`INSERT INTO message (hash, signature, body_at, crc) VALUES (?, ?, ?, ?)
			ON CONFLICT (hash) DO NOTHING`,
		).run(hash, signature, text.bodyAt, checksum(hash, text.bodyAt, signature));
		if (changes === 0) return;
		this.#asked = undefined;
		this.#heldBytes += signature.length + ROW_MEMORY_BYTES;
		if (this.#heldBytes > SEARCH_MEMORY_BYTES_MAX) this.#held = undefined;
		this.#held?.set(hash, {
			id: Number(id),
			signature,
			bodyAt: text.bodyAt,
		});
		if (isKept)
			this.#prepare(
				"INSERT OR REPLACE INTO text (id, bytes, crc) VALUES (?, ?, ?)",
			).run(id, packed(text.bytes), crc32(text.bytes));
		if (++this.#changes >= CHANGES_PER_COMMIT) this.commit();
	}

	/** For each of the sought, what is known of each message. */
	known(hashes: string, sought: readonly SoughtBytes[]): Uint8Array[] {
		const count = hashes.length / HASH_LENGTH;
		const results = sought.map(() => new Uint8Array(count).fill(UNKNOWN));
		const trigrams = sought.map(({ bytes }) => trigramsOf(bytes));
		const rows = this.#rowsOf(hashes, count);
		for (let at = 0; at < count; at++) {
			const row = rows[at];
			// Not here, damaged, or (empty) too large to be kept.
			if (row === undefined || row.signature.length === 0) continue;
			let text: SearchText | undefined;
			for (const [index, one] of sought.entries()) {
				const result = results[index] as Uint8Array;
				result[at] = NO;
				if (!mayHold(row.signature, trigrams[index] as Uint32Array)) continue;
				text ??= this.#text(row);
				if (text === undefined) result[at] = UNKNOWN;
				else if (holds(text, one.kind, one.bytes)) result[at] = YES;
			}
		}
		return results;
	}

	#rowsOf(hashes: string, count: number): readonly (Row | undefined)[] {
		if (this.#asked?.hashes === hashes) return this.#asked.rows;
		const find = this.#rows(hashes, count);
		const rows = Array.from({ length: count }, (_, at) =>
			find(hashes.slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH)),
		);
		// Else these would be kept in memory beyond the bound.
		this.#asked = this.#held === undefined ? undefined : { hashes, rows };
		return rows;
	}

	/** How rows are found by hash: one by one where few are asked for, else in memory. */
	#rows(hashes: string, count: number): (hash: string) => Row | undefined {
		if (this.#held === undefined && count * ROWS_PER_LOOKUP < this.#count()) {
			const get = this.#prepare(`${COLUMNS} WHERE hash = ?`);
			return (hash) =>
				checked(get.get(hash) as unknown as MessageRow | undefined);
		}
		const held = this.#held ?? this.#load(hashes, count);
		return (hash) => held.get(hash);
	}

	/** All rows, to be kept for the next question if they are not too many; or else those that are asked for now. */
	#load(hashes: string, count: number): ReadonlyMap<string, Row> {
		const wanted = new Set<string>();
		for (let at = 0; at < count; at++)
			wanted.add(hashes.slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH));
		const asked = new Map<string, Row>();
		const all = new Map<string, Row>();
		let bytes = 0;
		for (const columns of this.#prepare(
			COLUMNS,
		).iterate() as unknown as Iterable<MessageRow>) {
			const row = checked(columns);
			if (row === undefined) continue;
			if (wanted.has(columns[1])) asked.set(columns[1], row);
			bytes += row.signature.length + ROW_MEMORY_BYTES;
			if (bytes <= SEARCH_MEMORY_BYTES_MAX) all.set(columns[1], row);
			else all.clear();
		}
		if (bytes <= SEARCH_MEMORY_BYTES_MAX) {
			this.#held = all;
			this.#heldBytes = bytes;
		}
		return asked;
	}

	/** Gives back the memory that questions are answered from. */
	forget(): void {
		this.#held = undefined;
		this.#asked = undefined;
	}

	#count(): number {
		const [count] = this.#prepare(
			"SELECT coalesce(max(id), 0) FROM message",
		).get() as unknown as [number];
		return count;
	}

	/** Undefined: it is damaged. */
	#text({ id, bodyAt }: Row): SearchText | undefined {
		const row = this.#prepare("SELECT bytes, crc FROM text WHERE id = ?").get(
			id,
		) as unknown as [Uint8Array, number] | undefined;
		if (row === undefined) return undefined;
		const bytes = unpacked(row[0]);
		if (bytes === undefined || crc32(bytes) !== row[1]) return undefined;
		return { bytes, bodyAt };
	}

	/** Takes out all but these; positions of those that are not here. */
	reconcile(hashes: string): Uint32Array {
		const wanted = new Map<string, number>();
		for (let at = 0; at * HASH_LENGTH < hashes.length; at++)
			wanted.set(hashes.slice(at * HASH_LENGTH, (at + 1) * HASH_LENGTH), at);
		const gone: number[] = [];
		for (const [id, hash] of this.#prepare(
			"SELECT id, hash FROM message",
		).iterate() as unknown as Iterable<[number, string]>)
			if (!wanted.delete(hash)) gone.push(id);
		if (gone.length > 0) {
			this.forget();
			this.#begin();
			for (const table of ["message", "text"]) {
				const remove = this.#prepare(`DELETE FROM ${table} WHERE id = ?`);
				for (const id of gone) remove.run(id);
			}
			this.commit();
			this.#isFull = false;
		}
		return Uint32Array.from(wanted.values());
	}

	#begin(): void {
		if (this.#database.isTransaction) return;
		this.#isFull = this.#hasNoRoom();
		this.#database.exec("BEGIN IMMEDIATE");
		this.#changes = 0;
	}

	/** Mail comes first: the index leaves room on the disk, and is no larger than anyone's mailbox needs. */
	#hasNoRoom(): boolean {
		const [pages] = this.#prepare("PRAGMA page_count").get() as unknown as [
			number,
		];
		const [free] = this.#prepare("PRAGMA freelist_count").get() as unknown as [
			number,
		];
		const [pageBytes] = this.#prepare("PRAGMA page_size").get() as unknown as [
			number,
		];
		if ((pages - free) * pageBytes > SEARCH_FILE_BYTES_MAX) return true;
		const disk = statfsSync(dirname(this.#path));
		return disk.bavail * disk.bsize < SEARCH_DISK_FREE_BYTES_MIN;
	}

	commit(): void {
		if (this.#database.isTransaction) this.#database.exec("COMMIT");
	}

	/** With what is not committed yet; harmless on a damaged file. */
	close(): void {
		try {
			this.commit();
		} finally {
			this.#database.close();
		}
	}
}
