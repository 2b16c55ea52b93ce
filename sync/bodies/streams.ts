/** Exchanges the open drives with each member that is connected. */
import type { Duplex } from "node:stream";
import NoiseSecretStream from "@hyperswarm/secret-stream";
import type Corestore from "corestore";
import type { NodeId } from "../ids.ts";
import type { StreamSource } from "../network/streams.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Gate, gated } from "./gate.ts";

export class Replication {
	readonly #store: Corestore;
	readonly #gate: Gate;
	readonly #log: Log;
	/** And whose they are. */
	readonly #streams = new Map<NoiseSecretStream, NodeId>();
	readonly #onJoin: () => void;
	readonly #stopListening: Cancel;
	#closed = false;

	/** `onJoin` runs when a member has come. */
	constructor(
		store: Corestore,
		source: StreamSource,
		gate: Gate,
		log: Log,
		onJoin: () => void,
	) {
		this.#store = store;
		this.#gate = gate;
		this.#log = log;
		this.#onJoin = onJoin;
		this.#stopListening = source.onBodyStream((peer, stream, initiator) =>
			this.#join(peer, stream, initiator),
		);
	}

	isJoined(node: NodeId): boolean {
		for (const peer of this.#streams.values()) if (peer === node) return true;
		return false;
	}

	memberOf(stream: NoiseSecretStream): NodeId | undefined {
		return this.#streams.get(stream);
	}

	/** Ends all streams; takes no new ones. */
	close(): void {
		this.#closed = true;
		this.#stopListening();
		for (const stream of this.#streams.keys()) stream.destroy();
		this.#streams.clear();
	}

	#join(peer: NodeId, stream: Duplex, initiator: boolean): void {
		if (this.#closed) {
			stream.destroy();
			return;
		}
		const noise = new NoiseSecretStream(initiator, gated(stream, this.#gate));
		this.#streams.set(noise, peer);
		// Without a listener an error would end the process. The stream comes anew after a reconnect.
		noise.on("error", (error) =>
			this.#log.debug("a body stream ended", { peer, error: error.message }),
		);
		noise.on("close", () => this.#streams.delete(noise));
		this.#store.replicate(noise);
		this.#onJoin();
	}
}
