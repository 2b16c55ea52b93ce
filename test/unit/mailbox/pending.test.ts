/** What waits to be shown, beside a model of it: through commits, batches that come to nothing, and starts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { deriveId, type EntryId, type MailboxId } from "../../../sync/ids.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { Pending } from "../../../sync/mailbox/pending.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailboxes = ["a", "b"].map((name) => deriveId<MailboxId>(name));
const entries = [1, 2, 3, 4].map((n) => deriveId<EntryId>(`${n}`));

const step = fc.record({
	what: fc.constantFrom("add", "add", "remove", "remove late"),
	mailbox: fc.constantFrom(...mailboxes),
	entry: fc.constantFrom(...entries),
});
const batches = fc.array(
	fc.record({
		steps: fc.array(step, { maxLength: 8 }),
		ends: fc.constantFrom("committed", "committed", "rolled back"),
		startsAnew: fc.boolean(),
	}),
	{ maxLength: 8 },
);

const placesOf = (pending: Pending): string[] =>
	mailboxes.flatMap((mailbox) =>
		pending.of(mailbox).map((entry) => `${mailbox}/${entry}`),
	);

test("in the order in which it came, as of what was committed, also after a start", () =>
	fc.assert(
		fc.property(batches, (all) => {
			const store = new MemoryStore();
			let pending = new Pending(store);
			pending.load();
			let committed = new Set<string>();
			for (const { steps, ends, startsAnew } of all) {
				const batch = new Batch(store);
				const model = new Set(committed);
				const run = (isLate: boolean) => {
					for (const { what, mailbox, entry } of steps) {
						if ((what === "remove late") !== isLate) continue;
						if (what === "add") {
							pending.add(mailbox, entry);
							model.add(`${mailbox}/${entry}`);
						} else {
							pending.remove(batch, mailbox, entry);
							model.delete(`${mailbox}/${entry}`);
						}
					}
				};
				run(false);
				pending.settle(batch);
				// Also what is written already may be shown in the end.
				run(true);
				if (ends === "committed") {
					store.commit(batch.writes());
					pending.committed();
					committed = model;
				} else pending.rolledBack();
				if (startsAnew) {
					pending = new Pending(store);
					pending.load();
				}
				const expected = mailboxes.flatMap((mailbox) =>
					[...committed].filter((place) => place.startsWith(mailbox)),
				);
				expect(placesOf(pending)).toEqual(expected);
			}
		}),
		{ numRuns: 1_000 },
	));
