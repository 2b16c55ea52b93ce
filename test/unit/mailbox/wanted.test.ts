/** Claims that some node found too low: what of them outlives the process that heard them. */
import { describe, expect, it } from "vitest";
import { entryId, mailboxId } from "../../../sync/ids.ts";
import { WANTS_MAX } from "../../../sync/limits.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { rowKey } from "../../../sync/mailbox/rows.ts";
import { type Want, Wanted } from "../../../sync/mailbox/wanted.ts";
import { prefixEnd } from "../../../sync/ports/store.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = mailboxId("m".repeat(22));
const want = (number: number, claim = number): Want => ({
	mailbox,
	entry: entryId(number.toString(36).padEnd(22, "A")),
	claim,
});
const keyOf = ({ entry }: Want): string => rowKey(mailbox, entry);

function keep(store: MemoryStore, wanted: Wanted): void {
	const batch = new Batch(store);
	wanted.keep(batch);
	store.commit(batch.writes());
	wanted.committed();
}
const lying = (store: MemoryStore) =>
	[...store.range("want/", prefixEnd("want/"))].map(([, claim]) => claim);
function loaded(
	store: MemoryStore,
	isSettled: (want: Want) => boolean = () => false,
): Wanted {
	const wanted = new Wanted();
	wanted.load(store, isSettled);
	return wanted;
}

describe("wants", () => {
	it("are kept, and go from the store when they are settled", () => {
		const store = new MemoryStore();
		const wanted = new Wanted();
		for (const number of [1, 2, 3]) wanted.set(want(number));
		expect(wanted.isKept).toBe(false);
		keep(store, wanted);
		expect(wanted.isKept).toBe(true);
		wanted.delete(keyOf(want(1)));
		wanted.set(want(2, 20));
		keep(store, wanted);
		expect(lying(store)).toEqual(["20", "3"]);
		expect([...loaded(store).values()]).toEqual([want(2, 20), want(3)]);
	});

	it("that came and were settled in between are never written", () => {
		const wanted = new Wanted();
		wanted.set(want(1));
		wanted.delete(keyOf(want(1)));
		expect(wanted.isKept).toBe(true);
	});

	it("that a batch did not keep are kept with the next", () => {
		const store = new MemoryStore();
		const wanted = new Wanted();
		wanted.set(want(1));
		wanted.keep(new Batch(store));
		wanted.rolledBack();
		wanted.committed();
		expect(wanted.isKept).toBe(false);
		keep(store, wanted);
		expect(lying(store)).toEqual(["1"]);
	});

	it("that changed in the batch that keeps them are written with the next", () => {
		const store = new MemoryStore();
		const wanted = new Wanted();
		wanted.set(want(1));
		const batch = new Batch(store);
		wanted.keep(batch);
		wanted.delete(keyOf(want(1)));
		store.commit(batch.writes());
		wanted.committed();
		expect(lying(store)).toEqual(["1"]);
		keep(store, wanted);
		expect(lying(store)).toEqual([]);
	});

	it("that were settled before this process began are taken away", () => {
		const store = new MemoryStore();
		const before = new Wanted();
		for (const number of [1, 2]) before.set(want(number));
		keep(store, before);
		const wanted = loaded(store, ({ claim }) => claim === 1);
		expect([...wanted.values()]).toEqual([want(2)]);
		keep(store, wanted);
		expect(lying(store)).toEqual(["2"]);
	});

	it("are bounded, and whoever asks for more is told so", () => {
		const wanted = new Wanted();
		let taken = 0;
		for (let i = 0; i < WANTS_MAX; i++) if (wanted.set(want(i))) taken++;
		expect(taken).toBe(WANTS_MAX);
		expect(wanted.set(want(WANTS_MAX))).toBe(false);
		expect(wanted.set(want(5, 50))).toBe(true);
		expect(wanted.size).toBe(WANTS_MAX);
	});
});
