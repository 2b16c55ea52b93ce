/**
 * The network of one node over any transport: its peers, who is let in, requests, and the callbacks of whoever uses it.
 * What concerns one pair is in peer.ts.
 */
import type { Duplex } from "node:stream";
import type { Milliseconds, NodeId } from "../ids.ts";
import {
	CONNECTION_SPARE_MILLISECONDS_MAX,
	GOSSIP_BURST_MAX,
	GOSSIP_BYTES_MAX,
	GOSSIP_PER_SECOND_MAX,
	MEMBERS_MAX,
	REQUESTS_PER_CONNECTION_MAX,
	STRANGER_MILLISECONDS_MAX,
	STRANGERS_MAX,
} from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type {
	Link,
	Network,
	PeerAddress,
	PeerStatus,
	RequestHandler,
} from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { parseAnnounce, portOf } from "./addresses.ts";
import { Asking } from "./asking.ts";
import { Listeners } from "./listeners.ts";
import { TICK_MILLISECONDS } from "./liveness.ts";
import { Peer, type PeerContext } from "./peer.ts";
import { PROTOCOL, requestProtocol } from "./protocols.ts";
import { RateLimit } from "./rate-limit.ts";
import { Removed } from "./removed.ts";
import { Answers } from "./requests.ts";
import type { StreamSource } from "./streams.ts";
import type {
	Transport,
	TransportOwner,
	WireConnection,
	WireStream,
} from "./transport.ts";
import { TurnedAway } from "./turned-away.ts";

export interface PeerNetworkOptions {
	/** As in NetworkOptions. */
	readonly announce: readonly string[];
	readonly clock: Clock;
	readonly log: Log;
	readonly random: Random;
}

export class PeerNetwork implements Network, StreamSource {
	readonly self: NodeId;
	readonly #transport: Transport;
	readonly #options: PeerNetworkOptions;
	readonly #gossipRate: RateLimit;
	readonly #answers: Answers;
	readonly #turnedAway: TurnedAway;
	readonly #removed: Removed;
	readonly #peers = new Map<string, Peer>();
	readonly #onPeers = new Listeners<[]>();
	readonly #onLink = new Listeners<[Link]>();
	readonly #onPublished = new Listeners<[NodeId, Uint8Array]>();
	readonly #onRemoved = new Listeners<[NodeId]>();
	readonly #onBody = new Listeners<[NodeId, Duplex, boolean]>();
	/** Body streams that nobody has taken yet. */
	readonly #bodies = new Map<NodeId, { stream: Duplex; initiator: boolean }>();
	readonly #asking: Asking;
	/** Since when a connection is seen without a purpose. */
	readonly #idleSince = new WeakMap<WireConnection, Milliseconds>();
	/** Members that are not to be met yet. */
	#later: ReadonlySet<string> = new Set();
	/** Peers were named once: those that are named later are new members. */
	#named = false;
	#strangersAdmitted = false;
	#told = "";
	#cancelTick: Cancel = () => {};
	#tickAt: Milliseconds;
	#ticks = 0;
	#stopped = false;

	/** `open` starts the transport; who it lets in is asked back from the first moment. */
	static async start(
		options: PeerNetworkOptions,
		open: (owner: TransportOwner) => Promise<Transport>,
	): Promise<PeerNetwork> {
		let network: PeerNetwork | undefined;
		const transport = await open({
			admits: (peer) => network?.admits(peer) ?? false,
			isMember: (peer) => network?.isMember(peer) ?? false,
			published: (from, message) => network?.published(from, message),
		});
		network = new PeerNetwork(transport, options);
		return network;
	}

