/** What members refuse: who is told, who passes it on, and when it is over. */
import { describe, expect, it } from "vitest";
import type { NodeId, Origin, Sequence } from "../../../sync/ids.ts";
import type { Log } from "../../../sync/ports/log.ts";
import type { PeerFacts } from "../../../sync/replication/facts.ts";
import type { RefusesFrame } from "../../../sync/replication/passed-on.ts";
import { Refusals } from "../../../sync/replication/refusals.ts";
import type { Session } from "../../../sync/replication/session.ts";

const OWN = "aaaaaaaaaaaaaaaa" as Origin;
const THEIRS = "bbbbbbbbbbbbbbbb" as Origin;
const at = (last: number, origin = OWN) =>
	new Map([[origin, last as Sequence]]);
const frame = (more: Partial<RefusesFrame> = {}): RefusesFrame => ({
	type: "refuses",
	origin: OWN,
	sequence: 7 as Sequence,
	reason: "no sense",
	...more,
});
const peer = "b" as NodeId;
const other = "c" as NodeId;

function world(version = 6) {
	const facts = new Map<NodeId, PeerFacts>();
	const sent: RefusesFrame[] = [];
	const linked = new Set<NodeId>([peer]);
	const session = {
		version,
		send: (one: RefusesFrame) => sent.push(one),
	} as unknown as Session;
	const factsOf = (node: NodeId): PeerFacts => {
		const known = facts.get(node) ?? ({} as PeerFacts);
		facts.set(node, known);
		return known;
	};
	const refusals = new Refusals({
		origin: OWN,
		diary: { error() {}, info() {} } as unknown as Log,
		facts: factsOf,
		isMember: (node) => node === peer || node === other,
		hears: (node) => linked.has(node),
		isDamaged: (_, sequence) => sequence === 13,
		makerOf: (origin) => (origin === THEIRS ? session : undefined),
		sessions: () => [],
		changed: () => {},
	});
	const refuses = (node: NodeId) => factsOf(node).refuses;
	return { refusals, sent, session, linked, facts, refuses };
}

describe("a refused change", () => {
	it("stands until the member holds it, and no less", () => {
		const { refusals, refuses } = world();
		refusals.heard(peer, frame());
		refusals.heardHolds(peer, at(6));
		refusals.heardHolds(peer, at(9, THEIRS));
		expect(refuses(peer)).toEqual({ sequence: 7, reason: "no sense" });
		refusals.heardHolds(peer, at(7));
		expect(refuses(peer)).toBeUndefined();
	});

	it("is told to who sent it, but for releases that do not know of it", () => {
		const why = { sequence: 7 as Sequence, reason: "no sense" };
		for (const [version, told] of [
			[4, 0],
			[5, 1],
		] as const) {
			const { refusals, sent, session } = world(version);
			refusals.tell(session, THEIRS, why);
			refusals.tell(undefined, THEIRS, why);
			expect(sent).toHaveLength(told);
		}
	});

	it("is passed on to who made it, and so is that it is taken; once, and to who knows of that", () => {
		const { refusals, sent } = world();
		refusals.heard(peer, frame({ origin: THEIRS }));
		refusals.heardHolds(peer, at(6, THEIRS));
		expect(sent).toEqual([frame({ origin: THEIRS, by: peer })]);
		for (let i = 0; i < 2; i++) refusals.heardHolds(peer, at(7, THEIRS));
		const taken = frame({ origin: THEIRS, by: peer, reason: "" });
		expect(sent.slice(1)).toEqual([taken]);
		// What comes by way of another one goes on too; not that it is over, where nobody knew that it began.
		refusals.heard(peer, frame({ origin: THEIRS, by: other }));
		expect(sent.slice(2)).toEqual([frame({ origin: THEIRS, by: other })]);
		refusals.heard(other, frame({ origin: THEIRS, by: peer, reason: "" }));
		refusals.heard(peer, frame({ origin: THEIRS, by: "stranger" as NodeId }));
		expect(sent).toHaveLength(3);
		// What was refused is how it lies on the disk here.
		refusals.heard(peer, frame({ origin: THEIRS, sequence: 13 as Sequence }));
		expect(sent).toHaveLength(3);
		const old = world(5);
		old.refusals.heard(peer, frame({ origin: THEIRS }));
		old.refusals.heardHolds(peer, at(7, THEIRS));
		expect(old.sent).toEqual([]);
	});

	it("that was passed on is of who refuses it, until it takes it or the link on which that came is gone", () => {
		const { refusals, refuses } = world();
		const passedOn = frame({ by: other });
		for (const over of [
			() => {
				const earlier = { ...passedOn, sequence: 6 as Sequence, reason: "" };
				refusals.heard(peer, earlier);
				expect(refuses(other)).toBeDefined();
				refusals.heard(peer, { ...passedOn, reason: "" });
			},
			() => refusals.closed(peer),
			() => refusals.heardHolds(other, at(7)),
		]) {
			refusals.heard(peer, passedOn);
			refusals.heardHolds(peer, at(7));
			refusals.closed("d" as NodeId);
			expect(refuses(other)).toEqual({ sequence: 7, reason: "no sense" });
			expect(refuses(peer)).toBeUndefined();
			over();
			expect(refuses(other)).toBeUndefined();
		}
	});

	it("is not believed of strangers, nor of who is linked and says nothing of it", () => {
		const { refusals, facts, refuses, linked } = world();
		refusals.heard(peer, frame({ by: "stranger" as NodeId }));
		expect([...facts.keys()]).toEqual([]);
		linked.add(other);
		refusals.heard(peer, frame({ by: other }));
		expect(refuses(other)).toBeUndefined();
	});
});
