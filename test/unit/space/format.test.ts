import { describe, expect, it } from "vitest";
import { deriveId, type MailboxId } from "../../../sync/ids.ts";
import type { StoreWrite } from "../../../sync/ports/store.ts";
import { needKey } from "../../../sync/replication/needs.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { toPresentFormat } from "../../../sync/space/format.ts";
import { usesOfDrive } from "../../../sync/space/uses.ts";

const inbox = deriveId<MailboxId>("inbox");
const entry = (name: string) => deriveId("entry", name);
const drive = "ab".repeat(32);
const facts = (block: number, blocks = 1) =>
	JSON.stringify(["hash", 10, drive, [0, block, blocks, 10], 1, 2, null]);
const row = (of: object) =>
	JSON.stringify({ s: 0, u: [], g: {}, o: { aa: 3, bb: 9 }, n: 1, ...of });

/** As the first format had it. */
function first(): MemoryStore {
	const store = new MemoryStore();
	const writes: StoreWrite[] = [
		["meta/identity", "{}"],
		[`box/${inbox}`, JSON.stringify({ E: 7, live: 2 })],
		[`ent/${inbox}/${entry("lives")}`, row({ f: facts(5) })],
		[`ent/${inbox}/${entry("copy")}`, row({ f: facts(5), s: 1, o: { aa: 4 } })],
		[`ent/${inbox}/${entry("dead")}`, row({ f: facts(300), x: true })],
		[`ent/${inbox}/${entry("empty")}`, row({ f: facts(301, 0) })],
		[`ent/${inbox}/${entry("claimed")}`, row({ u: [3] })],
		[
			"need/hash",
			JSON.stringify({
				ref: { hash: "hash", sizeBytes: 10, drive, blob: [0, 5, 1, 10] },
				waits: [["aa", 3]],
				entries: [[inbox, entry("lives")]],
			}),
		],
	];
	store.commit(writes);
	return store;
}

const all = (store: MemoryStore) => [...store.range("", "\u{7f}")];

describe("a store of the first format", () => {
	it("becomes the present one, once or twice, also when it broke off in the midst", () => {
		const store = first();
		toPresentFormat(store, "state.db");
		const uses = [...usesOfDrive(store, drive)];
		expect(uses.map(({ entry, start }) => [entry, start]).sort()).toEqual(
			[
				[entry("lives"), 5],
				[entry("copy"), 5],
				[entry("dead"), 300],
			].sort(),
		);
		expect(uses.every(({ change }) => change === undefined)).toBe(true);
		expect([...store.range("dying/", "dying0")]).toHaveLength(1);
		expect(store.get(`seg/${inbox}/00000000`)).toBe("3");
		expect(store.get(`seg/${inbox}/00000001`)).toBe("1");
		expect(JSON.parse(String(store.get(`box/${inbox}`)))).toEqual({
			E: 7,
			live: 2,
			o: { aa: 4, bb: 9 },
			liveBytes: 30,
			deletedBytes: 0,
		});
		const ref = { drive, blob: [0, 5, 1, 10] } as never;
		expect([...store.range("need/", "need0")].map(([key]) => key)).toEqual([
			needKey(ref),
		]);
		const done = all(store);
		toPresentFormat(store, "state.db");
		expect(all(store)).toEqual(done);
		store.commit([["meta/format", undefined]]);
		toPresentFormat(store, "state.db");
		expect(all(store)).toEqual(done);
		const broken = first();
		const commit = broken.commit.bind(broken);
		let left = 2;
		broken.commit = (writes) => {
			if (left-- === 0) throw new Error("power cut");
			commit(writes);
		};
		expect(() => toPresentFormat(broken, "state.db")).toThrow("power cut");
		toPresentFormat(broken, "state.db");
		expect(all(broken)).toEqual(done);
	});

	it("is not mistaken for a new one, nor a newer one for this", () => {
		const empty = new MemoryStore();
		toPresentFormat(empty, "state.db");
		expect(all(empty)).toEqual([["meta/format", "2"]]);
		empty.commit([["meta/format", "3"]]);
		expect(() => toPresentFormat(empty, "/data/state.db")).toThrow(
			"/data/state.db has format 3, newer than this version knows (2); run a newer pmnode",
		);
		expect(all(empty)).toEqual([["meta/format", "3"]]);
	});
});
