/**
 * How many members hold own changes and the bodies they name, durably; and who waits for that. Decides on facts that
 * peers told about themselves after their own sync, never on what was sent.
 */

import { Temporary } from "../faults.ts";
import type { NodeId, Origin, Sequence } from "../ids.ts";
import {
	COPIES_BEHIND_MILLISECONDS_MAX,
	COPIES_MILLISECONDS_MAX,
} from "../limits.ts";
import type { Made } from "../log/transaction.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { prefixEnd, type Store, type StoreWrite } from "../ports/store.ts";
import type { Holds } from "./frames.ts";

interface Held {
	changes: number;
	bodies: number;
	/** Changes beyond `bodies` whose bodies are held. */
	readonly extra: Set<Sequence>;
}

interface Waiter {
	/** All own changes from `first` on: each may name bodies. */
	readonly first: number;
	readonly sequence: number;
	/** Wanted number of members, this one included; and whether bodies count. */
	readonly members: number;
	readonly withBodies: boolean;
	readonly resolve: () => void;
	readonly reject: (error: Error) => void;
	/** Members that are catching up are waited for only so long. */
	patient: boolean;
	cancel: Cancel;
}

/** Other members. */
export interface Members {
	/** Up, or merely silent for a moment. */
	readonly up: () => readonly NodeId[];
	/** Of those the ones that have caught up. */
	readonly ready: () => readonly NodeId[];
	/** Where a member stands; undefined for whom is none (any more). */
	readonly site: (node: NodeId) => string | undefined;
	readonly ownSite: () => string;
}

const STEP_MILLISECONDS = 500;

export class Copies {
	readonly #origin: Origin;
	readonly #clock: Clock;
	readonly #members: Members;
	readonly #held = new Map<NodeId, Held>();
	readonly #kept = new Map<NodeId, string>();
	#waiters: Waiter[] = [];

