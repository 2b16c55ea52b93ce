import { describe, expect, it } from "vitest";
import { segmentDocument } from "../../../sync/documents/shapes.ts";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
	type Origin,
	origin,
	type Sequence,
} from "../../../sync/ids.ts";
import {
	RECLAIM_GRACE_MILLISECONDS,
	TOMBSTONE_MILLISECONDS,
	TOMBSTONES_MIN,
} from "../../../sync/limits.ts";
import { Batch } from "../../../sync/log/batch.ts";
import type { KeyChange, Transaction } from "../../../sync/log/ledger.ts";
import { deadRanges } from "../../../sync/mailbox/dead.ts";
import { foldSegment } from "../../../sync/mailbox/fold.ts";
import { encodeFacts, rowKey } from "../../../sync/mailbox/rows.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { Bury } from "../../../sync/space/bury.ts";
import { emptySegments } from "../../../sync/space/segments.ts";
import type { Stable, Told } from "../../../sync/space/told.ts";
import { usesOf } from "../../../sync/space/uses.ts";

const A = origin("a".repeat(16));
const mailbox = deriveId<MailboxId>("mailbox");
const other = deriveId<MailboxId>("other");
const body = (block: number): BodyRef => ({
	hash: bodyHash(block.toString(16).padStart(64, "0")),
	sizeBytes: 100,
	drive: "d".repeat(64),
	blob: [block * 100, block, 1, 100],
});
const vector = (sequence: number) =>
	new Map<Origin, Sequence>([[A, sequence as Sequence]]);

function world() {
	const store = new MemoryStore();
	const clock = { now: 1_000_000 };
	const make = () =>
		new Bury({
			store,
			now: () => clock.now,
			live: () => 1,
			forget: (tx, at, entry) => {
				const row = tx.batch.object<{ u: number[] }>(rowKey(at, entry));
				tx.batch.change(rowKey(at, entry), undefined);
				return row?.u ?? [];
			},
		});
	const held = { bury: make() };
	let sequence = 0;
	const run = <T>(work: (tx: Transaction) => T): T => {
		const batch = new Batch(store);
		const result = work({
			batch,
			edit: () => {},
			editNew: () => {},
			editFolded: () => 1 as Sequence,
			isDamaged: () => false,
		});
		store.commit(batch.writes());
		return result;
	};
	/** One change of one key, folded as a node folds it. */
	const change = (
		key: string,
		values: KeyChange["values"],
		at = mailbox,
		segment = 0,
	): number =>
		run(({ batch }) => {
			const made: KeyChange = {
				document: segmentDocument(at, segment),
				key,
				origin: A,
				sequence: ++sequence as Sequence,
				values,
			};
			const folded = foldSegment(batch, made, ALL_RULES);
			if (folded !== undefined) held.bury.folded(batch, folded, made);
			return sequence;
		});
	const facts = (
		block: number,
		from: readonly [MailboxId, EntryId] | null = null,
	) =>
		encodeFacts({
			body: body(block),
			internalDateMilliseconds: 0,
			savedMilliseconds: 0,
			from,
		});
	const bury = (stable: Stable) => run((tx) => held.bury.bury(tx, stable));
	const forget = (stable: Stable) => run((tx) => held.bury.forget(tx, stable));
	return { store, clock, change, facts, bury, forget, held, make, run };
}

const knownTo = (sequence: number, away: readonly Told[] = []): Stable => ({
	all: vector(away.length > 0 ? 0 : sequence),
	present: vector(sequence),
	away,
});

