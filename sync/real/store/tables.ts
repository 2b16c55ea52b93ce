/**
 * The tables below the store. Rows lie in the order of their keys, but for those whose keys come by chance, one with each
 * message: in that order each of them would change a page of its own, and be written as two. They lie in the order in which
 * they came, many to a page, and an index, in the order of keys, says where. It is a table of its own: what is read is the
 * key that stands in it, and so the checksum of a row notices damage of the index.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoreValue } from "../../ports/store.ts";

/** The value is null where a place leads to no row. */
export type Row = readonly [
	key: string,
	value: StoreValue | null,
	sum: number | null,
];
/** As it was written. */
export type SoundRow = readonly [key: string, value: StoreValue];

interface KeyRange {
	readonly from: string;
	/** Exclusive. */
	readonly to: string;
}

/** Rows of entries (mailbox/rows.ts). What is changed here needs another format of the database. */
const CHANCE: KeyRange = { from: "ent/", to: "ent0" };

const inChance = `k >= '${CHANCE.from}' AND k < '${CHANCE.to}'`;

export const makeOrdered =
	"CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v, c INTEGER) WITHOUT ROWID";
/** Also moves there what a database of an earlier version has of them. */
export const makeArrived = `CREATE TABLE arrived (number INTEGER PRIMARY KEY, v, c INTEGER);
	CREATE TABLE place (k TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
	INSERT INTO place SELECT k, row_number() OVER (ORDER BY k) FROM kv WHERE ${inChance};
	INSERT INTO arrived SELECT number, v, c FROM place JOIN kv USING (k) ORDER BY number;
	DELETE FROM kv WHERE ${inChance}`;

interface Table {
	get(key: string): Row | undefined;
	getAll(keys: readonly string[]): Row[];
	put(key: string, value: StoreValue, sum: number): void;
	delete(key: string): void;
	range(range: KeyRange, limit: number, reverse: boolean): Row[];
	all(): Iterable<Row>;
}

/** Statements that read rows of what `select` selects. */
class Reading {
	readonly #get: StatementSync;
	readonly #getAll: StatementSync;
	readonly #forward: StatementSync;
	readonly #backward: StatementSync;
	readonly #all: StatementSync;

	constructor(database: DatabaseSync, select: string) {
		const prepare = (sql: string): StatementSync => {
			const statement = database.prepare(sql);
			statement.setReturnArrays(true);
			return statement;
		};
		this.#get = prepare(`${select} WHERE k = ?`);
		// Each key is looked for in the table, whatever SQLite takes its list to be.
		this.#getAll = prepare(
			`${select.replace(" FROM ", " FROM json_each(?) CROSS JOIN ")} WHERE k = value`,
		);
		const range = `${select} WHERE k >= ? AND k < ? ORDER BY k`;
		this.#forward = prepare(`${range} LIMIT ?`);
		this.#backward = prepare(`${range} DESC LIMIT ?`);
		this.#all = prepare(select);
	}

	get(key: string): Row | undefined {
		return this.#get.get(key) as unknown as Row | undefined;
	}
	getAll(keys: readonly string[]): Row[] {
		return this.#getAll.all(JSON.stringify(keys)) as unknown as Row[];
	}
	range({ from, to }: KeyRange, limit: number, reverse: boolean): Row[] {
		const statement = reverse ? this.#backward : this.#forward;
		return statement.all(from, to, limit) as unknown as Row[];
	}
	all(): Iterable<Row> {
		return this.#all.iterate() as unknown as Iterable<Row>;
	}
}

class Ordered extends Reading implements Table {
	readonly #put: StatementSync;
	readonly #delete: StatementSync;

	constructor(database: DatabaseSync) {
		super(database, "SELECT k, v, c FROM kv");
		this.#put = database.prepare(
			"INSERT INTO kv (k, v, c) VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v, c = excluded.c",
		);
		this.#delete = database.prepare("DELETE FROM kv WHERE k = ?");
	}

	put(key: string, value: StoreValue, sum: number): void {
		this.#put.run(key, value, sum);
	}
	delete(key: string): void {
		this.#delete.run(key);
	}
}

