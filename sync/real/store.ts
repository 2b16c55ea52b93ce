/** The Store on SQLite: one table, WAL, synchronous=FULL, so that a commit is on the disk when it returns. */
import { chmodSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
	type RangeOptions,
	type Store,
	StoreFailed,
	StoreFull,
	type StoreValue,
	type StoreWrite,
} from "../ports/store.ts";

const FORMAT = 1;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const WAL_CHECKPOINT_PAGES = 4000;

/** Opens or makes the store in `file`. Throws StoreFailed where it is damaged, of a newer format, or in use. */
export function openStore(file: string): Store {
	mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
	try {
		const database = new DatabaseSync(file);
		chmodSync(file, 0o600);
		return new SqliteStore(database, file);
	} catch (error) {
		throw asStoreError(error, file);
	}
}

class SqliteStore implements Store {
	readonly #file: string;
	readonly #database: DatabaseSync;
	readonly #get: StatementSync;
	readonly #put: StatementSync;
	readonly #delete: StatementSync;
	readonly #forward: StatementSync;
	readonly #backward: StatementSync;

	constructor(database: DatabaseSync, file: string) {
		this.#file = file;
		this.#database = database;
		database.exec(
			`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE;
       PRAGMA wal_autocheckpoint=${WAL_CHECKPOINT_PAGES}; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY`,
		);
		const { user_version: format } = database
			.prepare("PRAGMA user_version")
			.get() as { user_version: number };
		if (format > FORMAT)
			throw new StoreFailed(
				`${file} has format ${format}, newer than this version knows (${FORMAT}); run a newer pmnode`,
			);
		database.exec(
			`CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v) WITHOUT ROWID; PRAGMA user_version=${FORMAT}`,
		);
		this.#get = database.prepare("SELECT v FROM kv WHERE k = ?");
		this.#put = database.prepare(
			"INSERT INTO kv (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
		);
		this.#delete = database.prepare("DELETE FROM kv WHERE k = ?");
		const range = "SELECT k, v FROM kv WHERE k >= ? AND k < ? ORDER BY k";
		this.#forward = database.prepare(`${range} LIMIT ?`);
		this.#backward = database.prepare(`${range} DESC LIMIT ?`);
		for (const statement of [this.#get, this.#forward, this.#backward])
			statement.setReturnArrays(true);
	}

	get(key: string): StoreValue | undefined {
		try {
			const row = this.#get.get(key) as unknown as [StoreValue] | undefined;
			return row?.[0];
		} catch (error) {
			throw asStoreError(error, this.#file);
		}
	}

	range(
		from: string,
		to: string,
		options: RangeOptions = {},
	): Iterable<readonly [string, StoreValue]> {
		const statement = options.reverse ? this.#backward : this.#forward;
		try {
			return statement.all(from, to, options.limit ?? -1) as unknown as [
				string,
				StoreValue,
			][];
		} catch (error) {
			throw asStoreError(error, this.#file);
		}
	}

	commit(writes: readonly StoreWrite[]): void {
		if (writes.length === 0) return;
		try {
			this.#database.exec("BEGIN IMMEDIATE");
			for (const [key, value] of writes)
				if (value === undefined) this.#delete.run(key);
				else this.#put.run(key, value);
			this.#database.exec("COMMIT");
		} catch (error) {
			if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
			throw asStoreError(error, this.#file);
		}
	}

	damage(): readonly string[] {
		try {
			const rows = this.#database.prepare("PRAGMA integrity_check(20)").all();
			return rows
				.map((row) => String(row.integrity_check))
				.filter((line) => line !== "ok");
		} catch (error) {
			return [(error as Error).message];
		}
	}

	sizeBytes(): number {
		return ["", "-wal"].reduce(
			(sum, suffix) =>
				sum +
				(statSync(`${this.#file}${suffix}`, { throwIfNoEntry: false })?.size ??
					0),
			0,
		);
	}

	close(): void {
		if (this.#database.isOpen) this.#database.close();
	}
}

function asStoreError(error: unknown, file: string): Error {
	if (error instanceof StoreFailed) return error;
	const { errcode, message } = error as { errcode?: number; message: string };
	if (((errcode ?? 0) & 0xff) === SQLITE_FULL)
		return new StoreFull(`no room to write ${file}; free some disk space`);
	if (((errcode ?? 0) & 0xff) === SQLITE_CANTOPEN)
		return new StoreFailed(`cannot open ${file}: ${message}; check the folder`);
	return new StoreFailed(
		`cannot read or write ${file}: ${message}; see that no other process uses it and that the disk is sound`,
	);
}
