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
const FORMAT = 3;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Wire strings, one character an octet. */
export interface StoredStructure {
	readonly hash: string;
	readonly envelope: string;
	readonly bodyStructure: string;
	readonly headerBytes: number;
}
/** Texts of a message that are wanted at other times than its structure. */
export type TextKind = "tree" | "ordering" | "preview";

/** What is kept of one message. */
export interface Row extends StoredStructure {
	/** JSON of Parsed. */
	readonly tree: string;
	/** As from packOrdering(). */
	readonly ordering: string;
	/** The header itself, if it is small. */
	readonly header: Uint8Array | undefined;
}

// A table for each of what is wanted together: reading envelopes then touches a few pages only.
const TEXT_KINDS: readonly TextKind[] = ["tree", "ordering", "preview"];
const TABLES = ["structure", "header", ...TEXT_KINDS];
const SCHEMA = `
	CREATE TABLE IF NOT EXISTS structure (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, header_bytes INTEGER NOT NULL,
		envelope TEXT NOT NULL, body_structure TEXT NOT NULL, crc INTEGER NOT NULL);
	CREATE TABLE IF NOT EXISTS header (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
	${TEXT_KINDS.map(
		(kind) =>
			`CREATE TABLE IF NOT EXISTS ${kind} (id INTEGER PRIMARY KEY, text TEXT NOT NULL, crc INTEGER NOT NULL);`,
	).join("\n\t")}
	PRAGMA user_version=${FORMAT}`;
const PRAGMAS = `PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
	PRAGMA cache_size=-8000; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=4000`;

interface TextStatements {
	readonly put: StatementSync;
	readonly get: StatementSync;
}
interface Statements {
	readonly database: DatabaseSync;
	readonly put: StatementSync;
	readonly putHeader: StatementSync;
	readonly trims: readonly StatementSync[];
	readonly get: StatementSync;
	readonly getHeaders: StatementSync;
	readonly idOf: StatementSync;
	readonly texts: Readonly<Record<TextKind, TextStatements>>;
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
			for (const table of TABLES)
				database.exec(`DROP TABLE IF EXISTS ${table}`);
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
	const query = (sql: string): StatementSync => {
		const statement = database.prepare(sql);
		statement.setReturnArrays(true);
		return statement;
	};
	const texts = (kind: TextKind): TextStatements => ({
		put: database.prepare(
			`INSERT OR REPLACE INTO ${kind} (id, text, crc) VALUES (?, ?, ?)`,
		),
		get: query(
			`SELECT wanted.value, text, ${kind}.crc ${wanted} JOIN ${kind} ON ${kind}.id = structure.id`,
		),
	});
	return {
		database,
		put: database.prepare(
			`INSERT INTO structure (hash, header_bytes, envelope, body_structure, crc)
			VALUES (unhex(?), ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING`,
		),
		putHeader: database.prepare(
			"INSERT OR REPLACE INTO header (id, bytes, crc) VALUES (?, ?, ?)",
		),
		trims: TABLES.map((table) =>
			database.prepare(`DELETE FROM ${table} WHERE id <= ?`),
		),
		get: query(
			`SELECT wanted.value, header_bytes, envelope, body_structure, crc ${wanted}`,
		),
		getHeaders: query(
			`SELECT wanted.value, bytes, header.crc ${wanted} JOIN header ON header.id = structure.id`,
		),
		idOf: query("SELECT id FROM structure WHERE hash = unhex(?)"),
		texts: {
			tree: texts("tree"),
			ordering: texts("ordering"),
			preview: texts("preview"),
		},
	};
}

/** A flipped bit on the disk must not become a subject that a client keeps for ever. */
const checksum = (row: StoredStructure): number =>
	crc32(`${row.hash} ${row.headerBytes} ${row.envelope}${row.bodyStructure}`);
const textChecksum = (hash: string, text: string): number =>
	crc32(`${hash} ${text}`);

/** Returns the id of the row, 0 if it was kept already. */
function putRow(statements: Statements, row: Row): number {
	const { changes, lastInsertRowid: id } = statements.put.run(
		row.hash,
		row.headerBytes,
		row.envelope,
		row.bodyStructure,
		checksum(row),
	);
	if (changes === 0) return 0;
	if (row.header !== undefined)
		statements.putHeader.run(id, row.header, crc32(row.header));
	const { tree, ordering } = statements.texts;
	tree.put.run(id, row.tree, textChecksum(row.hash, row.tree));
	ordering.put.run(id, row.ordering, textChecksum(row.hash, row.ordering));
	return Number(id);
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
	structures(hashes: readonly string[]): StoredStructure[] {
		const rows: StoredStructure[] = [];
		this.#guard(() => {
			const found = this.#statements?.get.all(JSON.stringify(hashes)) ?? [];
			for (const columns of found as unknown as [
				string,
				number,
				string,
				string,
				number,
			][]) {
				const [hash, headerBytes, envelope, bodyStructure, crc] = columns;
				const row = { hash, headerBytes, envelope, bodyStructure };
				if (checksum(row) === crc) rows.push(row);
			}
		});
		return rows;
	}

	texts(
		kind: TextKind,
		hashes: readonly string[],
	): [hash: string, text: string][] {
		const texts: [string, string][] = [];
		this.#guard(() => {
			const found =
				this.#statements?.texts[kind].get.all(JSON.stringify(hashes)) ?? [];
			for (const [hash, text, crc] of found as unknown as [
				string,
				string,
				number,
			][])
				if (textChecksum(hash, text) === crc) texts.push([hash, text]);
		});
		return texts;
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
			for (const trim of statements.trims)
				trim.run(newest - STRUCTURES_FILE_ROWS_MAX);
			statements.database.exec("COMMIT");
		});
	}

	/** Of a message that is kept already; otherwise nothing is kept. */
	putPreview(hash: string, text: string): void {
		const statements = this.#statements;
		if (statements === undefined) return;
		this.#guard(() => {
			const row = statements.idOf.get(hash) as unknown as [number] | undefined;
			if (row !== undefined)
				statements.texts.preview.put.run(
					row[0],
					text,
					textChecksum(hash, text),
				);
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
