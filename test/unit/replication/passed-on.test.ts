/** Refusals on their way to who made the change, over members that are linked in chains, rings and crowds. */
import { describe, expect, it } from "vitest";
import type { NodeId, Origin, Sequence } from "../../../sync/ids.ts";
import { REFUSALS_PASSED_ON_MAX } from "../../../sync/limits.ts";
import type { Log } from "../../../sync/ports/log.ts";
import type { PeerFacts } from "../../../sync/replication/facts.ts";
import type { RefusesFrame } from "../../../sync/replication/passed-on.ts";
import { Refusals } from "../../../sync/replication/refusals.ts";
import type { Session } from "../../../sync/replication/session.ts";

const originOf = (name: string): Origin => name.repeat(16) as Origin;
const SEVEN = 7 as Sequence;
const holding = (last: number, name = "a") =>
	new Map([[originOf(name), last as Sequence]]);

interface Member {
	readonly refusals: Refusals;
	readonly facts: Map<NodeId, PeerFacts>;
}

/** Members by name, linked as in "ab bc"; what they send is taken in turn, in order. */
class Members {
	readonly #members = new Map<string, Member>();
	readonly #links: Set<string>;
	readonly #queue: (() => void)[] = [];
	/** All frames that were sent, by link and direction. */
	readonly sent: string[] = [];

	constructor(names: string, links: string) {
		this.#links = new Set(links.split(" "));
		for (const name of names) this.#members.set(name, this.#make(name, names));
	}

	#make(name: string, names: string): Member {
		const facts = new Map<NodeId, PeerFacts>();
		const refusals = new Refusals({
			origin: originOf(name),
			diary: { error() {}, info() {} } as unknown as Log,
			facts: (node) => {
				const known = facts.get(node) ?? ({} as PeerFacts);
				facts.set(node, known);
				return known;
			},
			isMember: (node) => node !== name && names.includes(node),
			hears: (node) => this.#isLinked(name, node),
			isDamaged: () => false,
			makerOf: (origin) =>
				this.#sessions(name).find(({ peer }) => originOf(peer) === origin),
			sessions: () => this.#sessions(name),
			changed: () => {},
		});
		return { refusals, facts };
	}

	#isLinked(one: string, other: string): boolean {
		return this.#links.has(one + other) || this.#links.has(other + one);
	}

	#sessions(name: string): Session[] {
		return [...this.#members.keys()]
			.filter((other) => this.#isLinked(name, other))
			.map((other) => {
				const send = (frame: RefusesFrame) => this.#send(name, other, frame);
				return { peer: other, version: 6, send } as unknown as Session;
			});
	}

	#send(from: string, to: string, frame: RefusesFrame): void {
		const what = frame.reason === "" ? "taken" : "refused";
		this.sent.push(`${from}${to} ${what} ${frame.sequence} by ${frame.by}`);
		this.#queue.push(() => {
			if (this.#isLinked(from, to))
				this.of(to).refusals.heard(from as NodeId, frame);
		});
	}

	of(name: string): Member {
		return this.#members.get(name) as Member;
	}

	/** The first says to the second what it refuses of what a made. */
	refuse(by: string, to: string, sequence = SEVEN): void {
		const frame = { type: "refuses", sequence, reason: "no sense" } as const;
		this.of(to).refusals.heard(by as NodeId, {
			...frame,
			origin: originOf("a"),
		});
		this.run();
	}

	/** The first tells the second what it holds of what a made. */
	holds(name: string, to: string, last: number): void {
		this.of(to).refusals.heardHolds(name as NodeId, holding(last));
		this.run();
	}

	cut(one: string, other: string): void {
		this.#links.delete(one + other);
		this.of(one).refusals.closed(other as NodeId);
		this.of(other).refusals.closed(one as NodeId);
	}

	mend(one: string, other: string): void {
		this.#links.add(one + other);
		this.of(one).refusals.heardHolds(other as NodeId, new Map());
		this.of(other).refusals.heardHolds(one as NodeId, new Map());
		this.run();
	}

	/** Ends only when nobody has anything to say any more. */
	run(): void {
		for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
			expect(this.sent.length).toBeLessThan(1_000);
			next();
		}
	}

	/** Change of a that the member refuses, as a knows. */
	refusedBy(name: string): Sequence | undefined {
		return this.of("a").facts.get(name as NodeId)?.refuses?.sequence;
	}
}

