import {
	copyFileSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
	type Store,
	StoreFailed,
	StoreFull,
	type StoreWrite,
} from "../../../sync/ports/store.ts";
import { Journal } from "../../../sync/real/store/journal.ts";
import { CommitEncoder } from "../../../sync/real/store/record.ts";
import { openStore, type StoreSizes } from "../../../sync/real/store.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { until } from "../../harness/until.ts";

const folder = mkdtempSync(join(tmpdir(), "pmnode-journal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `${files++}.db`);
const parts = ["", "-wal", "-journal1", "-journal2"];

/** A power cut: what the files hold now is all there is. */
function copied(file: string): string {
	const copy = newFile();
	for (const part of parts)
		if (existsSync(file + part)) copyFileSync(file + part, copy + part);
	return copy;
}

const small: StoreSizes = {
	carryBytes: 200,
	journalBytesMax: 1_000_000,
	pageRows: 3,
	checkedBytesMax: 1_000_000,
};

const carried = (file: string): number => {
	const database = new DatabaseSync(file, { readOnly: true });
	try {
		const row = database.prepare("SELECT number FROM carried").get();
		return (row as { number: number }).number;
	} finally {
		database.close();
	}
};
const all = (store: Store) => [...store.range("", "~")];

describe("a store whose journals are carried over all the time", () => {
	it("answers every range as a plain map does, also after a power cut at any moment", async () => {
		// Those of entries lie in a table of their own.
		const key = fc.stringMatching(/^([ab]|ent?0?)\/?[ab]?\/?[ab]?$/);
		const value = fc.option(fc.string({ maxLength: 30 }), { nil: undefined });
		const commits = fc.array(
			fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 6 }),
			{ minLength: 1, maxLength: 30 },
		);
		const range = fc.record({
			from: key,
			to: key,
			limit: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
			reverse: fc.boolean(),
		});
		await fc.assert(
			fc.asyncProperty(
				commits,
				fc.array(range, { maxLength: 12 }),
				async (batches, ranges) => {
					let file = newFile();
					let store = openStore(file, small);
					const model = new MemoryStore();
					const same = (one: Store) => {
						for (const { from, to, limit, reverse } of ranges) {
							const options = {
								reverse,
								...(limit !== undefined && { limit }),
							};
							expect([...one.range(from, to, options)]).toEqual([
								...model.range(from, to, options),
							]);
						}
						expect(all(one)).toEqual(all(model));
						const keys = [
							...batches.flatMap((batch) => batch.map(([each]) => each)),
							...ranges.map(({ from }) => from),
						];
						expect(one.getAll(keys)).toEqual(model.getAll(keys));
					};
					for (const [index, batch] of batches.entries()) {
						store.commit(batch as StoreWrite[]);
						model.commit(batch as StoreWrite[]);
						// Lets the answer of the writer thread in.
						if (index % 5 === 0) await new Promise(setImmediate);
						if (index % 7 === 0) same(store);
						if (index % 10 === 9) {
							// The next life goes on in the journals of this one.
							const cut = copied(file);
							store.close();
							file = cut;
							store = openStore(file, small);
						}
					}
					same(store);
					const after = openStore(copied(file), small);
					same(after);
					after.close();
					store.close();
					const again = openStore(file, small);
					same(again);
					again.close();
				},
			),
			{ numRuns: 12 },
		);
	});

	it("answers undefined for what was deleted, also while the journal that has it is carried over", () => {
		const store = openStore(newFile(), small);
		// Enough for a journal: it rests from here on, as the thread's answer cannot come within this turn.
		store.commit([["key", "x".repeat(300)]]);
		store.commit([["key", undefined]]);
		expect(store.get("key")).toBeUndefined();
		expect(all(store)).toEqual([]);
		store.commit([["key", ""]]);
		expect(store.get("key")).toBe("");
		store.close();
	});

	it("forgets in memory and in the journal what the database has", async () => {
		const file = newFile();
		const store = openStore(file, small);
		for (let number = 1; number <= 50; number++)
			store.commit([[`key/${number}`, "x".repeat(50)]]);
		await until("a carried journal", () => carried(file) > 0);
		await until("the journals to be used again", () => {
			store.commit([["again", "x".repeat(150)]]);
			return carried(file) > 50;
		});
		expect(store.get("key/1")).toBe("x".repeat(50));
		expect(readFileSync(`${file}-journal1`).length).toBeLessThan(20_000);
		store.close();
	});
});

