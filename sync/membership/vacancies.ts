/**
 * Slots of removed members come back to those that are left, the fewest-slotted first, until all have about as many: without
 * it each replacement of a member would halve somebody's share for good. Rule 1 must hold all the same, also where two
 * sides of a split remove and admit, and where the removed one still runs.
 *
 * A member takes slots when every other member is in touch, has all that was known here when the cluster document last
 * changed (C), and has nothing that is not here. Then nobody else takes them at the same time: whatever another one did
 * not knowing C is known here; and knowing C, it finds the same member to be next, or does something that changes the
 * cluster document, after which it in turn must hear this one. A member that does not know of its own removal is no exception:
 * all that are left know of it, so what it did counts only as far as one of them had it (log/inbound.ts).
 */
import { type ClusterState, writeSlots } from "../directory/cluster.ts";
import { Temporary } from "../faults.ts";
import type { NodeId } from "../ids.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import { covers, type Vector } from "../log/record.ts";
import { VACATED_LEAP } from "../mailbox/leap.ts";
import type { Losses } from "../mailbox/losses.ts";
import { rangeOf, slotCount, spansOf, takeSome } from "../mailbox/slots.ts";
import type { Rules } from "../rules.ts";
import type { Contact } from "./lives.ts";

export interface VacanciesOptions {
	readonly self: NodeId;
	readonly state: ClusterState;
	readonly ledger: Ledger;
	readonly losses: Losses;
	readonly rules: Rules;
	/** All other members. */
	readonly contacts: () => readonly Contact[];
	/** Something may be taken now. */
	readonly again: () => void;
}

export class Vacancies {
	readonly #options: VacanciesOptions;
	/** Of the cluster document. */
	#version = -1;
	/** What this node had when the document was so, and durable; undefined until that is known. */
	#known: Vector | undefined;
	#busy = false;

	constructor(options: VacanciesOptions) {
		this.#options = options;
	}

	/** Members, or what they have, may have changed. */
	evaluate(): void {
		const { state, self, ledger, contacts } = this.#options;
		if (this.#busy || state.vacated().length === 0) return;
		if (state.slots(ledger.origin) === undefined) return;
		if (next(state)?.node !== self) return;
		if (state.version !== this.#version) this.#note();
		else if (this.#known && this.#allKnow(this.#known, contacts()))
			this.#take();
	}

	#allKnow(known: Vector, others: readonly Contact[]): boolean {
		const here = this.#options.ledger.log.vector;
		return others.every(
			({ linked, serves, vector }) =>
				linked && serves && covers(vector, known) && covers(here, vector),
		);
	}

	/** What is folded may not be durable yet: after another batch it is. */
	#note(): void {
		const { state, ledger } = this.#options;
		const { version } = state;
		this.#version = version;
		this.#known = undefined;
		this.#write(
			() => {},
			() => {
				if (state.version === version) this.#known = new Map(ledger.log.vector);
			},
		);
	}

	#take(): void {
		const version = this.#version;
		this.#write(
			(tx) => {
				// What was decided on is not so any more.
				if (this.#options.state.version === version) this.#takeSlots(tx);
			},
			() => {},
		);
	}

	#takeSlots(tx: Transaction): void {
		const { state, ledger, losses, rules } = this.#options;
		const own = state.slots(ledger.origin);
		const share = next(state);
		if (own === undefined || share === undefined) return;
		const spans = [...spansOf(own)];
		let wanted = share.wanted;
		for (const origin of state.vacated()) {
			const range = state.slots(origin);
			if (range === undefined || wanted <= 0) continue;
			const { taken, left } = takeSome(spansOf(range), wanted);
			const remains = rangeOf(left, range.stampSlot);
			wanted -= slotCount(range) - slotCount(remains);
			spans.push(...taken);
			writeSlots(tx, origin, remains);
		}
		writeSlots(tx, ledger.origin, rangeOf(spans, own.stampSlot));
		if (rules.floor) losses.leapClaims(tx, VACATED_LEAP);
	}

	#write(work: (tx: Transaction) => void, done: () => void): void {
		this.#busy = true;
		this.#options.ledger
			.write(work)
			.then(done)
			.catch((error) => {
				// A full disk: what is not known to be durable is looked at anew.
				this.#version = -1;
				if (!(error instanceof Temporary)) throw error;
			})
			.finally(() => {
				this.#busy = false;
				if (this.#version >= 0) this.#options.again();
			});
	}
}

/** Who takes slots next, and how many: so that, where there are enough, all have as many in the end. */
function next(
	state: ClusterState,
): { readonly node: NodeId; readonly wanted: number } | undefined {
	const shares = state
		.members()
		.map(({ node }) => ({ node, share: state.shareOf(node) }))
		.sort((a, b) => a.share - b.share || (a.node < b.node ? -1 : 1));
	const [first] = shares;
	if (first === undefined) return undefined;
	let sum = 0;
	for (const origin of state.vacated()) {
		const range = state.slots(origin);
		if (range !== undefined) sum += slotCount(range);
	}
	let level = 0;
	for (const [index, { share }] of shares.entries()) {
		if (index > 0 && share >= level) break;
		sum += share;
		level = sum / (index + 1);
	}
	return { node: first.node, wanted: Math.ceil(level) - first.share };
}
