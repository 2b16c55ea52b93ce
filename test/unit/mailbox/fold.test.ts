/** What changes of a mailbox become, in whatever order they come. */
import { describe, expect, it } from "vitest";
import { keys, segmentDocument } from "../../../sync/documents/shapes.ts";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
	origin,
	type Sequence,
} from "../../../sync/ids.ts";
import { Batch } from "../../../sync/log/batch.ts";
import type { KeyChange } from "../../../sync/log/ledger.ts";
import { foldSegment } from "../../../sync/mailbox/fold.ts";
import {
	bodyTag,
	type EntryRow,
	encodeFacts,
	factsSegment,
	getRow,
	uidOf,
} from "../../../sync/mailbox/rows.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const entry = deriveId<EntryId>("entry");

const factsOf = (digit: string, block = 1): string =>
	encodeFacts({
		body: {
			hash: bodyHash(digit.repeat(64)),
			sizeBytes: 100,
			drive: "d".repeat(64),
			blob: [block * 100, block, 1, 100],
		},
		internalDateMilliseconds: 1_000,
		savedMilliseconds: 1_000,
		from: null,
	});

function changeBy(
	by: string,
	sequence: number,
	segment: number,
	key: string,
	value: string,
): KeyChange {
	return {
		document: segmentDocument(mailbox, segment),
		key,
		origin: origin(by.repeat(16)),
		sequence: sequence as Sequence,
		values: [value],
	};
}

function folded(changes: readonly KeyChange[]): EntryRow {
	const batch = new Batch(new MemoryStore());
	for (const change of changes) foldSegment(batch, change, ALL_RULES);
	return getRow(batch, mailbox, entry) as EntryRow;
}

/** What all nodes must agree on. */
const shared = (row: EntryRow) => ({
	facts: row.f,
	factsSegment: factsSegment(row),
	uid: uidOf(row),
	claims: [...row.u].sort((a, b) => a - b),
	tags: row.t,
});

describe.each([
	["the smaller facts lie lower", "2", "3"],
	["the smaller facts lie higher", "3", "2"],
])(
	"a delivery tried on two nodes that put it into two segments: %s",
	(_, low, high) => {
		const here = [
			changeBy("a", 1, 0, keys.facts(entry), factsOf(low)),
			changeBy("a", 2, 0, keys.claim(entry, 7), bodyTag(factsOf(low))),
		];
		const there = [
			changeBy("b", 1, 1, keys.facts(entry), factsOf(high)),
			changeBy("b", 2, 1, keys.claim(entry, 9), bodyTag(factsOf(high))),
		];

		it("is the same message under the same UID, whichever came first", () => {
			const one = shared(folded([...here, ...there]));
			expect(one).toEqual({
				facts: factsOf(low),
				factsSegment: 0,
				uid: 7,
				claims: [7, 9],
				tags: { 9: bodyTag(factsOf(high)) },
			});
			expect(shared(folded([...there, ...here]))).toEqual(one);
		});

		it("follows its body to another place where its facts count, and only there", () => {
			const moved = changeBy("a", 3, 0, keys.facts(entry), factsOf(low, 5));
			const other = changeBy("b", 3, 1, keys.facts(entry), factsOf(high, 5));
			for (const row of [
				folded([...here, ...there, moved, other]),
				folded([...there, other, ...here, moved]),
			])
				expect(shared(row)).toMatchObject({ facts: factsOf(low, 5), uid: 7 });
		});
	},
);