	private constructor(transport: Transport, options: PeerNetworkOptions) {
		this.#transport = transport;
		this.#options = options;
		this.self = transport.self;
		this.#answers = new Answers(options.clock, options.log);
		this.#asking = new Asking({
			clock: options.clock,
			dialOne: transport.dialOne,
			linked: ({ node }) => this.#peers.get(node)?.session?.connection,
			isKept: ({ node }, connection) =>
				this.#peers.get(node)?.uses(connection) ?? false,
		});
		this.#turnedAway = new TurnedAway(options.clock, options.log);
		this.#removed = new Removed(options.clock, options.log);
		this.#gossipRate = new RateLimit(
			options.clock,
			GOSSIP_PER_SECOND_MAX,
			GOSSIP_BURST_MAX,
		);
		this.#tickAt = options.clock.monotonic();
		this.#member(PROTOCOL.link, (peer, stream, connection) =>
			peer.acceptLink(stream, connection),
		);
		this.#member(PROTOCOL.knock, (peer, stream, connection) =>
			peer.acceptKnock(stream, connection),
		);
		this.#member(PROTOCOL.heartbeat, (peer, stream, connection) =>
			peer.attachHeartbeat(stream, connection),
		);
		this.#member(PROTOCOL.removed, (peer, stream) => {
			stream.abort(new Error("heard"));
			this.#onRemoved.emit(peer.node);
		});
		this.#member(PROTOCOL.bodies, (peer, stream, connection) =>
			peer.attachBody(stream, connection),
		);
		this.#schedule();
	}

	addresses(): readonly string[] {
		const own = this.#transport.listening();
		const port = portOf(own[0] ?? "");
		if (this.#options.announce.length === 0) return own;
		return this.#options.announce.map((text) => parseAnnounce(text, port));
	}

	setPeers(
		peers: readonly PeerAddress[],
		later: readonly PeerAddress[] = [],
	): void {
		if (this.#stopped) return;
		this.#later = new Set(later.map(({ node }) => node));
		const named = new Map(
			peers
				.filter(({ node }) => node !== this.self)
				.slice(0, MEMBERS_MAX)
				.map((peer) => [peer.node as string, peer]),
		);
		for (const [node, peer] of [...this.#peers])
			if (!named.has(node)) this.#cutOff(node, peer);
		for (const [node, address] of named) {
			const known = this.#peers.get(node);
			if (known !== undefined) known.address = address;
			else
				this.#peers.set(node, new Peer(address, this.#context, !this.#named));
		}
		this.#named = true;
		this.#changed();
	}

	setRemoved(nodes: Iterable<NodeId>): void {
		this.#removed.set(nodes);
	}

	onRemoved(run: (by: NodeId) => void): Cancel {
		return this.#onRemoved.add(run);
	}

	peers(): readonly PeerStatus[] {
		return [...this.#peers.values()].map(({ status }) => status);
	}

	onPeers(run: () => void): Cancel {
		return this.#onPeers.add(run);
	}

	onLink(run: (link: Link) => void): Cancel {
		const cancel = this.#onLink.add(run);
		for (const { session } of this.#peers.values())
			if (session !== undefined && session.link.handlers === undefined)
				run(session.link);
		return cancel;
	}

	publish(message: Uint8Array): void {
		if (message.byteLength > GOSSIP_BYTES_MAX)
			throw new RangeError(
				`a gossip message of ${message.byteLength} bytes, at most ${GOSSIP_BYTES_MAX} are allowed`,
			);
		// Bursts kill connections, and a hint may be lost.
		if (!this.#stopped && this.#gossipRate.take())
			this.#transport.publish(message);
	}

	onPublished(run: (from: NodeId, message: Uint8Array) => void): Cancel {
		return this.#onPublished.add(run);
	}

	onBodyStream(
		run: (peer: NodeId, stream: Duplex, initiator: boolean) => void,
	): Cancel {
		const cancel = this.#onBody.add(run);
		for (const [peer, { stream, initiator }] of this.#bodies)
			if (!stream.destroyed) run(peer, stream, initiator);
		this.#bodies.clear();
		return cancel;
	}

	request(
		to: PeerAddress,
		protocol: string,
		body: Uint8Array,
		timeoutMilliseconds: Milliseconds,
	): Promise<Uint8Array> {
		return this.#asking.request(to, protocol, body, timeoutMilliseconds);
	}

	handle(protocol: string, handler: RequestHandler): void {
		const name = requestProtocol(protocol);
		this.#transport.handle(
			name,
			async (stream, connection) => {
				const member = this.#peers.has(connection.remotePeer.toString());
				if (member || this.#strangersAdmitted)
					await this.#answers.answer(stream, connection, handler);
				else stream.abort(new Error("members only"));
			},
			REQUESTS_PER_CONNECTION_MAX,
		);
	}

	admitStrangers(admit: boolean): void {
		this.#strangersAdmitted = admit;
		if (!admit)
			for (const connection of this.#strangers())
				if (!this.#asking.uses(connection))
					connection.abort(new Error("no invite is open"));
	}

	async stop(): Promise<void> {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#cancelTick();
		const stopped = [...this.#peers.values()].map((peer) =>
			peer.stop("the node stops"),
		);
		await Promise.all(stopped);
		this.#peers.clear();
		await this.#transport.stop();
	}

	isMember(peer: string): boolean {
		return this.#peers.has(peer);
	}

	published(from: NodeId, message: Uint8Array): void {
		if (!this.#stopped) this.#onPublished.emit(from, message);
	}

	/** Whether an inbound connection of this peer may be kept. */
	admits(peer: string): boolean {
		if (this.#stopped) return false;
		if (this.#peers.has(peer)) return true;
		const admitted = this.#strangersAdmitted || this.#removed.has(peer);
		if (admitted && this.#strangers().length < STRANGERS_MAX) return true;
		// Who asks to join knows no members yet; the one that admits it may be the first to dial.
		const isExpected = !this.#named || this.#later.has(peer);
		if (!isExpected) this.#turnedAway.stranger(peer);
		return false;
	}

	get #context(): PeerContext {
		return {
			self: this.self,
			clock: this.#options.clock,
			log: this.#options.log,
			random: this.#options.random,
			transport: this.#transport,
			onLink: (link) => this.#onLink.emit(link),
			onBody: (peer, stream, initiator) => {
				if (this.#onBody.size > 0) this.#onBody.emit(peer, stream, initiator);
				else this.#bodies.set(peer, { stream, initiator });
			},
			changed: () => this.#changed(),
		};
	}

	#strangers(): WireConnection[] {
		return this.#transport
			.connections()
			.filter(({ remotePeer }) => !this.#peers.has(remotePeer.toString()));
	}

	#cutOff(node: string, peer: Peer): void {
		this.#peers.delete(node);
		this.#bodies.delete(peer.node);
		const link = peer.session?.connection;
		void peer.stop("not a member any more");
		for (const connection of this.#transport.connections())
			if (connection.remotePeer.toString() === node && connection !== link)
				connection.abort(new Error("not a member any more"));
	}

	#changed(): void {
		// Who asks one member after another for the documents has others to try.
		if (this.#later.size === 0) this.#turnedAway.peers(this.peers());
		const now = [...this.#peers.values()]
			.map(({ node, state }) => `${node} ${state}`)
			.join();
		if (now === this.#told || this.#stopped) return;
		this.#told = now;
		this.#onPeers.emit();
	}

	/** A protocol for members; a stranger who tries it loses the connection. */
	#member(
		protocol: string,
		run: (
			peer: Peer,
			stream: WireStream,
			connection: WireConnection,
		) => void | Promise<void>,
	): void {
		this.#transport.handle(
			protocol,
			(stream, connection) => {
				const peer = this.#peers.get(connection.remotePeer.toString());
				if (peer !== undefined) return run(peer, stream, connection);
				if (this.#removed.has(connection.remotePeer.toString()))
					return this.#removed.tell(connection);
				connection.abort(new Error("members only"));
			},
			REQUESTS_PER_CONNECTION_MAX,
		);
	}

	#schedule(): void {
		const { clock } = this.#options;
		this.#cancelTick = clock.after(TICK_MILLISECONDS, () => {
			const now = clock.monotonic();
			const elapsed = now - this.#tickAt;
			this.#tickAt = now;
			this.#schedule();
			this.#tick(elapsed);
		});
	}

	#tick(elapsedMilliseconds: number): void {
		this.#ticks++;
		for (const peer of this.#peers.values()) {
			peer.tick(elapsedMilliseconds);
			if (this.#ticks % 2 === 0) peer.beat();
		}
		this.#sweep();
	}

	/** Closes connections that have no purpose (any more): spare ones between members, strangers that overstay. */
	#sweep(): void {
		const now = this.#options.clock.monotonic();
		for (const connection of this.#transport.connections()) {
			const peer = this.#peers.get(connection.remotePeer.toString());
			if (peer?.uses(connection) || this.#asking.uses(connection)) continue;
			const since = this.#idleSince.get(connection) ?? now;
			this.#idleSince.set(connection, since);
			const idleMax =
				peer === undefined
					? STRANGER_MILLISECONDS_MAX
					: CONNECTION_SPARE_MILLISECONDS_MAX;
			if (now - since > idleMax) connection.abort(new Error("no purpose"));
		}
	}
}
