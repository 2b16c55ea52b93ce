/** Whether a body must be had: by the entry that named it just now, which may have died since, and by all others. */
import { expect, it } from "vitest";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
} from "../../../sync/ids.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { type EntryRow, rowKey } from "../../../sync/mailbox/rows.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { addUse, isWanted } from "../../../sync/space/uses.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const [one, other] = [deriveId<EntryId>("one"), deriveId<EntryId>("other")];
const body = (blocks: number): BodyRef => ({
	hash: bodyHash("0".repeat(64)),
	sizeBytes: blocks * 1_000,
	drive: "d".repeat(64),
	blob: [0, 3, blocks, blocks * 1_000],
});

/** Both entries name the body; of these one is dead. */
function named(at: BodyRef, dead: readonly EntryId[]): MemoryStore {
	const store = new MemoryStore();
	const batch = new Batch(store);
	for (const entry of [one, other]) {
		const row: EntryRow = { s: 0, u: [], g: {}, o: {}, n: 0, f: "facts" };
		if (dead.includes(entry)) row.x = true;
		batch.change(rowKey(mailbox, entry), row);
		addUse(batch, at, mailbox, entry, undefined);
	}
	store.commit(batch.writes());
	return store;
}

it.each([
	{ what: "both live", dead: [], wanted: true },
	{ what: "who named it died within the batch", dead: [one], wanted: true },
	{ what: "the other is dead", dead: [other], wanted: true },
	{ what: "nobody lives", dead: [one, other], wanted: false },
])("$what: wanted is $wanted, whoever is asked first", ({ dead, wanted }) => {
	const store = named(body(2), dead);
	for (const by of [undefined, [mailbox, one] as const])
		expect(isWanted(new Batch(store), store, body(2), by)).toBe(wanted);
});

it("nobody fetches a body that lies nowhere, as it is empty", () => {
	const store = named(body(0), []);
	expect(isWanted(new Batch(store), store, body(0), [mailbox, one])).toBe(
		false,
	);
});
