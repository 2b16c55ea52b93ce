/** A new life of a node begins without what the one before knew about itself. */
import { expect, it } from "vitest";
import {
	foundingIdentity,
	lifeOf,
	saveIdentity,
} from "../../../sync/membership/identity.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { simRandom } from "../../../sync/sim/random.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { copiedMarks, DriveMarks } from "../../../sync/space/drive-marks.ts";

it("what was restored need not have the copies of drives that were there when it was copied", async () => {
	const store = new MemoryStore();
	const random = simRandom(1);
	const clock = new SimClock();
	const before = saveIdentity(store, foundingIdentity(random));
	const marks = new DriveMarks({
		store,
		bodies: { copiedLengths: async () => new Map([["drive", 60]]) },
		diary: undefined as never,
	});
	expect(marks.marks()).toEqual([]);
	await Promise.resolve();
	store.commit(marks.marks());
	expect(marks.marks()).toEqual([]);
	// A restart is no new life.
	expect(lifeOf(store, random, clock)).toEqual(before);
	expect(copiedMarks(store)).toEqual(new Map([["drive", 60]]));
	store.commit([["meta/restored", JSON.stringify({ copiedMilliseconds: 0 })]]);
	expect(lifeOf(store, random, clock)?.origin).not.toBe(before.origin);
	expect(copiedMarks(store)).toEqual(new Map());
});