describe("a refusal", () => {
	it("comes to the maker along a chain of members, and so does that it is over", () => {
		const members = new Members("abcde", "ab bc cd de");
		members.refuse("e", "d");
		expect(members.refusedBy("e")).toBe(7);
		members.holds("e", "d", 6);
		expect(members.refusedBy("e")).toBe(7);
		members.holds("e", "d", 8);
		expect(members.refusedBy("e")).toBeUndefined();
		expect(members.sent).toEqual([
			"dc refused 7 by e",
			"cb refused 7 by e",
			"ba refused 7 by e",
			"dc taken 7 by e",
			"cb taken 7 by e",
			"ba taken 7 by e",
		]);
		members.refuse("e", "d", 9 as Sequence);
		expect(members.refusedBy("e")).toBe(9);
	});

	it.each([
		["a ring", "ab bc cd de ea", "e"],
		["a ring apart from the maker", "ab bc cd de eb", "d"],
		["a crowd apart from the maker", "ab bc bd be cd ce de", "e"],
		["a crowd that nobody of is linked to the maker", "bc bd be cd ce de", "e"],
	])(
		"goes over each link once, whatever ways there are: %s",
		(_, links, by) => {
			const members = new Members("abcde", links);
			const next = by === "e" ? "d" : "c";
			for (let i = 0; i < 3; i++) members.refuse(by, next);
			for (let i = 0; i < 3; i++) members.holds(by, next, 7);
			expect(new Set(members.sent).size).toBe(members.sent.length);
			expect(members.sent.filter((each) => each.startsWith(by))).toEqual([]);
			expect(members.refusedBy(by)).toBeUndefined();
		},
	);

	it("is told again on a new link, and taken for over where the way to it is cut", () => {
		const members = new Members("abcd", "ab bc cd");
		members.refuse("d", "c");
		members.cut("a", "b");
		expect(members.refusedBy("d")).toBeUndefined();
		members.mend("a", "b");
		expect(members.refusedBy("d")).toBe(7);
		// What became of it meanwhile comes with the new link.
		members.cut("b", "c");
		members.holds("d", "c", 7);
		expect(members.refusedBy("d")).toBe(7);
		members.mend("b", "c");
		expect(members.refusedBy("d")).toBeUndefined();
	});

	it("by one of two members stands when that of the other is over, and while one way is left", () => {
		const members = new Members("abcde", "ab ac bd cd de");
		members.refuse("d", "b");
		members.refuse("e", "d");
		members.holds("e", "d", 7);
		expect(members.refusedBy("e")).toBeUndefined();
		expect(members.refusedBy("d")).toBe(7);
		members.refuse("e", "d", 9 as Sequence);
		members.cut("a", "b");
		expect(members.refusedBy("e")).toBe(9);
		members.cut("a", "c");
		expect(members.refusedBy("e")).toBeUndefined();
	});

	it("is one of so many that are kept", () => {
		const members = new Members("abc", "bc");
		const { refusals } = members.of("b");
		for (let i = 0; i <= REFUSALS_PASSED_ON_MAX; i++)
			refusals.heard("c" as NodeId, {
				type: "refuses",
				origin: i.toString(16).padStart(16, "0") as Origin,
				sequence: SEVEN,
				reason: "no sense",
			});
		members.mend("a", "b");
		const toA = members.sent.filter((each) => each.startsWith("ba"));
		expect(toA).toHaveLength(REFUSALS_PASSED_ON_MAX);
	});
});
