import fc from "fast-check";
import { expect, test } from "vitest";
import { Batch } from "../../../sync/log/batch.ts";
import { Recent } from "../../../sync/log/recent.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

interface Row {
	n: number;
	list: number[];
}

const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
const step = fc.record({
	key,
	what: fc.constantFrom("change", "look", "remove", "put", "expect"),
});
const batches = fc.array(
	fc.record({
		steps: fc.array(step, { maxLength: 8 }),
		fails: fc.boolean(),
		keeps: fc.boolean(),
	}),
	{ maxLength: 12 },
);
type Batches = typeof batches extends fc.Arbitrary<infer T> ? T : never;

/** What is in the store in the end, and all that was seen on the way. */
function run(all: Batches, recent: Recent | undefined) {
	const store = new MemoryStore();
	const seen: unknown[] = [];
	for (const { steps, fails, keeps } of all) {
		const batch = new Batch(store, recent);
		for (const [i, { key: at, what }] of steps.entries()) {
			if (what === "expect") batch.expect(["a", "b", "c", "d", "e", "f"]);
			if (what === "put" && !batch.holds(at))
				batch.put(at, JSON.stringify({ n: -i, list: [] }));
			if (what === "remove") batch.change(at, undefined);
			if (what !== "change" && what !== "look") continue;
			const row = batch.object<Row>(at);
			seen.push(JSON.stringify(row));
			if (what === "look") continue;
			const changed = row ?? { n: 0, list: [] };
			changed.n++;
			changed.list.push(i);
			batch.change(at, changed);
		}
		if (fails) recent?.clear();
		else {
			store.commit(batch.writes());
			batch.committed(keeps);
		}
	}
	return { seen, kept: [...store.range("", "~")] };
}

test("a batch sees what lies in the store, whatever is kept of the batches before it", () => {
	fc.assert(
		fc.property(batches, (all) => {
			expect(run(all, new Recent())).toEqual(run(all, undefined));
		}),
		{ numRuns: 500 },
	);
});

test("what one batch wrote the next one need not take apart", () => {
	const store = new MemoryStore();
	const recent = new Recent();
	const first = new Batch(store, recent);
	const row = { n: 1, list: [] };
	first.change("a", row);
	store.commit(first.writes());
	first.committed(true);
	expect(new Batch(store, recent).object("a")).toBe(row);
	// It was taken, and may be changed by who has it.
	expect(new Batch(store, recent).object("a")).not.toBe(row);
});