	constructor(origin: Origin, clock: Clock, store: Store, members: Members) {
		this.#origin = origin;
		this.#clock = clock;
		this.#members = members;
		for (const [key, value] of store.range("peer/", prefixEnd("peer/"))) {
			const [changes, bodies] = JSON.parse(value as string) as number[];
			this.#held.set(key.slice("peer/".length) as NodeId, {
				changes: changes ?? 0,
				bodies: bodies ?? 0,
				extra: new Set(),
			});
		}
	}

	/** What members hold for sure, as it is kept in the store; only what changed since the last call. */
	marks(): StoreWrite[] {
		return [...this.#held].flatMap(([node, held]) => {
			const text = JSON.stringify([held.changes, held.bodies]);
			if (this.#kept.get(node) === text) return [];
			this.#kept.set(node, text);
			return [[`peer/${node}`, text] as const];
		});
	}

	/** A link begins with all that the member holds: less than it told before, if it was restored from an old copy. */
	hello(node: NodeId, holds: Holds): void {
		this.#held.delete(node);
		this.heard(node, holds);
	}

	/** A member told what it holds. */
	heard(node: NodeId, holds: Holds): void {
		const held = this.#held.get(node) ?? {
			changes: 0,
			bodies: 0,
			extra: new Set(),
		};
		this.#held.set(node, held);
		held.changes = Math.max(held.changes, holds.vector.get(this.#origin) ?? 0);
		held.bodies = Math.max(held.bodies, holds.bodies.get(this.#origin) ?? 0);
		for (const sequence of holds.extra) held.extra.add(sequence);
		for (const sequence of held.extra)
			if (sequence <= held.bodies) held.extra.delete(sequence);
		this.evaluate();
	}

	/** The member is gone for good. */
	forget(node: NodeId): void {
		this.#held.delete(node);
		this.evaluate();
	}

	/** Members that hold own change `sequence`, this one included. */
	count(sequence: number, withBodies: boolean): number {
		return 1 + this.#holders(sequence, withBodies, sequence).length;
	}
	/** Members that hold these own changes with their bodies. */
	countBodies({ first, last }: Made): number {
		return 1 + this.#holders(last, true, first).length;
	}

	/** Other members that hold it. */
	#holders(sequence: number, withBodies: boolean, first: number): NodeId[] {
		const holders: NodeId[] = [];
		for (const [node, held] of this.#held)
			if (
				held.changes >= sequence &&
				(!withBodies || hasBodies(held, first, sequence)) &&
				this.#members.site(node) !== undefined
			)
				holders.push(node);
		return holders;
	}

	/** Sites of these members and of this one. */
	#sites(nodes: readonly NodeId[]): number {
		const { site, ownSite } = this.#members;
		return new Set([ownSite(), ...nodes.map((node) => site(node) ?? ownSite())])
			.size;
	}

	/**
	 * Resolves when `members` hold it, or as many as are up; rejects with Temporary after a bound. With their bodies, copies
	 * are spread over sites first: among those that hold it are as many sites as can be had. Members that are catching up get
	 * it behind all that they lack, so they are waited for only a while, of which `waitedMilliseconds` are over.
	 */
	wait(
		sequence: number,
		members: number,
		withBodies: boolean,
		waitedMilliseconds = 0,
		first = sequence,
	): Promise<void> {
		const left = COPIES_BEHIND_MILLISECONDS_MAX - waitedMilliseconds;
		return new Promise((resolve, reject) => {
			const waiter: Waiter = {
				first,
				sequence,
				members,
				withBodies,
				resolve,
				reject,
				patient: left > 0,
				cancel: () => {},
			};
			if (sequence === 0 || this.#enough(waiter)) return resolve();
			this.#waiters.push(waiter);
			if (waiter.patient) this.#countDown(waiter, left);
			else this.#losePatience(waiter);
		});
	}

	/** As wait(), for all of these with their bodies: one command may be several changes, of which the last names none. */
	waitForBodies(
		{ first, last }: Made,
		members: number,
		waitedMilliseconds?: number,
	): Promise<void> {
		return this.wait(last, members, true, waitedMilliseconds, first);
	}

	/** Whether nobody would have to wait for copies of own change `sequence` at members that have caught up. */
	isSettled(sequence: number, members: number): boolean {
		return this.#enough({
			first: sequence,
			sequence,
			members,
			withBodies: true,
			patient: false,
		});
	}

	/** In steps: a process that was stalled itself has not listened meanwhile. */
	#countDown(waiter: Waiter, leftMilliseconds: number): void {
		waiter.cancel = this.#clock.after(STEP_MILLISECONDS, () => {
			const left = leftMilliseconds - STEP_MILLISECONDS;
			if (left > 0) this.#countDown(waiter, left);
			else this.#losePatience(waiter);
		});
	}

	#losePatience(waiter: Waiter): void {
		waiter.patient = false;
		waiter.cancel = this.#clock.after(
			COPIES_MILLISECONDS_MAX - COPIES_BEHIND_MILLISECONDS_MAX,
			() => {
				this.#waiters = this.#waiters.filter((one) => one !== waiter);
				waiter.reject(
					new Temporary(
						"other members did not confirm their copy in time; try again",
					),
				);
			},
		);
		this.evaluate();
	}

	#enough({
		first,
		sequence,
		members,
		withBodies,
		patient,
	}: Pick<
		Waiter,
		"first" | "sequence" | "members" | "withBodies" | "patient"
	>): boolean {
		const holders = this.#holders(sequence, withBodies, first);
		const have = 1 + holders.length;
		const others = patient ? this.#members.up() : this.#members.ready();
		const lacking = others.filter((node) => !holders.includes(node));
		if (lacking.length === 0 || have < members) return lacking.length === 0;
		// A second copy for clients to be told of something (rule 7) may be next door.
		if (!withBodies) return true;
		const sites = this.#sites([...holders, ...others]);
		return this.#sites(holders) >= Math.min(members, sites);
	}

	/** What is held, or who is up, has changed. */
	evaluate(): void {
		const left: Waiter[] = [];
		const done: Waiter[] = [];
		for (const waiter of this.#waiters)
			(this.#enough(waiter) ? done : left).push(waiter);
		this.#waiters = left;
		for (const waiter of done) {
			waiter.cancel();
			waiter.resolve();
		}
	}

	/** The lowest own change that fewer than `members` hold with its bodies, below or at `head`; head + 1 if none. */
	firstWithTooFew(members: number, head: number): number {
		const marks = [...this.#held.values()]
			.map(({ changes, bodies }) => Math.min(changes, bodies))
			.sort((a, b) => b - a);
		if (members <= 1) return head + 1;
		return Math.min(marks[members - 2] ?? 0, head) + 1;
	}

	stop(): void {
		for (const waiter of this.#waiters.splice(0)) {
			waiter.cancel();
			waiter.reject(new Temporary("the node is stopping; try again"));
		}
	}
}

function hasBodies(
	{ bodies, extra }: Held,
	first: number,
	last: number,
): boolean {
	for (let one = Math.max(first, bodies + 1); one <= last; one++)
		if (!extra.has(one as Sequence)) return false;
	return true;
}