describe("a store that is opened again", () => {
	it("goes on behind what its journals hold, and has it carried over without being asked", async () => {
		const file = newFile();
		const first = openStore(file, { carryBytes: 1_000 });
		for (let number = 1; number <= 15; number++)
			first.commit([[`key/${number}`, "x".repeat(100)]]);
		const cut = copied(file);
		first.close();
		const before = carried(cut);
		expect(before).toBeLessThan(15);
		const second = openStore(cut, { carryBytes: 1_000 });
		second.commit([["key/1", undefined]]);
		expect(carried(cut)).toBe(before);
		const again = copied(cut);
		expect(all(second)).toHaveLength(14);
		await until("the older to be carried over", () => carried(cut) > before);
		expect(carried(cut)).toBeLessThan(16);
		expect(all(second)).toHaveLength(14);
		second.close();
		const third = openStore(again);
		expect(all(third)).toHaveLength(14);
		third.close();
	});
});

describe("a copy of a store in use", () => {
	it("has all that was committed when it was done, whatever is written meanwhile", async () => {
		const store = openStore(newFile(), {
			...small,
			carryBytes: 5_000,
			journalBytesMax: 100_000_000,
		});
		const copy = newFile();
		let number = 0;
		const write = () => {
			number++;
			store.commit([
				[`k${number}`, "x".repeat(300)],
				["last", `${number}`],
			]);
		};
		while (number < 200) write();
		let open = true;
		const writing = (async () => {
			while (open) {
				write();
				await new Promise(setImmediate);
			}
		})();
		await store.copyTo(copy);
		open = false;
		await writing;
		const copied = openStore(copy);
		const last = Number(copied.get("last"));
		expect(last).toBeGreaterThanOrEqual(200);
		expect(all(copied).length).toBe(last + 1);
		copied.close();
		// Journals are carried over again afterwards.
		const before = store.sizeBytes();
		for (let more = 0; more < 100; more++) write();
		expect(all(store).length).toBe(number + 1);
		expect(store.sizeBytes()).toBeGreaterThanOrEqual(before);
		expect(await store.damage()).toEqual([]);
		store.close();
	});
});

