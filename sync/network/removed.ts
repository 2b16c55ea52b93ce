/** Tells nodes that were removed for good that they were, when they come: they may not have heard of it, and would go on alone. */
import { LINK_OPEN_MILLISECONDS_MAX } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { openStream, PROTOCOL } from "./protocols.ts";
import type { WireConnection } from "./transport.ts";

export class Removed {
	readonly #clock: Clock;
	readonly #log: Log;
	#nodes: ReadonlySet<string> = new Set();
	/** Those that heard it are named in the log once. */
	readonly #told = new Set<string>();
	/** Connections on which it is being said, or was. */
	readonly #telling = new WeakSet<WireConnection>();

	constructor(clock: Clock, log: Log) {
		this.#clock = clock;
		this.#log = log;
	}

	set(nodes: Iterable<string>): void {
		this.#nodes = new Set(nodes);
	}

	has(node: string): boolean {
		return this.#nodes.has(node);
	}

	/** The other end closes the connection; one of an earlier release does not listen, and loses it. Never rejects. */
	async tell(connection: WireConnection): Promise<void> {
		if (this.#telling.has(connection)) return;
		this.#telling.add(connection);
		const node = connection.remotePeer.toString();
		try {
			await openStream(
				connection,
				PROTOCOL.removed,
				this.#clock,
				LINK_OPEN_MILLISECONDS_MAX,
			);
			if (this.#told.has(node)) return;
			this.#told.add(node);
			this.#log.info("a node that was removed came, and was told so", { node });
		} catch {
			connection.abort(new Error("members only"));
		}
	}
}
