/**
 * The fast way for hints: gossipsub on one topic, among members only. Gossip follows the links: a peer takes part from
 * the moment its link is agreed, on the link's connection, until the link closes. So a stranger has no part in it, and
 * a connection that was replaced leaves no dead stream behind (gossipsub itself would keep it).
 */
import type { GossipSub, GossipSubComponents } from "@libp2p/gossipsub";
import { TopicValidatorResult } from "@libp2p/gossipsub";
import type {
	Connection,
	NewStreamOptions,
	Stream,
	StreamHandler,
	Topology,
} from "@libp2p/interface";
import { nodeId } from "../ids.ts";
import { GOSSIP_BYTES_MAX, LINK_OPEN_MILLISECONDS_MAX } from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { openStream } from "./protocols.ts";
import type { TransportOwner } from "./transport.ts";

export const GOSSIP_TOPIC = "pmnode";
const GOSSIP_PROTOCOLS = /^\/meshsub\//;

interface Waiting {
	readonly stream: Stream;
	readonly handler: StreamHandler;
}

/** Stands between libp2p and gossipsub and decides which connections gossipsub gets to see. */
export class GossipGate {
	readonly #clock: Clock;
	readonly #topologies: Topology[] = [];
	/** Connection that carries the link, by peer. */
	readonly #linked = new Map<string, Connection>();
	/** Streams that came before the link on their connection was agreed; at most a few per connection. */
	readonly #waiting = new WeakMap<Connection, Waiting[]>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** What gossipsub is given instead of libp2p's own registrar. */
	narrow(components: GossipSubComponents): GossipSubComponents {
		const { connectionManager, logger, peerId, peerStore, privateKey } =
			components;
		const { registrar } = components;
		const narrowed = {
			handle: (
				protocol: string,
				handler: StreamHandler,
				options?: Parameters<typeof registrar.handle>[2],
			) =>
				registrar.handle(
					protocol,
					(stream, connection) => this.#inbound(handler, stream, connection),
					options,
				),
			unhandle: (protocol: string) => registrar.unhandle(protocol),
			register: async (_protocol: string, topology: Topology) => {
				if (this.#topologies.length === 0) this.#topologies.push(topology);
				return "link";
			},
			unregister: () => {
				this.#topologies.length = 0;
			},
		};
		return {
			connectionManager,
			logger,
			peerId,
			peerStore,
			privateKey,
			registrar: narrowed as unknown as typeof registrar,
		};
	}

	linked(connection: Connection): void {
		const peer = connection.remotePeer.toString();
		this.#linked.set(peer, connection);
		this.#connect(connection);
		const waiting = this.#waiting.get(connection) ?? [];
		this.#waiting.delete(connection);
		for (const { handler, stream } of waiting)
			if (stream.status === "open") void handler(stream, connection);
	}

	unlinked(connection: Connection): void {
		const peer = connection.remotePeer.toString();
		if (this.#linked.get(peer) !== connection) return;
		this.#linked.delete(peer);
		for (const topology of this.#topologies)
			topology.onDisconnect?.(connection.remotePeer);
	}

	/**
	 * gossipsub does not reopen a stream of its own that broke, and keeps one that broke while it was opened: begin anew
	 * with that peer.
	 */
	repair(connection: Connection): void {
		const peer = connection.remotePeer.toString();
		if (this.#linked.get(peer) !== connection) return;
		const alive = connection.streams.some(
			({ direction, protocol }) =>
				direction === "outbound" &&
				(protocol === "" || GOSSIP_PROTOCOLS.test(protocol)),
		);
		if (alive) return;
		for (const topology of this.#topologies)
			topology.onDisconnect?.(connection.remotePeer);
		this.#connect(connection);
	}

	#connect(connection: Connection): void {
		// gossipsub opens streams one after the other, for all peers: none may take long, nor outlive its link.
		const guarded = Object.create(connection, {
			newStream: {
				value: (protocols: string[], options?: NewStreamOptions) =>
					this.#open(connection, protocols, options),
			},
		}) as Connection;
		for (const topology of this.#topologies)
			topology.onConnect?.(connection.remotePeer, guarded);
	}

	async #open(
		connection: Connection,
		protocols: string[],
		options?: NewStreamOptions,
	): Promise<Stream> {
		const stream = await openStream(
			{
				newStream: (_protocol, { signal }) =>
					connection.newStream(protocols, { ...options, signal }),
				addEventListener: (type, run) => connection.addEventListener(type, run),
				removeEventListener: (type, run) =>
					connection.removeEventListener(type, run),
			},
			"gossip",
			this.#clock,
			LINK_OPEN_MILLISECONDS_MAX,
		);
		const peer = connection.remotePeer.toString();
		if (stream.status === "open" && this.#linked.get(peer) === connection)
			return stream;
		stream.abort(new Error("the link has gone"));
		throw new Error("the link has gone");
	}

	#inbound(
		handler: StreamHandler,
		stream: Stream,
		connection: Connection,
	): void | Promise<void> {
		if (this.#linked.get(connection.remotePeer.toString()) === connection)
			return handler(stream, connection);
		const waiting = this.#waiting.get(connection) ?? [];
		waiting.push({ stream, handler });
		this.#waiting.set(connection, waiting);
	}
}

/**
 * Subscribes, and returns the way to publish. The owner gets each message once, and never our own; a message whose
 * author is no member is neither taken nor passed on.
 */
export function joinGossip(
	service: GossipSub,
	log: Log,
	owner: TransportOwner,
): (message: Uint8Array) => void {
	service.topicValidators.set(GOSSIP_TOPIC, (_relay, message) =>
		message.type === "signed" &&
		message.data.byteLength <= GOSSIP_BYTES_MAX &&
		owner.isMember(message.from.toString())
			? TopicValidatorResult.Accept
			: TopicValidatorResult.Ignore,
	);
	service.addEventListener("message", ({ detail }) => {
		if (detail.type === "signed" && detail.topic === GOSSIP_TOPIC)
			owner.published(nodeId(detail.from.toString()), detail.data);
	});
	service.subscribe(GOSSIP_TOPIC);
	return (message) => {
		service.publish(GOSSIP_TOPIC, message).catch((error: Error) => {
			log.debug("gossip was not sent", { error: error.message });
		});
	};
}