class Arrived extends Reading implements Table {
	readonly #find: StatementSync;
	readonly #add: StatementSync;
	readonly #addPlace: StatementSync;
	readonly #change: StatementSync;
	readonly #delete: StatementSync;
	readonly #deletePlace: StatementSync;

	constructor(database: DatabaseSync) {
		// A place that leads nowhere must be noticed, and not be passed over.
		super(
			database,
			"SELECT k, v, c FROM place LEFT JOIN arrived USING (number)",
		);
		const prepare = (sql: string) => database.prepare(sql);
		this.#find = prepare("SELECT number FROM place WHERE k = ?");
		this.#add = prepare("INSERT INTO arrived (v, c) VALUES (?, ?)");
		this.#addPlace = prepare("INSERT INTO place VALUES (?, ?)");
		this.#change = prepare("UPDATE arrived SET v = ?, c = ? WHERE number = ?");
		this.#delete = prepare("DELETE FROM arrived WHERE number = ?");
		this.#deletePlace = prepare("DELETE FROM place WHERE k = ?");
	}

	put(key: string, value: StoreValue, sum: number): void {
		const number = this.#numberOf(key);
		if (number !== undefined) this.#change.run(value, sum, number);
		else this.#addPlace.run(key, this.#add.run(value, sum).lastInsertRowid);
	}
	delete(key: string): void {
		const number = this.#numberOf(key);
		if (number === undefined) return;
		this.#delete.run(number);
		this.#deletePlace.run(key);
	}
	#numberOf(key: string): number | undefined {
		return (this.#find.get(key) as { number: number } | undefined)?.number;
	}
}

/** What callers see: one ordered map. */
export class Tables {
	readonly #database: DatabaseSync;
	readonly #ordered: Table;
	readonly #arrived: Table;

	constructor(database: DatabaseSync) {
		this.#database = database;
		this.#ordered = new Ordered(database);
		this.#arrived = new Arrived(database);
	}

	get(key: string): Row | undefined {
		return this.#tableOf(key).get(key);
	}
	/** Those of the keys that are there, in no order. */
	getAll(keys: readonly string[]): Row[] {
		const tables = [this.#ordered, this.#arrived];
		return tables.flatMap((table) => {
			const some = keys.filter((key) => this.#tableOf(key) === table);
			return some.length === 0 ? [] : table.getAll(some);
		});
	}
	put(key: string, value: StoreValue, sum: number): void {
		this.#tableOf(key).put(key, value, sum);
	}
	delete(key: string): void {
		this.#tableOf(key).delete(key);
	}

	/** At most `limit` rows with `from <= key < to`, in order. */
	range(from: string, to: string, limit: number, reverse: boolean): Row[] {
		const parts = this.#partsOf(from, to);
		if (reverse) parts.reverse();
		let rows: Row[] = [];
		for (const [table, part] of parts) {
			const left = limit - rows.length;
			if (left <= 0) break;
			const found = table.range(part, left, reverse);
			rows = rows.length === 0 ? found : rows.concat(found);
		}
		return rows;
	}

	/** All rows, in no order. */
	*all(): Iterable<Row> {
		yield* this.#ordered.all();
		yield* this.#arrived.all();
	}

	/** Whether each row that lies in order of arrival has its place; all() finds each place that has no row. */
	allHavePlaces(): boolean {
		const { same } = this.#database
			.prepare(
				"SELECT (SELECT count(*) FROM place) = (SELECT count(*) FROM arrived) AS same",
			)
			.get() as { same: number };
		return same === 1;
	}

	#tableOf(key: string): Table {
		return key >= CHANCE.from && key < CHANCE.to
			? this.#arrived
			: this.#ordered;
	}

	/** The range in pieces of one table each, in order. */
	#partsOf(from: string, to: string): [Table, KeyRange][] {
		const pieces: [Table, KeyRange][] = [
			[this.#ordered, { from, to: least(to, CHANCE.from) }],
			[
				this.#arrived,
				{ from: greatest(from, CHANCE.from), to: least(to, CHANCE.to) },
			],
			[this.#ordered, { from: greatest(from, CHANCE.to), to }],
		];
		return pieces.filter(([, piece]) => piece.from < piece.to);
	}
}

const least = (a: string, b: string): string => (a < b ? a : b);
const greatest = (a: string, b: string): string => (a > b ? a : b);
