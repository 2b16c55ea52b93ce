import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
	prefixEnd,
	type Store,
	type StoreValue,
	type StoreWrite,
} from "../../sync/ports/store.ts";
import { openStore } from "../../sync/real/store.ts";
import { MemoryStore } from "../../sync/sim/store.ts";

const folder = mkdtempSync(join(tmpdir(), "pmnode-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const kinds: [string, () => { store: Store; reopen: () => Store }][] = [
	[
		"SQLite",
		() => {
			const file = join(folder, `${files++}.db`);
			const store = openStore(file);
			return {
				store,
				reopen: () => {
					store.close();
					return openStore(file);
				},
			};
		},
	],
	[
		"memory",
		() => {
			const store = new MemoryStore();
			return { store, reopen: () => store };
		},
	],
];

const plain = (value: StoreValue | undefined): unknown =>
	value === undefined || typeof value === "string" ? value : [...value];

describe.each(kinds)("store on %s", (_, make) => {
	it("gives back text as text and bytes as bytes, also after reopening", () => {
		const { store, reopen } = make();
		store.commit([
			["a", "text"],
			["b", Uint8Array.of(0, 255, 10)],
			["c", ""],
		]);
		const again = reopen();
		expect(again.get("a")).toBe("text");
		expect(plain(again.get("b"))).toEqual([0, 255, 10]);
		expect(again.get("c")).toBe("");
		expect(again.get("d")).toBeUndefined();
		again.close();
	});

	it("ranges are half open, ordered, limited and reversible", () => {
		const { store } = make();
		store.commit(["x/2", "x/1", "x/3", "y/1", "w"].map((key) => [key, key]));
		const keys = (...range: Parameters<Store["range"]>) =>
			[...store.range(...range)].map(([key]) => key);
		expect(keys("x/", prefixEnd("x/"))).toEqual(["x/1", "x/2", "x/3"]);
		expect(keys("x/1", "x/3")).toEqual(["x/1", "x/2"]);
		expect(keys("x/", prefixEnd("x/"), { reverse: true, limit: 2 })).toEqual([
			"x/3",
			"x/2",
		]);
		expect(keys("z", "a")).toEqual([]);
		store.close();
	});

	it("behaves as a plain map under any sequence of commits", () => {
		const key = fc.stringMatching(/^[a-c/]{1,3}$/);
		const value = fc.option(
			fc.oneof(fc.string(), fc.uint8Array({ maxLength: 8 })),
			{ nil: undefined },
		);
		const commits = fc.array(fc.array(fc.tuple(key, value)), { maxLength: 10 });
		fc.assert(
			fc.property(commits, (batches) => {
				const { store } = make();
				const model = new Map<string, unknown>();
				for (const batch of batches as StoreWrite[][]) {
					store.commit(batch);
					for (const [k, v] of batch)
						if (v === undefined) model.delete(k);
						else model.set(k, plain(v));
				}
				const asked = [...batches.flat().map(([k]) => k), "d", "", "a"];
				expect(store.getAll(asked).map(plain)).toEqual(
					asked.map((k) => model.get(k)),
				);
				const seen = [...store.range("", "~")].map(([k, v]) => [k, plain(v)]);
				expect(seen).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
				store.close();
			}),
			{ numRuns: 40 },
		);
	});
});

describe("store on SQLite alone", () => {
	it("refuses a newer format and a file that is no database, naming the file", async () => {
		const { DatabaseSync } = await import("node:sqlite");
		const file = join(folder, "newer.db");
		openStore(file).close();
		const database = new DatabaseSync(file);
		database.exec("PRAGMA user_version=99");
		database.close();
		expect(() => openStore(file)).toThrow(/newer\.db has format 99/);
		const { writeFileSync } = await import("node:fs");
		const garbage = join(folder, "garbage.db");
		writeFileSync(garbage, "this is no database ".repeat(500));
		expect(() => openStore(garbage)).toThrow(/garbage\.db/);
	});
});
