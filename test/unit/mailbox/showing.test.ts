/** What is done to a message that waits for another UID is shown under the one that it has (rules 6 and 7). */
import { beforeEach, describe, expect, it } from "vitest";
import type {
	BodyHash,
	EntryId,
	MailboxId,
	Origin,
	Uid,
} from "../../../sync/ids.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { Pending } from "../../../sync/mailbox/pending.ts";
import {
	type EntryRow,
	encodeFacts,
	ownFlagOperation,
	ownOperation,
	rowKey,
} from "../../../sync/mailbox/rows.ts";
import { Showing } from "../../../sync/mailbox/showing.ts";
import { ALL_SLOTS } from "../../../sync/mailbox/slots.ts";
import { Stamps } from "../../../sync/mailbox/stamps.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = "m".repeat(22) as MailboxId;
const own = "a".repeat(16) as Origin;
const [first, second] = ["1", "2"].map((one) => one.repeat(22)) as [
	EntryId,
	EntryId,
];
const facts = encodeFacts({
	body: {
		hash: "b".repeat(64) as BodyHash,
		sizeBytes: 10,
		drive: "d".repeat(64),
		blob: [0, 1, 0, 10],
	},
	internalDateMilliseconds: 1,
	savedMilliseconds: 1,
	from: null,
});

let store: MemoryStore;
let showing: Showing;
/** Own operations up to here have their second copy. */
let copied: number;

beforeEach(() => {
	store = new MemoryStore();
	copied = 10;
	showing = new Showing({
		stamps: new Stamps(store, new SimClock(), () => ALL_SLOTS, ALL_RULES),
		pending: new Pending(store),
		rules: ALL_RULES,
		ownOf: (row) => ownOperation(row, own),
		ownFlagsOf: (row) => ownFlagOperation(row, own),
		isCopied: (operation) => operation <= copied,
	});
});

/** A new message under UID 10 that waits for its second copy. */
const fresh = (): EntryRow => ({
	s: 0,
	f: facts,
	u: [10],
	g: {},
	o: { [own]: 20 },
	n: 2,
});
/** A message under UID 3 that got 12, and then a flag. */
const flagged = (flags: number, claim = 0): EntryRow => ({
	s: 0,
	f: facts,
	u: [3, 12],
	g: { $one: "$one" },
	o: { [own]: claim },
	q: { [own]: flags },
	n: 4,
	v: { u: 3 as Uid, m: 1024 as never, a: 1024 as never, g: [], n: 2 },
});

/** What views are told, and the UIDs and flags under which both are shown then. */
function show(rows: Record<EntryId, EntryRow>) {
	const batch = new Batch(store);
	for (const [entry, row] of Object.entries(rows))
		batch.change(rowKey(mailbox, entry as EntryId), row);
	const all = Object.entries(rows) as [EntryId, EntryRow][];
	const waiting = showing.show(batch, mailbox, all);
	const changes = showing.take().flatMap(([, staged]) => staged.changes);
	store.commit(batch.writes());
	return { waiting: [...waiting.keys()], kinds: changes.map((c) => c.kind) };
}

describe("a flag of a message whose new UID waits", () => {
	it("behind another's is shown under the old UID", () => {
		const row = flagged(5);
		expect(show({ [first]: fresh(), [second]: row })).toEqual({
			waiting: [first, second],
			kinds: ["changed"],
		});
		expect(row.v).toMatchObject({ u: 3, g: ["$one"] });
		expect(row.v?.m).toBeGreaterThan(1024);
	});

	it("for its own second copy is shown under the old UID", () => {
		const row = flagged(5, 20);
		expect(show({ [second]: row }).kinds).toEqual(["changed"]);
		expect(row.v).toMatchObject({ u: 3, g: ["$one"] });
	});

	it("is not shown before it has its own second copy", () => {
		const row = flagged(20);
		expect(show({ [first]: fresh(), [second]: row }).kinds).toEqual([]);
		expect(row.v).toMatchObject({ u: 3, g: [] });
	});

	it("is told once, and the new UID when all may be shown", () => {
		const row = flagged(5);
		const rows = { [first]: fresh(), [second]: row };
		show(rows);
		const stamp = row.v?.m;
		expect(show(rows).kinds).toEqual([]);
		expect(row.v?.m).toBe(stamp);
		copied = 20;
		expect(show(rows).kinds).toEqual(["appeared", "appeared"]);
		expect(row.v).toMatchObject({ u: 12, g: ["$one"] });
	});
});
