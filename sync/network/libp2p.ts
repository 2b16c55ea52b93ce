/**
 * libp2p as this project uses it: TCP, noise, yamux, identify, ping and gossip, with the settings that were measured.
 * No other file makes a libp2p node or knows of its services. libp2p's own reconnecting and peer scoring stay unused:
 * who is dialled when is decided in peer.ts.
 */
import { createServer } from "node:net";
import {
	type GossipSub,
	type GossipSubComponents,
	gossipsub,
} from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type {
	Connection,
	ConnectionGater,
	Libp2p,
	MultiaddrConnection,
	PrivateKey,
} from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { OperatorFault } from "../faults.ts";
import { nodeId } from "../ids.ts";
import {
	INBOUND_PENDING_MAX,
	INBOUND_PENDING_MILLISECONDS_MAX,
	INBOUND_PENDING_PER_SOURCE_MAX,
	LINK_MESSAGE_BYTES_MAX,
	STREAM_WINDOW_BYTES_MAX,
} from "../limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import {
	type HostPort,
	sourceOf,
	toListenMultiaddr,
	withoutPeer,
} from "./addresses.ts";
import { GOSSIP_TOPIC, GossipGate, joinGossip } from "./gossip.ts";
import { withOneWrite } from "./one-write.ts";
import type { Transport, TransportOwner } from "./transport.ts";

export interface Libp2pOptions {
	readonly privateKey: PrivateKey;
	readonly listen: HostPort;
	readonly clock: Clock;
	readonly log: Log;
	readonly owner: TransportOwner;
}

/** Services of libp2p that are no services, but what its own parts are handed: the way to dial without its queue. */
interface Parts {
	readonly transportManager: {
		dial(
			address: Multiaddr,
			options: { signal: AbortSignal },
		): Promise<Connection>;
	};
}

/** Starts listening. Throws OperatorFault when the port is taken or cannot be listened on. */
export async function startLibp2p(options: Libp2pOptions): Promise<Transport> {
	const listen = await toListenMultiaddr(options.listen);
	const gate = new GossipGate(options.clock);
	const libp2p = await createHost(options, listen, gate);
	try {
		await libp2p.start();
	} catch (error) {
		await libp2p.stop();
		throw await explainListen(options.listen, error as Error);
	}
	const { gossip, transports } = libp2p.services;
	const publish = joinGossip(gossip, options.log, options.owner);
	return {
		self: nodeId(libp2p.peerId.toString()),
		listening: () =>
			libp2p.getMultiaddrs().map((address) => withoutPeer(address.toString())),
		dialOne: async (address, signal) =>
			transports.dial(multiaddr(address), signal),
		connections: () => libp2p.getConnections(),
		handle: (protocol, handler, maxInboundStreams) => {
			libp2p
				.handle(protocol, handler, { maxInboundStreams, force: true })
				.catch((error: Error) =>
					options.log.error("a protocol is not served", { protocol, error }),
				);
		},
		linked: (connection) => gate.linked(connection as Connection),
		unlinked: (connection) => gate.unlinked(connection as Connection),
		repair: (connection) => gate.repair(connection as Connection),
		publish,
		stop: () => stopHost(libp2p, gossip),
	};
}

function createHost(options: Libp2pOptions, listen: string, gate: GossipGate) {
	return createLibp2p({
		start: false,
		privateKey: options.privateKey,
		addresses: { listen: [listen] },
		transports: [tcp()],
		connectionEncrypters: [withOneWrite(noise())],
		streamMuxers: [
			yamux({
				streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX },
			}),
		],
		connectionGater: gater(options.owner),
		connectionManager: {
			inboundConnectionThreshold: 100,
			maxIncomingPendingConnections: INBOUND_PENDING_MAX,
			inboundUpgradeTimeout: INBOUND_PENDING_MILLISECONDS_MAX,
			reconnectRetries: 0,
		},
		connectionMonitor: {
			pingInterval: 5_000,
			pingTimeout: { minTimeout: 15_000, maxTimeout: 30_000 },
		},
		services: {
			identify: identify(),
			ping: ping({ maxInboundStreams: 32, maxOutboundStreams: 32 }),
			gossip: (components: GossipSubComponents): GossipSub =>
				gossipsub(gossipSettings)(gate.narrow(components)),
			transports: ({ transportManager }: Parts) => ({
				dial: (address: Multiaddr, signal: AbortSignal) =>
					transportManager.dial(address, { signal }),
			}),
		},
	});
}

/** Members trust each other, so scores are off: they would shut out ten nodes on one address. */
const gossipSettings = {
	allowPublishToZeroTopicPeers: true,
	allowedTopics: [GOSSIP_TOPIC],
	fallbackToFloodsub: false,
	floodPublish: true,
	maxInboundDataLength: LINK_MESSAGE_BYTES_MAX,
	maxOutboundBufferSize: STREAM_WINDOW_BYTES_MAX,
	maxInboundStreams: 8,
	maxOutboundStreams: 8,
	scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
	tagMeshPeers: false,
};

/**
 * Outbound connections are our own wish. An inbound one is refused when its peer is not admitted, and before that when
 * its source has too many that have not said yet who they are.
 */
function gater(owner: TransportOwner): ConnectionGater {
	const pending = new Map<string, number>();
	const waiting = new WeakMap<MultiaddrConnection, () => void>();
	return {
		denyInboundConnection: (connection) => {
			const source = sourceOf(connection.remoteAddr.toString());
			const count = pending.get(source) ?? 0;
			if (count >= INBOUND_PENDING_PER_SOURCE_MAX) return true;
			pending.set(source, count + 1);
			const done = (): void => {
				if (!waiting.delete(connection)) return;
				const left = (pending.get(source) ?? 1) - 1;
				if (left > 0) pending.set(source, left);
				else pending.delete(source);
			};
			waiting.set(connection, done);
			connection.addEventListener("close", done);
			return false;
		},
		denyInboundEncryptedConnection: (peer, connection) => {
			waiting.get(connection)?.();
			return !owner.admits(peer.toString());
		},
	};
}

/** libp2p closes in order, which waits for peers that may be gone; its connections are dropped first. */
async function stopHost(libp2p: Libp2p, gossip: GossipSub): Promise<void> {
	for (const connection of libp2p.getConnections())
		connection.abort(new Error("stopping"));
	// gossipsub leaves this timer behind, which keeps the process alive for up to a second.
	const { status } = gossip as unknown as {
		status?: { heartbeatTimeout?: NodeJS.Timeout };
	};
	clearTimeout(status?.heartbeatTimeout);
	await libp2p.stop();
}

/** libp2p says that it could not listen, not why: ask the system. */
async function explainListen(
	listen: HostPort,
	error: Error,
): Promise<OperatorFault> {
	const where = `${listen.host}:${listen.port}`;
	const code = await listenError(listen);
	if (code === "EADDRINUSE" || /EADDRINUSE/.test(error.message))
		return new OperatorFault(
			`port ${listen.port} of ${listen.host} is taken (--p2p ${where}): stop what listens there, or give another port`,
		);
	return new OperatorFault(
		`cannot listen on --p2p ${where}: ${code ?? error.message.split("\n")[0]}`,
	);
}

function listenError({ host, port }: HostPort): Promise<string | undefined> {
	return new Promise((resolve) => {
		const server = createServer();
		server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
		server.listen({ host, port }, () => server.close(() => resolve(undefined)));
	});
}
