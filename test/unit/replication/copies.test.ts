import { describe, expect, it } from "vitest";
import {
	type NodeId,
	nodeId,
	type Origin,
	origin,
	type Sequence,
} from "../../../sync/ids.ts";
import {
	COPIES_BEHIND_MILLISECONDS_MAX,
	COPIES_MILLISECONDS_MAX,
} from "../../../sync/limits.ts";
import { Copies } from "../../../sync/replication/copies.ts";
import type { Holds } from "../../../sync/replication/frames.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const SELF = origin("5".repeat(16));
const named = (name: string): NodeId => nodeId(name.repeat(44));
const [near, next, far, away] = ["b", "c", "d", "e"].map(named) as [
	NodeId,
	NodeId,
	NodeId,
	NodeId,
];

function world() {
	const clock = new SimClock();
	const sites = new Map<NodeId, string>([
		[near, "one"],
		[next, "one"],
		[far, "two"],
		[away, "three"],
	]);
	const up = new Set<NodeId>([near, next, far]);
	const behind = new Set<NodeId>();
	const copies = new Copies(SELF, clock, new MemoryStore(), {
		up: () => [...up],
		ready: () => [...up].filter((node) => !behind.has(node)),
		site: (node) => sites.get(node),
		ownSite: () => "one",
	});
	const waiting = (members: number, withBodies = true, waited = 0) => {
		const state = { outcome: "waits" };
		copies.wait(1, members, withBodies, waited).then(
			() => {
				state.outcome = "done";
			},
			() => {
				state.outcome = "refused";
			},
		);
		return async (passMilliseconds = 0) => {
			await clock.advance(passMilliseconds);
			return state.outcome;
		};
	};
	const heard = (node: NodeId, changes = 1, bodies = changes) => {
		const vector = (sequence: number) =>
			new Map<Origin, Sequence>(
				sequence > 0 ? [[SELF, sequence as Sequence]] : [],
			);
		const holds: Holds = {
			vector: vector(changes),
			bodies: vector(bodies),
			extra: [],
			missingBodies: 0,
			pace: 0,
			counter: 0,
		};
		copies.heard(node, holds);
	};
	return { clock, sites, up, behind, copies, waiting, heard };
}

describe("copies", () => {
	it("two: one of them at another site, while there is one", async () => {
		const { waiting, heard } = world();
		const state = waiting(2);
		heard(near);
		heard(next);
		expect(await state()).toBe("waits");
		heard(far, 1, 0);
		expect(await state()).toBe("waits");
		heard(far);
		expect(await state()).toBe("done");
	});

	it("who was waited for already while it catches up is not waited for as long again", async () => {
		const { behind, waiting } = world();
		for (const node of [near, next, far]) behind.add(node);
		const half = COPIES_BEHIND_MILLISECONDS_MAX / 2;
		const state = waiting(2, true, half);
		expect(await state(half - 1)).toBe("waits");
		expect(await state(1)).toBe("done");
		const over = waiting(2, true, COPIES_BEHIND_MILLISECONDS_MAX);
		expect(await over()).toBe("done");
		behind.delete(near);
		const ready = waiting(2, true, COPIES_BEHIND_MILLISECONDS_MAX);
		expect(await ready()).toBe("waits");
		expect(await ready(COPIES_MILLISECONDS_MAX)).toBe("refused");
	});

	it("of several changes, the last of which names no body: each must be held with its own", async () => {
		const { up, copies } = world();
		for (const node of [next, far]) up.delete(node);
		const made = { first: 1, last: 2 };
		let isDone = false;
		void copies.waitForBodies(made, 2).then(() => {
			isDone = true;
		});
		const tell = async (extra: readonly number[]) => {
			const numbers = (sequence: number) =>
				new Map<Origin, Sequence>([[SELF, sequence as Sequence]]);
			copies.heard(near, {
				vector: numbers(2),
				bodies: numbers(0),
				extra: extra as readonly Sequence[],
				missingBodies: 1,
				counter: 0,
				pace: 0,
			} as Holds);
			await Promise.resolve();
			return [isDone, copies.countBodies(made)];
		};
		expect(await tell([2])).toEqual([false, 1]);
		expect(await tell([1, 2])).toEqual([true, 2]);
	});

	it("two: at the own site where no other one is up", async () => {
		const { up, copies, waiting, heard } = world();
		const state = waiting(2);
		heard(near);
		expect(await state()).toBe("waits");
		up.delete(far);
		copies.evaluate();
		expect(await state()).toBe("done");
	});

	it("three: over three sites where there are so many, else over two", async () => {
		const { up, waiting, heard } = world();
		const two = waiting(3);
		heard(near);
		heard(next);
		expect(await two()).toBe("waits");
		heard(far);
		expect(await two()).toBe("done");
		up.add(away);
		const three = waiting(3);
		expect(await three()).toBe("waits");
		heard(away);
		expect(await three()).toBe("done");
	});

	it("one, or a second copy for clients: nobody waits for a site", async () => {
		const { waiting, heard } = world();
		expect(await waiting(1)()).toBe("done");
		const second = waiting(2, false);
		expect(await second()).toBe("waits");
		heard(near, 1, 0);
		expect(await second()).toBe("done");
	});

	it("a site whose only member catches up is waited for only a while", async () => {
		const { behind, waiting, heard } = world();
		behind.add(far);
		const state = waiting(2);
		heard(near);
		expect(await state(COPIES_BEHIND_MILLISECONDS_MAX - 1_000)).toBe("waits");
		expect(await state(2_000)).toBe("done");
	});

	it("a site that is up and does not answer is refused, not passed over", async () => {
		const { waiting, heard } = world();
		const state = waiting(2);
		heard(near);
		expect(await state(COPIES_MILLISECONDS_MAX - 1_000)).toBe("waits");
		expect(await state(2_000)).toBe("refused");
	});

	it("a member that was removed is no copy", async () => {
		const { sites, up, copies, heard } = world();
		heard(near);
		heard(far);
		expect(copies.count(1, true)).toBe(3);
		sites.delete(far);
		up.delete(far);
		expect(copies.count(1, true)).toBe(2);
	});
});
