/** An entry folded in one step, and its first claim, are what they are when each change is folded by itself. */
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
import {
	keyChangeOf,
	type NewId,
	type NewKey,
} from "../../../sync/log/transaction.ts";
import {
	type Folded,
	foldFirstClaim,
	foldNewEntry,
	foldSegment,
} from "../../../sync/mailbox/fold.ts";
import { bodyTag, encodeFacts, getRow } from "../../../sync/mailbox/rows.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const other = deriveId<MailboxId>("other");
const entry = deriveId<EntryId>("entry");
const source = deriveId<EntryId>("source");
const own = origin("a".repeat(16));

const factsText = (from: readonly [MailboxId, EntryId] | null): string =>
	encodeFacts({
		body: {
			hash: bodyHash("7".repeat(64)),
			sizeBytes: 100,
			drive: "d".repeat(64),
			blob: [100, 1, 1, 100],
		},
		internalDateMilliseconds: 1_000,
		savedMilliseconds: 2_000,
		from,
	});

const newId = (
	id: EntryId,
	facts: string,
	flags: readonly string[],
	place: { mailbox: MailboxId; segment: number; sequence: number },
): NewId => ({
	document: segmentDocument(place.mailbox, place.segment),
	id,
	origin: own,
	sequence: place.sequence as Sequence,
	edits: [
		{ key: keys.facts(id), set: facts, isNew: true },
		...flags.map(
			(flag): NewKey => ({ key: keys.flag(id, flag), add: flag, isNew: true }),
		),
	],
});

const oneByOne = (batch: Batch, change: NewId): Folded[] =>
	change.edits.flatMap(
		(edit) => foldSegment(batch, keyChangeOf(change, edit), ALL_RULES) ?? [],
	);

/** What the batch would write, whatever the order of keys. */
const written = (batch: Batch) =>
	new Map(
		batch.writes().map(([key, value]) => [key, JSON.parse(value as string)]),
	);

function both(prepare: (batch: Batch) => void, change: NewId) {
	const whole = new Batch(new MemoryStore());
	const parts = new Batch(new MemoryStore());
	for (const batch of [whole, parts]) prepare(batch);
	return {
		whole,
		parts,
		folded: foldNewEntry(whole, change, ALL_RULES),
		folds: oneByOne(parts, change),
	};
}

describe("an entry that comes with all that is said of it first", () => {
	const at = { mailbox, segment: 3, sequence: 9 };

	it.each([
		["without flags", [] as string[]],
		["with flags", ["\\Seen", "Work", "work", "$Junk"]],
	])(
		"%s becomes the same in one step, and so does its first claim",
		(_, flags) => {
			const facts = factsText(null);
			const { whole, parts, folded, folds } = both(
				() => {},
				newId(entry, facts, flags, at),
			);
			expect(written(whole)).toEqual(written(parts));
			expect(folded?.livesMore).toBe(1);
			expect(folded?.facts).toEqual(folds[0]?.facts);
			expect(folded?.segments).toEqual(folds[0]?.segments);
			expect(folded?.changed).toEqual(folds[0]?.changed);
			const change = { origin: own, sequence: 11 as Sequence };
			const row = getRow(whole, mailbox, entry);
			if (row === undefined) throw new Error("no row");
			foldFirstClaim(whole, mailbox, entry, row, 5, change);
			foldSegment(
				parts,
				{
					...change,
					document: segmentDocument(mailbox, 3),
					key: keys.claim(entry, 5),
					values: [bodyTag(facts)],
				},
				ALL_RULES,
			);
			expect(written(whole)).toEqual(written(parts));
			expect(row.u).toEqual([5]);
		},
	);

	it("has the flags of what it was moved from, which learns of it (rule 17)", () => {
		const before = newId(source, factsText(null), ["\\Flagged"], {
			mailbox: other,
			segment: 0,
			sequence: 4,
		});
		const { whole, parts } = both(
			(batch) => oneByOne(batch, before),
			newId(entry, factsText([other, source]), [], at),
		);
		expect(written(whole)).toEqual(written(parts));
		expect(getRow(whole, mailbox, entry)?.l).toEqual({
			"\\flagged": "\\Flagged",
		});
		expect(getRow(whole, other, source)?.to).toEqual([[mailbox, entry]]);
	});

	it("is not taken for new where something is known of it", () => {
		const claim = {
			document: segmentDocument(mailbox, 3),
			key: keys.claim(entry, 5),
			origin: own,
			sequence: 1 as Sequence,
			values: ["0".repeat(16)],
		};
		const { whole, folded } = both(
			(batch) => foldSegment(batch, claim, ALL_RULES),
			newId(entry, factsText(null), [], at),
		);
		expect(folded).toBeUndefined();
		expect(getRow(whole, mailbox, entry)?.f).toBeUndefined();
	});

	it("is not taken apart in one step where there is more than facts and flags", () => {
		const change = newId(entry, factsText(null), ["\\Seen"], at);
		const more: NewKey = { key: keys.expunged(entry), set: true, isNew: true };
		const { folded } = both(() => {}, {
			...change,
			edits: [...change.edits, more],
		});
		expect(folded).toBeUndefined();
	});
});
