import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
	nodeId,
} from "../../../sync/ids.ts";
import { Batch } from "../../../sync/log/batch.ts";
import type { BodyRef } from "../../../sync/ports/bodies.ts";
import { SimBodiesWorld } from "../../../sync/sim/bodies.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { simRandom } from "../../../sync/sim/random.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { overlap, Sweep } from "../../../sync/space/sweep.ts";
import {
	addUse,
	dropUses,
	placesOf,
	usesOf,
} from "../../../sync/space/uses.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const entry = (name: string): EntryId => deriveId<EntryId>(name);

async function world() {
	const clock = new SimClock();
	const bodies = new SimBodiesWorld({
		clock,
		random: simRandom(1),
		connected: () => true,
	}).open(nodeId("a".repeat(44)), { name: "a", lengthBlocksAtLeast: 0 });
	const store = new MemoryStore();
	const put = async (sizeBytes: number, seed: number): Promise<BodyRef> => {
		const writer = bodies.create();
		await writer.write(new Uint8Array(sizeBytes).fill(seed));
		const committing = writer.commit();
		await clock.advance(10);
		return committing;
	};
	const commit = (work: (batch: Batch) => void): void => {
		const batch = new Batch(store);
		work(batch);
		store.commit(batch.writes());
	};
	return { bodies, store, put, commit, sweep: new Sweep(store, bodies) };
}

describe("sweep", () => {
	it("clears what two looks found unnamed, and keeps what an entry names, small and large, side by side", async () => {
		const { bodies, put, commit, sweep } = await world();
		const references: BodyRef[] = [];
		for (let i = 0; i < 12; i++)
			references.push(await put(i % 3 === 0 ? 200_000 : 4_000, i));
		const named = references.filter((_, i) => i % 2 === 0);
		commit((batch) => {
			for (const [i, body] of named.entries())
				addUse(batch, body, mailbox, entry(`e${i}`), undefined);
		});
		const usedBytes = named.reduce((sum, body) => sum + body.sizeBytes, 0);
		expect(await sweep.drive(bodies.drive)).toBe(usedBytes);
		for (const body of references) expect(await bodies.has(body)).toBe(true);
		// Named between the two looks: its client was slow.
		const late = references[3] as BodyRef;
		commit((batch) => addUse(batch, late, mailbox, entry("late"), undefined));
		await sweep.drive(bodies.drive);
		for (const [i, body] of references.entries()) {
			const stays = i % 2 === 0 || i === 3;
			expect(await bodies.has(body)).toBe(stays);
			expect(sweep.mayName(body)).toBe(stays);
		}
		expect(sweep.mayName({ ...late, drive: "f".repeat(64) })).toBe(true);
	});

	it("finds what a crash between the commit and the clearing left", async () => {
		const { bodies, store, put, commit, sweep } = await world();
		const body = await put(70_000, 1);
		commit((batch) => {
			addUse(batch, body, mailbox, entry("one"), undefined);
			addUse(batch, body, mailbox, entry("copy"), undefined);
		});
		await sweep.drive(bodies.drive);
		commit((batch) => dropUses(batch, [body], mailbox, entry("one")));
		for (let i = 0; i < 3; i++) await sweep.drive(bodies.drive);
		expect(usesOf(store, body)).toHaveLength(1);
		expect(await bodies.has(body)).toBe(true);
		commit((batch) => dropUses(batch, [body], mailbox, entry("copy")));
		for (let i = 0; i < 2; i++) await sweep.drive(bodies.drive);
		expect(await bodies.has(body)).toBe(false);
	});

	it("an empty body lies nowhere, though its reference points to the next one", async () => {
		const { bodies, store, put, commit } = await world();
		const empty = await put(0, 0);
		const next = await put(10, 1);
		expect(empty.blob[1]).toBe(next.blob[1]);
		expect(empty.hash).toBe(bodyHash(createHash("sha256").digest("hex")));
		commit((batch) => {
			addUse(batch, empty, mailbox, entry("empty"), undefined);
			addUse(batch, next, mailbox, entry("next"), undefined);
			expect(placesOf(batch, mailbox, entry("empty"), undefined)).toEqual([]);
		});
		expect(usesOf(store, next).map((use) => use.entry)).toEqual([
			entry("next"),
		]);
		expect(bodies.drive).toHaveLength(64);
	});

	it("overlaps ranges", () => {
		const range = (start: number, end: number) => ({ start, end });
		expect(
			overlap(
				[range(0, 4), range(6, 9), range(20, 30)],
				[range(2, 7), range(8, 25)],
			),
		).toEqual([range(2, 4), range(6, 7), range(8, 9), range(20, 25)]);
		expect(overlap([], [range(1, 2)])).toEqual([]);
	});
});
