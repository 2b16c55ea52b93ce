import { describe, expect, it } from "vitest";
import {
	type NodeId,
	nodeId,
	type Origin,
	origin,
	type Sequence,
} from "../../../sync/ids.ts";
import type { Vector } from "../../../sync/log/record.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";
import { holds, type Told, ToldByMembers } from "../../../sync/space/told.ts";

const A = origin("a".repeat(16));
const B = origin("b".repeat(16));
const C = origin("c".repeat(16));
const b = nodeId("b".repeat(44));
const c = nodeId("c".repeat(44));

const vector = (of: Record<Origin, number>): Vector =>
	new Map(Object.entries(of) as [Origin, Sequence][]);
const told = (of: Record<Origin, number>): Told => ({
	vector: vector(of),
	bodies: new Map(),
});
const member = (node: NodeId) => ({ node, joinedMilliseconds: 0 });
const NEVER = () => false;

describe("what members told", () => {
	it("is stable when every member has it, and this node", () => {
		const all = new ToldByMembers(new MemoryStore());
		all.hello(b, told({ [A]: 5, [B]: 7 }), 0);
		all.hello(c, told({ [A]: 4, [B]: 6, [C]: 9 }), 0);
		const own = vector({ [A]: 8, [B]: 7, [C]: 9 });
		const stable = all.stable(own, [member(b), member(c)], NEVER);
		expect(stable.all).toEqual(vector({ [A]: 4, [B]: 6 }));
		expect(holds(stable.all, { [A]: 4 })).toBe(true);
		expect(holds(stable.all, { [A]: 5 })).toBe(false);
		expect(holds(stable.all, { [C]: 1 })).toBe(false);
		// Of whom nothing was heard holds nothing.
		const d = nodeId("d".repeat(44));
		expect(all.stable(own, [member(b), member(d)], NEVER).all.size).toBe(0);
	});

	it("counts only once this node has what the member had: a copy it made, a joiner it admitted", () => {
		const all = new ToldByMembers(new MemoryStore());
		all.hello(b, told({ [A]: 5, [B]: 1 }), 0);
		all.heard(b, told({ [A]: 6, [B]: 2 }), 0);
		const stable = (own: Record<Origin, number>) =>
			all.stable(vector(own), [member(b)], NEVER).all;
		expect(stable({ [A]: 6 })).toEqual(vector({}));
		expect(stable({ [A]: 6, [B]: 1 }).get(A)).toBe(5);
		// Busy: each time it tells more than is here yet, and still it moves on.
		all.heard(b, told({ [A]: 6, [B]: 3 }), 0);
		expect(stable({ [A]: 6, [B]: 2 }).get(A)).toBe(6);
		all.heard(b, told({ [A]: 7, [B]: 4 }), 0);
		expect(stable({ [A]: 7, [B]: 3 }).get(A)).toBe(6);
		expect(stable({ [A]: 7, [B]: 4 }).get(A)).toBe(7);
	});

	it("is void when a member comes back with less", () => {
		const all = new ToldByMembers(new MemoryStore());
		const own = vector({ [A]: 9 });
		all.hello(b, told({ [A]: 9 }), 0);
		expect(all.stable(own, [member(b)], NEVER).all.get(A)).toBe(9);
		all.hello(b, told({ [A]: 3 }), 0);
		expect(all.stable(own, [member(b)], NEVER).all.get(A)).toBe(3);
	});

	it("outlives a restart, with when it was told; members that are away too long are not waited for", () => {
		const store = new MemoryStore();
		const own = vector({ [A]: 9 });
		const first = new ToldByMembers(store);
		first.hello(b, told({ [A]: 9 }), 5_000);
		first.hello(c, told({ [A]: 2 }), 1_000);
		first.stable(own, [], NEVER);
		store.commit(first.marks([member(b), member(c)]));
		expect(first.marks([member(b), member(c)])).toEqual([]);
		const again = new ToldByMembers(store);
		expect(again.isSettled(b, own)).toBe(false);
		const stable = again.stable(
			own,
			[member(b), member(c)],
			(heard) => heard < 4_000,
		);
		expect(stable.present.get(A)).toBe(9);
		expect(stable.all.get(A)).toBe(2);
		expect(stable.away).toEqual([told({ [A]: 2 })]);
	});
});
