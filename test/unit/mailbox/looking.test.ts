import { expect, test } from "vitest";
import {
	deriveId,
	type EntryId,
	type MailboxId,
	type ModSeq,
	type Uid,
} from "../../../sync/ids.ts";
import { Looking } from "../../../sync/mailbox/looking.ts";
import { newBox } from "../../../sync/mailbox/rows.ts";
import { FactsCell } from "../../../sync/mailbox/shown.ts";
import type { ViewChange } from "../../../sync/mailbox/view.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = deriveId<MailboxId>("mailbox", "inbox");
const [one, two, three] = ["one", "two", "three"].map((name) =>
	deriveId<EntryId>("entry", name),
) as [EntryId, EntryId, EntryId];

const appeared = (entry: EntryId, uid: number): ViewChange => ({
	kind: "appeared",
	row: {
		entry,
		uid: uid as Uid,
		modSeq: uid as ModSeq,
		flags: [],
		facts: new FactsCell("[]"),
		operations: {},
		claims: [uid],
	},
	replaced: undefined,
});

test("who waits for several entries is told of each when it is shown, until they wait no more", () => {
	const looking = new Looking(new MemoryStore(), () => {});
	const told: string[] = [];
	const watch = (name: string, entries: EntryId[]) =>
		looking.watch(entries, (entry, uid) => {
			told.push(`${name} ${entry === one ? 1 : entry === two ? 2 : 3} ${uid}`);
		});
	const show = (...changes: ViewChange[]) =>
		looking.take(mailbox, { changes, box: newBox() });
	const stop = watch("a", [one, two, three]);
	watch("b", [two]);
	show(appeared(one, 4));
	expect(told.splice(0)).toEqual(["a 1 4"]);
	show(appeared(two, 5));
	expect(told.splice(0)).toEqual(["a 2 5", "b 2 5"]);
	stop();
	stop();
	show(appeared(two, 6), appeared(three, 7));
	expect(told).toEqual(["b 2 6"]);
});
