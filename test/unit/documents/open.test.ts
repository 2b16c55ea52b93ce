/** How much a document replays when it opens: a snapshot is due by what the changes since weigh, and waits for what waits. */
import { expect, it } from "vitest";
import {
	DamagedDocument,
	type Edit,
	FlatDocument,
} from "../../../sync/documents/flat.ts";
import {
	type ChangePlace,
	OpenDocuments,
} from "../../../sync/documents/open.ts";
import { segmentDocument } from "../../../sync/documents/shapes.ts";
import { type MailboxId, origin, type Sequence } from "../../../sync/ids.ts";
import {
	LARGE_CHANGE_BYTES,
	SNAPSHOT_CHANGE_BYTES,
	SNAPSHOT_EVERY_CHANGES,
} from "../../../sync/limits.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const me = origin("a".repeat(16));
const document = segmentDocument("mailbox" as MailboxId, 1);

function world() {
	const store = new MemoryStore();
	const log = new Map<
		string,
		{ change: Uint8Array; previous: ChangePlace | "" }
	>();
	let sequence = 0;
	const documents = new OpenDocuments(store, me, (at) => {
		const record = log.get(at);
		if (record === undefined) throw new Error(`${at} is not in the log`);
		return record;
	});
	/** Makes one change and commits it; returns whether a snapshot was written. */
	const change = (edits: readonly Edit[]) => {
		const made = documents.get(document).change(edits) as Uint8Array;
		const batch = new Batch(store);
		const at = `${me} ${++sequence}` as ChangePlace;
		const previous = documents.noteChange(
			batch,
			document,
			me,
			sequence as Sequence,
			made.length,
		);
		log.set(at, { change: made, previous });
		store.commit(batch.writes());
		const snapshots = documents.committed();
		store.commit(snapshots);
		return { isSnapshot: snapshots.length > 0, bytes: made.length };
	};
	return { store, documents, change };
}

const puts = (name: string, count: number): Edit[] =>
	Array.from({ length: count }, (_, i) => ({
		key: `e:${name}${i}`,
		set: "x".repeat(300),
		isNew: true,
	}));

it("large changes bring a snapshot sooner, once they are applied", () => {
	const { store, documents, change } = world();
	let weight = 0;
	for (let i = 0; weight < SNAPSHOT_EVERY_CHANGES; i++) {
		const { isSnapshot, bytes } = change(puts(`${i}-`, 200));
		expect(bytes).toBeGreaterThan(LARGE_CHANGE_BYTES);
		expect(isSnapshot).toBe(false);
		weight += Math.ceil(bytes / SNAPSHOT_CHANGE_BYTES);
	}
	// The last ones are not applied yet, and a commit does not wait for that.
	expect(documents.isUnsettled).toBe(true);
	expect(documents.takeDue()).toEqual([]);
	while (documents.isUnsettled) documents.settleSome();
	store.commit(documents.takeDue());
	expect(documents.takeDue()).toEqual([]);
	expect(documents.hasChanges(document)).toBe(false);
	const heads = documents.get(document).heads();
	documents.forget(document);
	expect(documents.get(document).heads()).toEqual(heads);
});

it("a document whose changes never rest gets its snapshot all the same", () => {
	const { change } = world();
	let snapshots = 0;
	for (let i = 0; i < 60; i++)
		snapshots += Number(change(puts(`${i}-`, 200)).isSnapshot);
	expect(snapshots).toBeGreaterThan(0);
	expect(snapshots).toBeLessThan(10);
});

it("what many were put into gets its snapshot when nothing else is to be done, and few are no reason", () => {
	const { store, documents, change } = world();
	change(puts("few", 60));
	while (documents.isUnsettled) documents.settleSome();
	expect(documents.takeDue()).toEqual([]);
	change(puts("many", 400));
	expect(documents.takeDue()).toEqual([]);
	while (documents.isUnsettled) documents.settleSome();
	store.commit(documents.takeDue());
	expect(documents.hasChanges(document)).toBe(false);
});

it("a snapshot that is cut short or empty is damaged", () => {
	const whole = FlatDocument.create(4, me);
	whole.change(puts("x", 40));
	const saved = whole.save();
	expect(FlatDocument.load(4, me, saved).heads()).toEqual(whole.heads());
	for (const length of [0, 5, saved.length >> 1, saved.length - 1])
		expect(() => FlatDocument.load(4, me, saved.subarray(0, length))).toThrow(
			DamagedDocument,
		);
});