describe("an expunged entry", () => {
	const entry = deriveId<EntryId>("entry");

	it("gives its body free when its time is over and all know it", () => {
		const { clock, change, facts, bury, store } = world();
		change(`e:${entry}`, [facts(7)]);
		const dead = change(`x:${entry}`, [true]);
		expect(usesOf(store, body(7))).toHaveLength(1);
		expect(bury(knownTo(dead)).places).toEqual([]);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		expect(bury(knownTo(dead - 1)).places).toEqual([]);
		expect(usesOf(store, body(7))).toHaveLength(1);
		expect(bury(knownTo(dead)).places).toHaveLength(1);
		expect(usesOf(store, body(7))).toEqual([]);
		expect(bury(knownTo(dead)).places).toEqual([]);
	});

	it("waits for one that is away too long only while that lacks the body and may name it", () => {
		const { clock, change, facts, bury } = world();
		const named = change(`e:${entry}`, [facts(7)]);
		const dead = change(`x:${entry}`, [true]);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		const lacks = { vector: vector(named), bodies: vector(named - 1) };
		expect(bury(knownTo(dead, [lacks])).places).toEqual([]);
		const both = [{ vector: vector(named), bodies: vector(named) }, lacks];
		expect(bury(knownTo(dead, both)).places).toEqual([]);
		const holds = { vector: vector(named), bodies: vector(named) };
		expect(bury(knownTo(dead, [holds])).places).toHaveLength(1);
	});

	it("does not wait for one that is away too long and never heard of it", () => {
		const { clock, change, facts, bury } = world();
		change(`e:${deriveId<EntryId>("earlier")}`, [facts(3)]);
		const named = change(`e:${entry}`, [facts(7)]);
		const dead = change(`x:${entry}`, [true]);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		const away = { vector: vector(named - 1), bodies: new Map() };
		expect(bury(knownTo(dead, [away])).places).toHaveLength(1);
	});

	it("gives free all bodies it ever named, also one that comes after its death", () => {
		const { clock, change, facts, bury, store } = world();
		change(`e:${entry}`, [facts(7)]);
		change(`e:${entry}`, [facts(7), facts(5)]);
		change(`e:${entry}`, [facts(9)]);
		const dead = change(`x:${entry}`, [true]);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		const blocks = bury(knownTo(dead)).places.map(({ blob }) => blob[1]);
		expect(blocks.sort()).toEqual([5, 7, 9]);
		const late = change(`e:${entry}`, [facts(11), facts(9)]);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		bury(knownTo(late));
		for (const block of [5, 7, 9, 11])
			expect(usesOf(store, body(block))).toEqual([]);
	});

	it("is forgotten in time, with its UIDs known as dead, and its segment with the last of it", () => {
		const { clock, change, facts, bury, forget, store, run } = world();
		for (const uid of [4, 5]) {
			const each = deriveId<EntryId>(`entry ${uid}`);
			change(`e:${each}`, [facts(uid)]);
			change(`u:${each}:${uid}`, [""]);
			change(`x:${each}`, [true]);
		}
		const later = change(`e:${entry}`, [facts(20)], mailbox, 1);
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		bury(knownTo(later));
		forget(knownTo(later));
		expect(deadRanges(store, mailbox)).toEqual([]);
		clock.now += TOMBSTONE_MILLISECONDS;
		const away = { vector: vector(later), bodies: vector(later) };
		forget(knownTo(later, [away]));
		expect(deadRanges(store, mailbox)).toEqual([]);
		forget(knownTo(later));
		expect(deadRanges(store, mailbox)).toEqual([[4, 5]]);
		expect([...store.range("ent/", "ent0")]).toHaveLength(1);
		const dropped = run(({ batch }) =>
			emptySegments(store, batch, mailbox, () => false),
		);
		expect(dropped).toEqual([segmentDocument(mailbox, 0)]);
		const again = run(({ batch }) =>
			emptySegments(store, batch, mailbox, () => false),
		);
		expect(again).toEqual([]);
	});

	it("is kept while what it was moved to lives, as its flags count there", () => {
		const { clock, change, facts, bury, forget, store } = world();
		const moved = deriveId<EntryId>("moved");
		change(`e:${entry}`, [facts(7)]);
		change(`e:${moved}`, [facts(7, [mailbox, entry])], other);
		let last = change(`x:${entry}`, [true]);
		const pass = () => {
			clock.now += RECLAIM_GRACE_MILLISECONDS + TOMBSTONE_MILLISECONDS;
			const { places } = bury(knownTo(last));
			forget(knownTo(last));
			return places.length;
		};
		expect(pass()).toBe(1);
		expect(usesOf(store, body(7)).map((use) => use.entry)).toEqual([moved]);
		expect([...store.range("ent/", "ent0")]).toHaveLength(2);
		last = change(`x:${moved}`, [true], other);
		pass();
		pass();
		expect([...store.range("ent/", "ent0")]).toHaveLength(0);
	});

	it("is forgotten before its time when there are more tombs than living; restarts lose none", () => {
		const { clock, change, facts, bury, forget, store, held, make } = world();
		let last = 0;
		for (let i = 0; i < TOMBSTONES_MIN + 50; i++) {
			const each = deriveId<EntryId>(`entry ${i}`);
			change(`e:${each}`, [facts(i + 1)]);
			last = change(`x:${each}`, [true]);
		}
		clock.now += RECLAIM_GRACE_MILLISECONDS;
		held.bury = make();
		while (bury(knownTo(last)).more);
		held.bury = make();
		while (forget(knownTo(last)));
		expect([...store.range("tomb/", "tomb0")]).toHaveLength(TOMBSTONES_MIN);
		expect([...store.range("ent/", "ent0")]).toHaveLength(TOMBSTONES_MIN);
	});
});
