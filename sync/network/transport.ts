/**
 * What the network stands on: connections to peers known by their keys, with streams by protocol. Two of them exist:
 * libp2p (libp2p.ts) and a simulated one (sync/sim/transport.ts). Types only; the streams behave as libp2p's do, with
 * their traps.
 */
import type { Stream } from "@libp2p/interface";
import type { NodeId } from "../ids.ts";

/** The part of a libp2p stream that is used. */
export interface WireStream
	extends Pick<
		Stream,
		| "abort"
		| "addEventListener"
		| "close"
		| "pause"
		| "protocol"
		| "readableEnded"
		| "readBufferLength"
		| "readStatus"
		| "removeEventListener"
		| "resume"
		| "send"
		| "status"
		| "writableNeedsDrain"
		| "writeBufferLength"
		| "writeStatus"
	> {
	/** Of a simulated one: when a turn of the event loop would be over. */
	readonly endOfTurn?: (run: () => void) => void;
}

/** The part of a libp2p connection that is used. */
export interface WireConnection {
	/** Proven by the handshake. */
	readonly remotePeer: { toString(): string };
	readonly status: string;
	newStream(
		protocol: string,
		options: { signal: AbortSignal },
	): Promise<WireStream>;
	/** In order: what was sent still arrives. */
	close(): Promise<void>;
	abort(error: Error): void;
	addEventListener(type: "close", run: () => void): void;
	removeEventListener(type: "close", run: () => void): void;
}

/** Opens one connection to one address (`…/p2p/<peer>`); `signal` calls it off, and must not fire after success. */
export type DialOne = (
	address: string,
	signal: AbortSignal,
) => Promise<WireConnection>;

export type StreamHandler = (
	stream: WireStream,
	connection: WireConnection,
) => void | Promise<void>;

export interface Transport {
	readonly self: NodeId;
	/** Multiaddrs listened on, without the peer id. */
	listening(): readonly string[];
	readonly dialOne: DialOne;
	connections(): readonly WireConnection[];
	/** At most `streamsMax` inbound streams at once of one connection. Again for the same protocol: replaces. */
	handle(protocol: string, handler: StreamHandler, streamsMax: number): void;
	/** The connection carries a link now: gossip goes over it. */
	linked(connection: WireConnection): void;
	unlinked(connection: WireConnection): void;
	/** Looks after gossip on a linked connection; called with each heartbeat. */
	repair(connection: WireConnection): void;
	/** Hint to all members; the sender limits size and rate. */
	publish(message: Uint8Array): void;
	/** Closes everything at once; no timer or socket is left. */
	stop(): Promise<void>;
}

/** What the transport asks and tells the network above it. */
export interface TransportOwner {
	/** Whether an inbound connection of this peer may be kept. */
	admits(peer: string): boolean;
	isMember(peer: string): boolean;
	published(from: NodeId, message: Uint8Array): void;
}