describe("a store that was cut off or damaged", () => {
	const bodies = { "as they are": "", packed: "mail ".repeat(2_000) };
	const five = (body = ""): { file: string; ends: number[] } => {
		const file = newFile();
		const store = openStore(file);
		const ends = [1, 2, 3, 4, 5].map((number) => {
			store.commit([[`k${number}`, `value ${number} ${body}`]]);
			return readFileSync(`${file}-journal1`).length;
		});
		// Not closed: as after a kill. Its files are copied before anything else opens them.
		const copy = copied(file);
		store.close();
		return { file: copy, ends };
	};

	it.each(Object.entries(bodies))(
		"opens without the commit that was torn, at any length: commits %s",
		(_, body) => {
			const { file, ends } = five(body);
			expect(ends[4]).toBeLessThan(1_000);
			for (let length = 0; length <= (ends[4] ?? 0); length += 7) {
				const cut = copied(file);
				truncateSync(`${cut}-journal1`, length);
				const store = openStore(cut);
				const whole = ends.filter((end) => end <= length).length;
				expect(all(store)).toEqual(
					[1, 2, 3, 4, 5]
						.slice(0, whole)
						.map((number) => [`k${number}`, `value ${number} ${body}`]),
				);
				store.close();
			}
		},
	);

	it.each(Object.entries(bodies))(
		"refuses, naming the file, when a commit in the middle is damaged: commits %s",
		(_, body) => {
			const { file, ends } = five(body);
			for (let at = 0; at < (ends[3] ?? 0); at += 3) {
				const broken = copied(file);
				const bytes = readFileSync(`${broken}-journal1`);
				bytes[at] = (bytes[at] ?? 0) ^ 0x10;
				writeFileSync(`${broken}-journal1`, bytes);
				expect(() => openStore(broken), `byte ${at}`).toThrow(
					/journal1 is damaged|is missing in the journals/,
				);
			}
		},
	);

	it("refuses when a journal between two others is gone", () => {
		const file = newFile();
		const store = openStore(file, { ...small, journalBytesMax: 10_000 });
		// In one turn of the loop, so that no answer of the writer thread comes between.
		for (let number = 1; number <= 20; number++)
			store.commit([[`k${number}`, "x".repeat(40)]]);
		const copy = copied(file);
		store.close();
		const database = new DatabaseSync(copy);
		database.exec("DELETE FROM kv; UPDATE carried SET number = 0");
		database.close();
		rmSync(`${copy}-journal1`);
		expect(() => openStore(copy)).toThrow(StoreFailed);
	});

	it("says that there is no room when nothing can be carried over, and keeps what it took", () => {
		const file = newFile();
		const store = openStore(file, { ...small, journalBytesMax: 2_000 });
		let taken = 0;
		expect(() => {
			for (; taken < 1_000; taken++)
				store.commit([[`k${taken}`, "x".repeat(100)]]);
		}).toThrow(StoreFull);
		expect(taken).toBeGreaterThan(5);
		expect(all(store).length).toBe(taken);
		store.close();
		const again = openStore(file);
		expect(all(again).length).toBe(taken);
		again.close();
	});

	/** A database of some 3 MB, and what makes holes into it. */
	async function large() {
		const file = newFile();
		const store = openStore(file, { carryBytes: 500_000 });
		const value = "v".repeat(1_000);
		for (let at = 10_000; at < 13_000; at += 500)
			store.commit(
				Array.from({ length: 500 }, (_, i) => [`row/${at + i}`, value]),
			);
		await until("rows in the database", () => {
			store.commit([["more", value]]);
			return carried(file) > 6;
		});
		store.close();
		const sound = new DatabaseSync(file);
		sound.exec("PRAGMA busy_timeout=10000; PRAGMA wal_checkpoint(TRUNCATE)");
		sound.close();
		return file;
	}
	const holes = {
		"a page that is gone": (bytes: Buffer) => bytes.fill(0, 1e6, 1e6 + 8192),
		"a flipped bit": (bytes: Buffer) => {
			const at = bytes.indexOf("row/11500") + 100;
			bytes[at] = (bytes[at] as number) ^ 1;
		},
	};

	it.each(Object.entries(holes))(
		"%s of a large one is met when it is read, and by the next start at once, until it is mended",
		async (_name, damage) => {
			const file = await large();
			const sound = readFileSync(file);
			const bytes = Buffer.from(sound);
			damage(bytes);
			writeFileSync(file, bytes);
			const met: string[] = [];
			const open = () =>
				openStore(file, {
					checkedBytesMax: 0,
					onDamage: ({ message }) => met.push(message),
				});
			const store = open();
			expect(met).toEqual([]);
			expect(() => all(store)).toThrow(/is damaged/);
			expect(met).toHaveLength(1);
			store.close();
			expect(open).toThrow(/is damaged/);
			expect(open).toThrow(/is damaged/);
			writeFileSync(file, sound);
			const mended = open();
			expect(all(mended)).toHaveLength(3_001);
			mended.close();
			// Not looked at again.
			writeFileSync(file, bytes);
			open().close();
		},
	);

	const rowsOfEntries = {
		"is changed": "UPDATE place SET k = 'ent/box/14~' WHERE k = 'ent/box/150'",
		"leads to another row":
			"UPDATE place SET number = (SELECT number FROM place WHERE k = 'ent/box/151') WHERE k = 'ent/box/150'",
		"leads nowhere": "UPDATE place SET number = 4711 WHERE k = 'ent/box/150'",
	};
	it.each(Object.entries(rowsOfEntries))(
		"where the key of an entry %s, it is met when it is read, and by a look at all rows",
		async (name, damage) => {
			const file = newFile();
			const first = openStore(file, { carryBytes: 1_000 });
			for (let number = 100; number < 200; number++)
				first.commit([[`ent/box/${number}`, "x".repeat(100)]]);
			await until("all to be carried over", () => {
				first.commit([["more", "x".repeat(1_000)]]);
				return carried(file) > 100;
			});
			first.close();
			const database = new DatabaseSync(file);
			database.exec(`PRAGMA busy_timeout=10000; ${damage}`);
			database.close();
			const store = openStore(file);
			expect(() => all(store)).toThrow(/is damaged/);
			const keys = Array.from({ length: 99 }, (_, i) => `ent/box/${100 + i}`);
			if (name !== "is changed")
				expect(() => store.getAll(keys)).toThrow(/is damaged/);
			store.close();
			// Noted when it was met.
			expect(() => openStore(file)).toThrow(/is damaged/);
		},
	);

	it("takes nothing that a user wrote for a commit", async () => {
		const file = newFile();
		const store = openStore(file, { carryBytes: 3_000 });
		// A value of 20 characters that reads like a whole commit, of a number far ahead.
		let forged = "";
		for (let number = 2 ** 40; ; number++) {
			const bytes = new CommitEncoder(0).encode({ number, writes: [] });
			forged = Buffer.from(bytes).toString("latin1");
			if (bytes.every((byte) => byte < 0x80)) break;
		}
		for (let number = 0; number < 40; number++)
			store.commit([[`note/${number}`, forged.repeat(20)]]);
		await until("both journals to be used again", () => {
			store.commit([["little", "x"]]);
			return carried(file) > 40;
		});
		const cut = copied(file);
		store.close();
		const bytes = ["1", "2"].map((one) => readFileSync(`${cut}-journal${one}`));
		expect(bytes.some((each) => each.includes(forged, 100))).toBe(true);
		const again = openStore(cut);
		expect(all(again)).toHaveLength(41);
		again.close();
	});

	it("takes over the journals of an earlier version, whose sums have no secret", () => {
		const file = newFile();
		const database = new DatabaseSync(file);
		database.exec(
			"CREATE TABLE kv (k TEXT PRIMARY KEY, v, c INTEGER) WITHOUT ROWID; CREATE TABLE carried (number INTEGER NOT NULL); INSERT INTO carried VALUES (0); PRAGMA user_version=2",
		);
		database.close();
		const encoder = new CommitEncoder(0);
		for (const number of [1, 2]) {
			const journal = new Journal(`${file}-journal${number}`);
			journal.append(
				encoder.encode({ number, writes: [[`key/${number}`, "value"]] }),
			);
			journal.close();
		}
		const store = openStore(file);
		store.commit([["key/3", "value"]]);
		expect(all(store)).toHaveLength(3);
		const cut = copied(file);
		store.close();
		const again = openStore(cut);
		expect(all(again)).toHaveLength(3);
		again.close();
	});

	it("takes over a store of format 3, whose entries lie among the other rows, and only once", () => {
		const file = newFile();
		openStore(file).close();
		const database = new DatabaseSync(file);
		database.exec(
			"DROP TABLE arrived; DROP TABLE place; PRAGMA user_version=3",
		);
		const put = database.prepare("INSERT INTO kv VALUES (?, ?, NULL)");
		const keys = ["ent", "ent/b/2", "ent/b/1", "ent/a/3", "ent0", "z"];
		for (const key of keys) put.run(key, key);
		database.close();
		for (const _ of ["migrated", "opened"]) {
			const store = openStore(file);
			expect(all(store).map(([key]) => key)).toEqual([...keys].sort());
			expect(store.get("ent/b/1")).toBe("ent/b/1");
			store.commit([["ent/b/1", "ent/b/1"]]);
			store.close();
		}
		const after = new DatabaseSync(file);
		const count = (table: string) =>
			after.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows;
		expect(["kv", "place", "arrived"].map(count)).toEqual([3, 3, 3]);
		after.close();
	});

	it("takes over a store of format 1", () => {
		const file = newFile();
		const database = new DatabaseSync(file);
		database.exec(
			"CREATE TABLE kv (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO kv VALUES ('a', 'text'), ('b', x'00ff'); PRAGMA user_version=1",
		);
		database.close();
		const store = openStore(file);
		store.commit([["c", "new"]]);
		expect(all(store)).toEqual([
			["a", "text"],
			["b", Uint8Array.of(0, 255)],
			["c", "new"],
		]);
		store.close();
	});
});

