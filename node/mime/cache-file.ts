/**
 * The file of the structure cache: SQLite, never synced, checked by row. Whatever is wrong with it, the answer is "not
 * here"; a file that SQLite cannot read is made anew.
 */
import { chmodSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { STRUCTURES_FILE_ROWS_MAX } from "../../sync/limits.ts";
import type { Log } from "../../sync/ports/log.ts";

/** Raise it when parsing changes its results: the file is emptied then. */
const FORMAT = 1;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What is kept of one message, as text and bytes. */
export interface Row {
	readonly hash: string;
	/** Wire strings, one character an octet. */
	readonly envelope: string;
	readonly bodyStructure: string;
	/** JSON of Parsed. */
	readonly parsed: string;
	readonly headerBytes: number;
	/** The header itself, if it is small. */
	readonly header: Uint8Array | undefined;
}
export type StoredRow = Omit<Row, "header">;

// Headers in a table of their own: reading envelopes then touches a quarter of the pages.
const SCHEMA = `
	CREATE TABLE IF NOT EXISTS structure (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, header_bytes INTEGER NOT NULL,
		envelope TEXT NOT NULL, body_structure TEXT NOT NULL, parsed TEXT NOT NULL, crc INTEGER NOT NULL);
	CREATE TABLE IF NOT EXISTS header (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
	PRAGMA user_version=${FORMAT}`;
const PRAGMAS = `PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
	PRAGMA cache_size=-8000; PRAGMA temp_store=MEMORY`;

interface Statements {
	readonly database: DatabaseSync;
	readonly put: StatementSync;
	readonly putHeader: StatementSync;
	readonly trim: StatementSync;
	readonly trimHeaders: StatementSync;
	readonly get: StatementSync;
	readonly getHeaders: StatementSync;
}

function open(file: string): Statements {
	const database = new DatabaseSync(file);
	try {
		chmodSync(file, 0o600);
		database.exec(PRAGMAS);
		const { user_version: format } = database
			.prepare("PRAGMA user_version")
			.get() as { user_version: number };
		if (format !== FORMAT)
			database.exec(
				"DROP TABLE IF EXISTS structure; DROP TABLE IF EXISTS header",
			);
		database.exec(SCHEMA);
		return prepare(database);
	} catch (error) {
		database.close();
		throw error;
	}
}

function prepare(database: DatabaseSync): Statements {
	// One pass for any number of hashes, which come as a JSON array.
	const wanted =
		"FROM json_each(?) AS wanted JOIN structure ON structure.hash = unhex(wanted.value)";
	const statements = {
		database,
		put: database.prepare(
			`INSERT INTO structure (hash, header_bytes, envelope, body_structure, parsed, crc)
			VALUES (unhex(?), ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING`,
		),
		putHeader: database.prepare(
			"INSERT OR REPLACE INTO header (id, bytes, crc) VALUES (?, ?, ?)",
		),
		trim: database.prepare("DELETE FROM structure WHERE id <= ?"),
		trimHeaders: database.prepare("DELETE FROM header WHERE id <= ?"),
		get: database.prepare(
			`SELECT wanted.value, header_bytes, envelope, body_structure, parsed, crc ${wanted}`,
		),
		getHeaders: database.prepare(
			`SELECT wanted.value, bytes, header.crc ${wanted} JOIN header ON header.id = structure.id`,
		),
	};
	statements.get.setReturnArrays(true);
	statements.getHeaders.setReturnArrays(true);
	return statements;
}

/** A flipped bit on the disk must not become a subject that a client keeps for ever. */
const checksum = (row: StoredRow): number =>
	crc32(
		`${row.hash} ${row.headerBytes} ${row.envelope}${row.bodyStructure}${row.parsed}`,
	);

/** Returns the id of the row, 0 if it was kept already. */
function putRow(statements: Statements, row: Row): number {
	const { changes, lastInsertRowid } = statements.put.run(
		row.hash,
		row.headerBytes,
		row.envelope,
		row.bodyStructure,
		row.parsed,
		checksum(row),
	);
	if (changes === 0) return 0;
	if (row.header !== undefined)
		statements.putHeader.run(lastInsertRowid, row.header, crc32(row.header));
	return Number(lastInsertRowid);
}

export class CacheFile {
	readonly #file: string;
	readonly #log: Log;
	/** Undefined after the file could not be made: then nothing is kept on disk. */
	#statements: Statements | undefined;
	/** The last attempt failed, and the log says so. */
	#failing = false;

	constructor(file: string, log: Log) {
		this.#file = file;
		this.#log = log;
		this.#guard(() => {
			this.#statements = open(file);
		});
	}

	/** Those of the hashes that are kept, in any order. */
	get(hashes: readonly string[]): StoredRow[] {
		const rows: StoredRow[] = [];
		this.#guard(() => {
			const found = this.#statements?.get.all(JSON.stringify(hashes)) ?? [];
			for (const columns of found as unknown as [
				string,
				number,
				string,
				string,
				string,
				number,
			][]) {
				const [hash, headerBytes, envelope, bodyStructure, parsed, crc] =
					columns;
				const row = { hash, headerBytes, envelope, bodyStructure, parsed };
				if (checksum(row) === crc) rows.push(row);
			}
		});
		return rows;
	}

	headers(hashes: readonly string[]): [hash: string, header: Uint8Array][] {
		const headers: [string, Uint8Array][] = [];
		this.#guard(() => {
			const found =
				this.#statements?.getHeaders.all(JSON.stringify(hashes)) ?? [];
			for (const [hash, bytes, crc] of found as unknown as [
				string,
				Uint8Array,
				number,
			][])
				if (crc32(bytes) === crc) headers.push([hash, bytes]);
		});
		return headers;
	}

	/** All in one transaction; the oldest rows beyond the bound go. */
	put(rows: readonly Row[]): void {
		const statements = this.#statements;
		if (statements === undefined || rows.length === 0) return;
		this.#guard(() => {
			statements.database.exec("BEGIN IMMEDIATE");
			let newest = 0;
			for (const row of rows)
				newest = Math.max(newest, putRow(statements, row));
			statements.trim.run(newest - STRUCTURES_FILE_ROWS_MAX);
			statements.trimHeaders.run(newest - STRUCTURES_FILE_ROWS_MAX);
			statements.database.exec("COMMIT");
		});
	}

	close(): void {
		const database = this.#statements?.database;
		this.#statements = undefined;
		if (database?.isOpen) database.close();
	}

	/** Runs `work`; what SQLite cannot do is reported, once, and a file that it cannot read is made anew. */
	#guard(work: () => void): void {
		try {
			work();
			this.#failing = false;
		} catch (error) {
			// SQLite's and the file system's errors have a code; anything else is a bug of ours.
			if (!(error instanceof Error && "code" in error)) throw error;
			this.#failed(error);
		}
	}

	#failed(error: Error & { errcode?: number }): void {
		const { errcode, message } = error;
		const code = (errcode ?? 0) & 0xff;
		const damaged =
			code === SQLITE_CORRUPT || code === SQLITE_NOTADB || !this.#rolledBack();
		if (!this.#failing)
			this.#log.warn(
				damaged
					? `${this.#file} is damaged and is made anew; it holds nothing but copies`
					: `${this.#file} cannot be used: ${message}; messages are parsed each time until it can`,
			);
		this.#failing = true;
		if (!damaged) return;
		try {
			this.close();
			for (const suffix of ["", "-wal", "-shm"])
				rmSync(`${this.#file}${suffix}`, { force: true });
			this.#statements = open(this.#file);
		} catch (second) {
			this.#log.warn(
				`${this.#file} cannot be made anew: ${(second as Error).message}; messages are parsed each time until the next start`,
			);
		}
	}

	/** Ends a transaction that failed; false when even that cannot be done. */
	#rolledBack(): boolean {
		const database = this.#statements?.database;
		try {
			if (database?.isTransaction) database.exec("ROLLBACK");
			return true;
		} catch {
			return false;
		}
	}
}
