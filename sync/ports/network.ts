import type { Milliseconds, NodeId } from "../ids.ts";
import type { Cancel } from "./clock.ts";

/** Where a peer can be dialled: multiaddrs, e.g. `/ip4/127.0.0.1/tcp/2401`. */
export interface PeerAddress {
	readonly node: NodeId;
	readonly multiaddrs: readonly string[];
}

/**
 * `up`: a link is open and its heartbeat fresh. `suspect`: silent for longer than a heartbeat should take, may be back
 * at once. `down`: taken for gone (silent too long, or its process does not answer to a dial).
 */
export type PeerState = "up" | "suspect" | "down";
export interface PeerStatus {
	readonly node: NodeId;
	readonly state: PeerState;
	/** There and back, as it was lately, with the time that both ends took. */
	readonly rttMilliseconds: number | undefined;
	/** What of it is the line alone. */
	readonly wayMilliseconds: number | undefined;
	/** It answers, and closes each connection at once: this node is no member to it. */
	readonly turnsAway?: true;
}

/** Why a link closed whose peer opened another one: from where it could still have been used. */
export const LINK_REPLACED = "replaced by a newer connection";

/**
 * The long-lived direct stream to one peer: whole messages, in order, each once, or the link closes. There is at most
 * one link a pair at a time; when a new one replaces it, the old one closes first, for the reason LINK_REPLACED.
 */
export interface Link {
	readonly peer: NodeId;
	/** False: taken, but the peer reads slowly; send no more before `onDrain`. At most LINK_MESSAGE_BYTES_MAX a message. */
	send(message: Uint8Array): boolean;
	/** Bytes accepted by send() and not yet handed to the transport. */
	readonly queuedBytes: number;
	/** Set by the one owner of the link, within the same turn in which it got it. */
	handlers: LinkHandlers | undefined;
	close(reason: string): void;
}
export interface LinkHandlers {
	/** Messages wait (and the peer is held back) while the returned promise is pending. */
	message(message: Uint8Array): void | Promise<void>;
	drain(): void;
	closed(reason: string): void;
}

/** One question to a node and its one answer, for joining; anyone may ask, so the handler checks. */
export type RequestHandler = (
	peer: NodeId,
	body: Uint8Array,
) => Promise<Uint8Array>;

export interface Network {
	readonly self: NodeId;
	/** Dialable addresses of this node once started, e.g. `/ip4/127.0.0.1/tcp/2401`. */
	addresses(): readonly string[];
	/**
	 * The other members: only they get links, gossip and body streams; each is dialled until it is reached and again
	 * after each loss, with bounded back-off. Whoever is not named any more is cut off. Those of the first call are
	 * `suspect` until they had time to show, those named later `down` until they are linked. `later`: members too, that are
	 * turned away as yet, and nobody is warned of.
	 */
	setPeers(peers: readonly PeerAddress[], later?: readonly PeerAddress[]): void;
	/** Who was a member and is none any more, for good: told so when it comes, as it may not have heard of it. */
	setRemoved(nodes: Iterable<NodeId>): void;
	/** A peer says that this node was removed for good. */
	onRemoved(run: (by: NodeId) => void): Cancel;
	peers(): readonly PeerStatus[];
	/** Any change in peers(). */
	onPeers(run: () => void): Cancel;
	onLink(run: (link: Link) => void): Cancel;
	/** Best effort to all peers, also those not directly connected. May be lost, late, reordered or come twice. */
	publish(message: Uint8Array): void;
	onPublished(run: (from: NodeId, message: Uint8Array) => void): Cancel;
	/** Asks a node, also one that is not a member yet. Rejects after `timeoutMilliseconds`, or when refused. */
	request(
		to: PeerAddress,
		protocol: string,
		body: Uint8Array,
		timeoutMilliseconds: Milliseconds,
	): Promise<Uint8Array>;
	handle(protocol: string, handler: RequestHandler): void;
	/** Whether strangers may connect at all, to ask; true only while an invite is open. */
	admitStrangers(admit: boolean): void;
	stop(): Promise<void>;
}
