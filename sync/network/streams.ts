import type { Duplex } from "node:stream";
import type { NodeId } from "../ids.ts";
import type { Cancel } from "../ports/clock.ts";

/** A byte stream to each member for the body store's own replication, beside the link. */
export interface StreamSource {
	/**
	 * Runs on both ends for each member that gets connected, and again after each reconnect; exactly one end is told that
	 * it is the initiator. The stream has real back-pressure and ends when the connection does.
	 */
	onBodyStream(
		run: (peer: NodeId, stream: Duplex, initiator: boolean) => void,
	): Cancel;
}
