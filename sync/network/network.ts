/**
 * The real network: what sync/ports/network.ts promises, on libp2p. This folder knows sockets, keys and streams; it
 * never looks into a message, and nothing outside it knows libp2p. Reading order: liveness.ts (when a peer is up),
 * peer.ts (one pair's link), session.ts (what goes with a link), framed.ts (messages on a stream), host.ts (libp2p).
 */
import type { Duplex } from "node:stream";
import type { Connection, Stream } from "@libp2p/interface";
import { Temporary } from "../faults.ts";
import { type Milliseconds, type NodeId, nodeId } from "../ids.ts";
import {
	CONNECTION_SPARE_MILLISECONDS_MAX,
	MEMBERS_MAX,
	REQUEST_BYTES_MAX,
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
import {
	type HostPort,
	parseAnnounce,
	portOf,
	withoutPeer,
} from "./addresses.ts";
import { DialRound } from "./dial.ts";
import { Gossip, GossipGate } from "./gossip.ts";
import { type Host, startHost } from "./host.ts";
import { loadIdentity, parseIdentity } from "./identity.ts";
import { Listeners } from "./listeners.ts";
import { TICK_MILLISECONDS } from "./liveness.ts";
import { Peer, type PeerContext } from "./peer.ts";
import { PROTOCOL, requestProtocol, within } from "./protocols.ts";
import { Answers, ask } from "./requests.ts";
import type { StreamSource } from "./streams.ts";

export interface NetworkOptions {
	/** File of the node's key, made on the first start; or the key itself (libp2p protobuf). */
	readonly identity:
		| { readonly file: string }
		| { readonly privateKey: Uint8Array };
	/** Port 0 takes any free one. */
	readonly listen: HostPort;
	/** Multiaddrs or `H:P` that peers dial; empty: where it listens. Port 0 stands for the port listened on. */
	readonly announce: readonly string[];
	readonly clock: Clock;
	readonly log: Log;
}

/** Starts the node's network. Throws OperatorFault when the key, an address or the port cannot be used. */
export async function openNetwork(
	options: NetworkOptions,
): Promise<Network & StreamSource> {
	const privateKey =
		"file" in options.identity
			? await loadIdentity(options.identity.file)
			: parseIdentity(options.identity.privateKey, "the given key");
	const gossipGate = new GossipGate();
	const admission = new Admission();
	for (const text of options.announce) parseAnnounce(text, options.listen.port);
	const host = await startHost({
		privateKey,
		listen: options.listen,
		admit: (peer) => admission.admits(peer),
		gossipGate,
	});
	const network = new Libp2pNetwork(host, gossipGate, admission, options);
	await network.start();
	return network;
}

/** Who may open a connection to us. */
class Admission {
	network: Libp2pNetwork | undefined;

	admits(peer: string): boolean {
		return this.network?.admits(peer) ?? false;
	}
}

class Libp2pNetwork implements Network, StreamSource {
	readonly self: NodeId;
	readonly #host: Host;
	readonly #options: NetworkOptions;
	readonly #gossipGate: GossipGate;
	readonly #gossip: Gossip;
	readonly #answers: Answers;
	readonly #peers = new Map<string, Peer>();
	readonly #onPeers = new Listeners<[]>();
	readonly #onLink = new Listeners<[Link]>();
	readonly #onPublished = new Listeners<[NodeId, Uint8Array]>();
	readonly #onBody = new Listeners<[NodeId, Duplex, boolean]>();
	/** Body streams that nobody has taken yet. */
	readonly #bodies = new Map<NodeId, { stream: Duplex; initiator: boolean }>();
	readonly #asking = new Set<Connection>();
	/** Since when a connection is seen without a purpose. */
	readonly #idleSince = new WeakMap<Connection, Milliseconds>();
	#strangersAdmitted = false;
	#told = "";
	#cancelTick: Cancel = () => {};
	#tickAt: Milliseconds;
	#ticks = 0;
	#stopped = false;

	constructor(
		host: Host,
		gossipGate: GossipGate,
		admission: Admission,
		options: NetworkOptions,
	) {
		this.#host = host;
		this.#options = options;
		this.#gossipGate = gossipGate;
		this.self = nodeId(host.libp2p.peerId.toString());
		this.#answers = new Answers(options.clock, options.log);
		this.#tickAt = options.clock.monotonic();
		this.#gossip = new Gossip(
			host.gossip,
			options.clock,
			options.log,
			(peer) => this.#peers.has(peer),
			(from, message) => this.#onPublished.emit(nodeId(from), message),
		);
		admission.network = this;
	}

	/** Registers our protocols and begins to tick. */
	async start(): Promise<void> {
		await this.#member(PROTOCOL.link, (peer, stream, connection) =>
			peer.acceptLink(stream, connection),
		);
		await this.#member(PROTOCOL.knock, (peer, stream, connection) =>
			peer.acceptKnock(stream, connection),
		);
		await this.#member(PROTOCOL.heartbeat, (peer, stream, connection) =>
			peer.attachHeartbeat(stream, connection),
		);
		await this.#member(PROTOCOL.bodies, (peer, stream, connection) =>
			peer.attachBody(stream, connection),
		);
		this.#schedule();
	}

	addresses(): readonly string[] {
		const own = this.#host.libp2p
			.getMultiaddrs()
			.map((address) => withoutPeer(address.toString()));
		const port = portOf(own[0] ?? "");
		if (this.#options.announce.length === 0) return own;
		return this.#options.announce.map((text) => parseAnnounce(text, port));
	}

	setPeers(peers: readonly PeerAddress[]): void {
		if (this.#stopped) return;
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
			else this.#peers.set(node, new Peer(address, this.#context));
		}
		this.#changed();
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
		if (!this.#stopped) this.#gossip.publish(message);
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

	async request(
		to: PeerAddress,
		protocol: string,
		body: Uint8Array,
		timeoutMilliseconds: Milliseconds,
	): Promise<Uint8Array> {
		if (body.byteLength > REQUEST_BYTES_MAX)
			throw new RangeError(
				`a question of ${body.byteLength} bytes, at most ${REQUEST_BYTES_MAX} are allowed`,
			);
		const name = requestProtocol(protocol);
		const { clock } = this.#options;
		const start = clock.monotonic();
		const linked = this.#peers.get(to.node)?.session?.connection;
		const connection = linked ?? (await this.#dial(to, timeoutMilliseconds));
		const left = timeoutMilliseconds - (clock.monotonic() - start);
		this.#asking.add(connection);
		try {
			return await ask(connection, name, body, clock, left);
		} finally {
			this.#asking.delete(connection);
			if (!this.#peers.get(to.node)?.uses(connection))
				connection.abort(new Error("answered"));
		}
	}

	handle(protocol: string, handler: RequestHandler): void {
		const name = requestProtocol(protocol);
		void this.#host.libp2p.handle(
			name,
			async (stream, connection) => {
				const member = this.#peers.has(connection.remotePeer.toString());
				if (member || this.#strangersAdmitted)
					await this.#answers.answer(stream, connection, handler);
				else stream.abort(new Error("members only"));
			},
			{ maxInboundStreams: REQUESTS_PER_CONNECTION_MAX, force: true },
		);
	}

	admitStrangers(admit: boolean): void {
		this.#strangersAdmitted = admit;
		if (!admit)
			for (const connection of this.#strangers())
				if (!this.#asking.has(connection))
					connection.abort(new Error("no invite is open"));
	}

	async stop(): Promise<void> {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#cancelTick();
		for (const peer of this.#peers.values()) peer.stop("the node stops");
		this.#peers.clear();
		await this.#host.stop();
	}

	/** Whether an inbound connection of this peer may be kept. */
	admits(peer: string): boolean {
		if (this.#stopped) return false;
		if (this.#peers.has(peer)) return true;
		return this.#strangersAdmitted && this.#strangers().length < STRANGERS_MAX;
	}

	get #context(): PeerContext {
		return {
			self: this.self,
			clock: this.#options.clock,
			log: this.#options.log,
			dialOne: this.#host.dialOne,
			gossipGate: this.#gossipGate,
			onLink: (link) => this.#onLink.emit(link),
			onBody: (peer, stream, initiator) => {
				if (this.#onBody.size > 0) this.#onBody.emit(peer, stream, initiator);
				else this.#bodies.set(peer, { stream, initiator });
			},
			changed: () => this.#changed(),
		};
	}

	#strangers(): Connection[] {
		return this.#host.libp2p
			.getConnections()
			.filter(({ remotePeer }) => !this.#peers.has(remotePeer.toString()));
	}

	#cutOff(node: string, peer: Peer): void {
		this.#peers.delete(node);
		this.#bodies.delete(peer.node);
		const link = peer.session?.connection;
		peer.stop("not a member any more");
		for (const connection of this.#host.libp2p.getConnections())
			if (connection.remotePeer.toString() === node && connection !== link)
				connection.abort(new Error("not a member any more"));
	}

	#changed(): void {
		const now = [...this.#peers.values()]
			.map(({ node, state }) => `${node} ${state}`)
			.join();
		if (now === this.#told || this.#stopped) return;
		this.#told = now;
		this.#onPeers.emit();
	}

	async #dial(
		to: PeerAddress,
		timeoutMilliseconds: Milliseconds,
	): Promise<Connection> {
		const { clock } = this.#options;
		const round = new DialRound(clock, this.#host.dialOne, to);
		try {
			return await within(
				clock,
				timeoutMilliseconds,
				"no answer in time",
				round.connection,
			);
		} catch (error) {
			round.cancel();
			const reason = (error as Error).message.split("\n")[0];
			throw new Temporary(`cannot reach ${to.node}: ${reason}`);
		}
	}

	/** A protocol for members; a stranger who tries it loses the connection. */
	async #member(
		protocol: string,
		run: (
			peer: Peer,
			stream: Stream,
			connection: Connection,
		) => void | Promise<void>,
	): Promise<void> {
		await this.#host.libp2p.handle(
			protocol,
			(stream, connection) => {
				const peer = this.#peers.get(connection.remotePeer.toString());
				if (peer !== undefined) return run(peer, stream, connection);
				connection.abort(new Error("members only"));
			},
			{ maxInboundStreams: REQUESTS_PER_CONNECTION_MAX },
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
		for (const connection of this.#host.libp2p.getConnections()) {
			const peer = this.#peers.get(connection.remotePeer.toString());
			if (peer?.uses(connection) || this.#asking.has(connection)) continue;
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
