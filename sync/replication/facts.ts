/** What is known of each member, which outlives its links; and what of it must outlive this process (rule 9). */
import type { NodeId, Origin, Sequence } from "../ids.ts";
import type { Refusal } from "../log/inbound.ts";
import type { Vector } from "../log/record.ts";
import type { Store, StoreWrite } from "../ports/store.ts";
import type { Holds } from "./frames.ts";

export interface PeerFacts {
	holds: Holds | undefined;
	/** It has caught up and takes part in numbering. */
	ready: boolean;
	/** It has no documents yet, or cannot be talked to: not to be waited for. */
	absent: boolean;
	/** It begins a new life and serves nobody yet (rule 9). */
	reviving: boolean;
	/** Its last link was seen to end with its process. Otherwise it may have gone on, apart. */
	gone: boolean;
	/** What it, and its lives before the present one, are known to have had. */
	readonly had: Map<Origin, Sequence>;
	/** The change of this node that it refuses, and with it all that follows. */
	refuses: Refusal | undefined;
}

const hadKey = (node: NodeId): string => `had/${node}`;
const goneKey = (node: NodeId): string => `gone/${node}`;

export class Facts {
	readonly #store: Store;
	readonly #origin: Origin;
	readonly #facts = new Map<NodeId, PeerFacts>();
	#isUrgent = false;

	/** `origin`: of this node's life; what a former one saw of how members went says nothing any more. */
	constructor(store: Store, origin: Origin) {
		this.#store = store;
		this.#origin = origin;
	}

	of(node: NodeId): PeerFacts {
		let facts = this.#facts.get(node);
		if (facts === undefined) {
			const had = this.#store.get(hadKey(node)) as string | undefined;
			facts = {
				holds: undefined,
				ready: false,
				absent: false,
				reviving: false,
				gone: this.#store.get(goneKey(node)) === this.#origin,
				had: new Map(had === undefined ? [] : JSON.parse(had)),
				refuses: undefined,
			};
			this.#facts.set(node, facts);
		}
		return facts;
	}

	/** A member has this; what it had once it is known to have had, also when it has less later. */
	noteHad(node: NodeId, vector: Vector): void {
		const { had } = this.of(node);
		if (had.size === 0) this.#isUrgent = true;
		for (const [origin, sequence] of vector)
			if (sequence > (had.get(origin) ?? 0)) had.set(origin, sequence);
	}

	/** How the link to it ended; or that there is one. */
	noteGone(node: NodeId, gone: boolean): void {
		const facts = this.of(node);
		if (facts.gone !== gone) this.#isUrgent = true;
		facts.gone = gone;
	}

	/** Something should be kept at once: a member was met for the first time, or came, or went. */
	get isUrgent(): boolean {
		return this.#isUrgent;
	}

	/** What is to be kept and is not yet. */
	marks(): StoreWrite[] {
		this.#isUrgent = false;
		const writes: StoreWrite[] = [];
		const keep = (key: string, value: string | undefined): void => {
			if (this.#store.get(key) !== value) writes.push([key, value]);
		};
		for (const [node, { had, gone }] of this.#facts) {
			if (had.size > 0) keep(hadKey(node), JSON.stringify([...had]));
			keep(goneKey(node), gone ? this.#origin : undefined);
		}
		return writes;
	}

	/** It was removed for good, and is no member any more: nothing of it is kept. */
	static forgetting(node: NodeId): StoreWrite[] {
		return [
			[hadKey(node), undefined],
			[goneKey(node), undefined],
		];
	}
}
