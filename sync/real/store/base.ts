/**
 * The database below the journals: one table in SQLite (WAL), and the number of the last commit that is in it. Opened
 * twice while a node runs: to read, in the main thread, and to write, in the thread that carries journals over.
 */
import { chmodSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import {
	STORE_FREE_PAGES_MIN,
	STORE_FREE_PERCENT_MAX,
	STORE_FREED_PAGES_MAX,
	STORE_REWRITE_BYTES_MAX,
} from "../../limits.ts";
import {
	StoreDamaged,
	StoreFailed,
	StoreFull,
	type StoreValue,
	type StoreWrite,
} from "../../ports/store.ts";
import { copyDatabase } from "./copy.ts";
import {
	makeArrived,
	makeOrdered,
	type Row,
	type SoundRow,
	Tables,
} from "./tables.ts";

/**
 * 2: commits lie in journals beside the database first, and `carried` says which of them are in it. 3: their sums begin with
 * a secret (record.ts). 5: some rows lie in the order in which they came (tables.ts).
 */
const FORMAT = 5;
/** Until it has got its secret, when nothing is left in journals without one. */
const FORMAT_WITHOUT_SALT = 4;
const FORMAT_OF_JOURNALS = 2;
const FORMAT_IN_ORDER = 3;
const AUTO_VACUUM_INCREMENTAL = 2;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
/** SQLITE_IOERR_READ, _SHORT_READ, _DATA and _CORRUPTFS: what was stored cannot be had from this disk any more. */
const SQLITE_UNREADABLE = [266, 522, 8202, 8458];
/** 64 MB: most pages of the index of keys change with each journal, and are moved from there to their place once for three or four. */
const WAL_CHECKPOINT_PAGES = 16_000;
const BUSY_MILLISECONDS = 10_000;

/** Of a row's key and value: SQLite keeps none, so a flipped bit would be served as what was stored. */
const checksum = (key: string, value: StoreValue): number =>
	crc32(value, crc32(key));

export class Base {
	readonly file: string;
	readonly #onDamage: (damage: StoreDamaged) => void;
	readonly #database: DatabaseSync;
	readonly #tables: Tables;
	readonly #carried: StatementSync;

	/** Opens or makes the database. Throws StoreDamaged, or StoreFailed where it is of a newer format. */
	constructor(
		file: string,
		onDamage: (damage: StoreDamaged) => void = () => {},
	) {
		this.file = file;
		this.#onDamage = onDamage;
		try {
			this.#database = new DatabaseSync(file);
			chmodSync(file, 0o600);
			this.#database.exec(
				`PRAGMA busy_timeout=${BUSY_MILLISECONDS}; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
       PRAGMA wal_autocheckpoint=${WAL_CHECKPOINT_PAGES}; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY`,
			);
			this.#prepareFormat();
			this.#tables = new Tables(this.#database);
			this.#carried = this.#database.prepare("UPDATE carried SET number = ?");
		} catch (error) {
			throw this.fault(error);
		}
	}

	#prepareFormat(): void {
		const { user_version: format } = this.#database
			.prepare("PRAGMA user_version")
			.get() as { user_version: number };
		if (format > FORMAT)
			throw new StoreFailed(
				`${this.file} has format ${format}, newer than this version knows (${FORMAT}); run a newer pmnode`,
			);
		if (format < FORMAT_OF_JOURNALS)
			this.#database.exec(
				`BEGIN IMMEDIATE; ${makeOrdered};
       CREATE TABLE IF NOT EXISTS carried (number INTEGER NOT NULL); DELETE FROM carried; INSERT INTO carried VALUES (0);
       PRAGMA user_version=${FORMAT_OF_JOURNALS}; COMMIT`,
			);
		this.#addChecksums();
		if (format < FORMAT_WITHOUT_SALT)
			this.#database.exec(
				`BEGIN IMMEDIATE; ${makeArrived};
       PRAGMA user_version=${format === FORMAT_IN_ORDER ? FORMAT : FORMAT_WITHOUT_SALT}; COMMIT`,
			);
	}

	/** A table of an earlier version has no checksums: its rows get theirs when they are written next. */
	#addChecksums(): void {
		const columns = this.#database.prepare("PRAGMA table_info(kv)").all();
		if (!columns.some(({ name }) => name === "c"))
			this.#database.exec("ALTER TABLE kv ADD COLUMN c INTEGER");
	}

	/** Throws StoreDamaged where the pages do not hold together. */
	checkPages(): void {
		this.#try(() => {
			const [first] = this.#database.prepare("PRAGMA quick_check(1)").all();
			if (first?.quick_check !== "ok")
				throw new StoreDamaged(
					`${this.file} is damaged: ${first?.quick_check}`,
				);
		});
	}

	/** Throws StoreDamaged where a row is not as it was written. */
	checkRows(): void {
		this.#try(() => {
			for (const row of this.#tables.all()) this.#checked(row);
			if (!this.#tables.allHavePlaces())
				throw new StoreDamaged(`${this.file} is damaged: rows without a place`);
		});
	}

	#checked([key, value, sum]: Row): SoundRow {
		// Rows of an earlier version have none.
		if (value === null || (sum !== null && checksum(key, value) !== sum))
			throw new StoreDamaged(`${this.file} is damaged: row ${key} was changed`);
		return [key, value];
	}

	/** The number of the last commit that is in the database. */
	carried(): number {
		return this.#try(() => {
			const row = this.#database.prepare("SELECT number FROM carried").get();
			return (row as { number: number }).number;
		});
	}

	/** What sums of commits begin with; undefined where journals may hold some without. */
	salt(): number | undefined {
		return this.#try(() => {
			const { user_version: format } = this.#database
				.prepare("PRAGMA user_version")
				.get() as { user_version: number };
			if (format < FORMAT) return undefined;
			const row = this.#database.prepare("SELECT value FROM salt").get();
			return (row as { value: number }).value;
		});
	}
	/** Nothing is left in the journals. */
	setSalt(salt: number): void {
		this.#try(() =>
			this.#database.exec(
				`BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS salt (value INTEGER NOT NULL); DELETE FROM salt; INSERT INTO salt VALUES (${salt});
       PRAGMA user_version=${FORMAT}; COMMIT`,
			),
		);
	}

	get(key: string): StoreValue | undefined {
		return this.#try(() => {
			const row = this.#tables.get(key);
			return row && this.#checked(row)[1];
		});
	}

	/** Those of the keys that are there. */
	getAll(keys: readonly string[]): Map<string, StoreValue> {
		return this.#try(
			() => new Map(this.#tables.getAll(keys).map((row) => this.#checked(row))),
		);
	}

	/** At most `limit` entries with `from <= key < to`. */
	range(
		from: string,
		to: string,
		limit: number,
		reverse = false,
	): [string, StoreValue][] {
		return this.#try(() => {
			const rows = this.#tables.range(from, to, limit, reverse);
			for (const row of rows) this.#checked(row);
			return rows as unknown as [string, StoreValue][];
		});
	}

	/** Takes over commits up to `number`: all or nothing, durable when it returns. */
	carry(writes: Iterable<StoreWrite>, number: number): void {
		this.#try(() => {
			this.#database.exec("BEGIN IMMEDIATE");
			try {
				for (const [key, value] of writes)
					if (value === undefined) this.#tables.delete(key);
					else this.#tables.put(key, value, checksum(key, value));
				this.#carried.run(number);
				this.#database.exec("COMMIT");
			} catch (error) {
				if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
				throw error;
			}
		});
	}

	/**
	 * Gives free pages back to the disk where they are many. A file that was made without that is written anew, once. Only
	 * where commits do not wait for it; a disk without room for it is no fault.
	 */
	giveBack(): void {
		const number = (pragma: string): number =>
			Number(
				Object.values(
					this.#database.prepare(`PRAGMA ${pragma}`).get() ?? {},
				)[0],
			);
		try {
			this.#try(() => {
				const free = number("freelist_count");
				const pages = number("page_count");
				if (free < STORE_FREE_PAGES_MIN) return;
				if (free * 100 < pages * STORE_FREE_PERCENT_MAX) return;
				const usedBytes = (pages - free) * number("page_size");
				if (number("auto_vacuum") === AUTO_VACUUM_INCREMENTAL)
					this.#database.exec(
						`PRAGMA incremental_vacuum(${STORE_FREED_PAGES_MAX})`,
					);
				else if (usedBytes <= STORE_REWRITE_BYTES_MAX)
					// The connection has asked for auto_vacuum when it was opened.
					this.#database.exec("VACUUM");
				this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
			});
		} catch (error) {
			if (!(error instanceof StoreFull)) throw error;
		}
	}

	/** All that is carried over, into a new file. */
	async copyTo(
		file: string,
		signal?: AbortSignal,
		progress?: (done: number, total: number) => void,
	): Promise<void> {
		try {
			await copyDatabase(this.#database, file, signal, progress);
		} catch (error) {
			signal?.throwIfAborted();
			throw this.fault(error);
		}
	}

	sizeBytes(): number {
		return sizeOf(this.file) + sizeOf(`${this.file}-wal`);
	}

	close(): void {
		if (this.#database.isOpen) this.#database.close();
	}

	/** Damage that another connection met. */
	damaged(message: string): StoreDamaged {
		const damage = new StoreDamaged(message);
		this.#onDamage(damage);
		return damage;
	}

	#try<T>(run: () => T): T {
		try {
			return run();
		} catch (error) {
			const fault = this.fault(error);
			if (fault instanceof StoreDamaged) this.#onDamage(fault);
			throw fault;
		}
	}

	/** What SQLite says, as StoreFull or StoreFailed. */
	fault(error: unknown): Error {
		if (error instanceof StoreFailed) return error;
		const { file } = this;
		const { errcode, message } = error as { errcode?: number; message: string };
		if (((errcode ?? 0) & 0xff) === SQLITE_FULL)
			return new StoreFull(`no room to write ${file}; free some disk space`);
		if (
			[SQLITE_CORRUPT, SQLITE_NOTADB].includes((errcode ?? 0) & 0xff) ||
			SQLITE_UNREADABLE.includes(errcode ?? 0)
		)
			return new StoreDamaged(`${file} is damaged: ${message}`);
		if (((errcode ?? 0) & 0xff) === SQLITE_CANTOPEN)
			return new StoreFailed(
				`cannot open ${file}: ${message}; check the folder`,
			);
		return new StoreFailed(
			`cannot read or write ${file}: ${message}; see that no other process uses it and that the disk is sound`,
		);
	}
}

export const sizeOf = (file: string): number =>
	statSync(file, { throwIfNoEntry: false })?.size ?? 0;
