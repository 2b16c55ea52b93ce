/** What hypercore reads within one turn goes together, and is what each of them would have read alone. */
import type { CoreStorage, RocksRead } from "hypercore";
import { expect, it } from "vitest";
import { shareReads } from "../../../sync/bodies/shared-reads.ts";

class FakeStorage implements CoreStorage {
	readonly batches: string[][] = [];
	atom: unknown = null;
	readonly db = {
		read: (): RocksRead => {
			const keys: string[] = [];
			const { promise, resolve } = Promise.withResolvers<void>();
			return {
				get: async (key) => {
					keys.push(Buffer.from(key).toString());
					await promise;
					return key;
				},
				tryFlush: () => {
					this.batches.push(keys);
					resolve();
				},
				destroy: () => {},
			};
		},
	};

	read(): RocksRead {
		return this.db.read();
	}
}

const readOne = async (storage: FakeStorage, key: string) => {
	const read = storage.read();
	const found = read.get(Buffer.from(key));
	read.tryFlush();
	return Buffer.from((await found) ?? []).toString();
};

it("reads of one turn go together, those of a transaction alone", async () => {
	class Storage extends FakeStorage {}
	const [one, other] = [new Storage(), new Storage()];
	shareReads(one);
	shareReads(other);
	const all = ["a", "b"].map((key) => readOne(one, key));
	expect(await Promise.all([...all, readOne(other, "c")])).toEqual([
		"a",
		"b",
		"c",
	]);
	expect(await readOne(one, "d")).toBe("d");
	expect([one.batches, other.batches]).toEqual([[["a", "b"], ["d"]], [["c"]]]);
	one.atom = {};
	await Promise.all(["e", "f"].map((key) => readOne(one, key)));
	expect(one.batches.slice(2)).toEqual([["e"], ["f"]]);
});
