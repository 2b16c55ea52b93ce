/** Own news for members that are not linked directly, by gossip: best effort, small, and not more often than useful. */
import { decode, encode } from "cborg";
import type { NodeId } from "../ids.ts";
import {
	GOSSIP_BYTES_MAX,
	GOSSIP_NEWS_MILLISECONDS,
	RECORD_BATCH_COUNT,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";

const ENVELOPE_BYTES = 1_024;

export class Gossip {
	readonly #network: Network;
	readonly #ledger: Ledger;
	readonly #clock: Clock;
	readonly #diary: Log;
	readonly #joining: () => boolean;
	readonly #linked: () => Iterable<NodeId>;
	#scheduled = false;
	#published: number;

	constructor(
		options: {
			network: Network;
			ledger: Ledger;
			clock: Clock;
			diary: Log;
			joining: () => boolean;
		},
		linked: () => Iterable<NodeId>,
	) {
		this.#network = options.network;
		this.#ledger = options.ledger;
		this.#clock = options.clock;
		this.#diary = options.diary;
		this.#joining = options.joining;
		this.#linked = linked;
		this.#published = this.#head;
		options.network.onPublished((from, message) => this.#take(from, message));
	}

	get #head(): number {
		return this.#ledger.log.vector.get(this.#ledger.origin) ?? 0;
	}

	/** Own changes were made. */
	news(): void {
		if (this.#scheduled || this.#allLinked()) {
			if (!this.#scheduled) this.#published = this.#head;
			return;
		}
		this.#scheduled = true;
		this.#clock.after(GOSSIP_NEWS_MILLISECONDS, () => {
			this.#scheduled = false;
			this.#publish();
		});
	}

	/** A link to a member that is down may be open still: cut without a word. What is sent there waits for its end. */
	#allLinked(): boolean {
		const linked = new Set(this.#linked());
		return this.#network
			.peers()
			.every(({ node, state }) => linked.has(node) && state !== "down");
	}

	#publish(): void {
		const { origin, log } = this.#ledger;
		const framed = log.readFramed(
			origin,
			this.#published + 1,
			RECORD_BATCH_COUNT,
			GOSSIP_BYTES_MAX - ENVELOPE_BYTES,
		);
		this.#published = this.#head;
		const bytes = framed.reduce((sum, one) => sum + one.length, 0);
		if (bytes === 0 || bytes > GOSSIP_BYTES_MAX - ENVELOPE_BYTES) return;
		this.#network.publish(encode(framed));
	}

	#take(from: NodeId, message: Uint8Array): void {
		if (this.#joining() || message.length > GOSSIP_BYTES_MAX) return;
		try {
			const framed: unknown = decode(message);
			if (
				Array.isArray(framed) &&
				framed.every((one) => one instanceof Uint8Array)
			)
				this.#ledger.accept(framed, from);
		} catch (error) {
			this.#diary.warn("refused gossip", { from, error: String(error) });
		}
	}
}
