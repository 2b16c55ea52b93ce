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
	readonly #streams = new Set<NoiseSecretStream>();
	readonly #stopListening: Cancel;
	#closed = false;

	constructor(store: Corestore, source: StreamSource, gate: Gate, log: Log) {
		this.#store = store;
		this.#gate = gate;
		this.#log = log;
		this.#stopListening = source.onBodyStream((peer, stream, initiator) =>
			this.#join(peer, stream, initiator),
		);
	}

	/** Ends all streams; takes no new ones. */
	close(): void {
		this.#closed = true;
		this.#stopListening();
		for (const stream of this.#streams) stream.destroy();
		this.#streams.clear();
	}

	#join(peer: NodeId, stream: Duplex, initiator: boolean): void {
		if (this.#closed) {
			stream.destroy();
			return;
		}
		const noise = new NoiseSecretStream(initiator, gated(stream, this.#gate));
		this.#streams.add(noise);
		// Without a listener an error would end the process. The stream comes anew after a reconnect.
		noise.on("error", (error) =>
			this.#log.debug("a body stream ended", { peer, error: error.message }),
		);
		noise.on("close", () => this.#streams.delete(noise));
		this.#store.replicate(noise);
	}
}