describe("space that was freed", () => {
	const rows = (count: number, value: string | undefined): StoreWrite[] =>
		Array.from({ length: count }, (_, i) => [`row/${i}`, value]);
	/** Commits until journals were carried over and the file is as small as `bytes`. */
	const shrinks = async (file: string, bytes: number): Promise<void> => {
		const store = openStore(file, { carryBytes: 50_000 });
		try {
			for (let i = 0; i < 6_000; i += 1_000)
				store.commit(rows(6_000, undefined).slice(i, i + 1_000));
			store.commit([["kept", "x".repeat(60_000)]]);
			await until(`${file} to shrink`, () => {
				store.commit([["kept", "y".repeat(60_000)]]);
				return statSync(file).size + statSync(`${file}-wal`).size < bytes;
			});
			expect(store.get("kept")).toHaveLength(60_000);
			expect(all(store)).toHaveLength(1);
		} finally {
			store.close();
		}
		const again = openStore(file);
		expect(all(again)).toHaveLength(1);
		expect(await again.damage?.()).toEqual([]);
		again.close();
	};

	it("goes back to the disk", async () => {
		const file = newFile();
		const store = openStore(file, { carryBytes: 50_000 });
		store.commit(rows(6_000, "v".repeat(1_000)));
		store.close();
		openStore(file).close();
		expect(statSync(file).size).toBeGreaterThan(6_000_000);
		await shrinks(file, 2_000_000);
	});

	it("also from a file of an earlier version, which is written anew once", async () => {
		const file = newFile();
		const old = new DatabaseSync(file);
		old.exec(
			"PRAGMA journal_mode=WAL; CREATE TABLE kv (k TEXT PRIMARY KEY, v, c INTEGER) WITHOUT ROWID; PRAGMA user_version=1; BEGIN",
		);
		const put = old.prepare("INSERT INTO kv (k, v) VALUES (?, ?)");
		for (const [key, value] of rows(6_000, "v".repeat(1_000)))
			put.run(key, value as string);
		old.exec("COMMIT");
		old.close();
		await shrinks(file, 2_000_000);
	});
});
