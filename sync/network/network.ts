/**
 * The real network: what sync/ports/network.ts promises, on libp2p. This folder knows sockets, keys and streams; it
 * never looks into a message, and nothing outside it knows libp2p. Reading order: liveness.ts (when a peer is up),
 * peer.ts (one pair's link), session.ts (what goes with a link), framed.ts (messages on a stream), peer-network.ts
 * (all peers), libp2p.ts. All but the last run on the simulated transport as well (sync/sim/network.ts).
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { type HostPort, parseAnnounce } from "./addresses.ts";
import { loadIdentity, parseIdentity } from "./identity.ts";
import { startLibp2p } from "./libp2p.ts";
import { PeerNetwork } from "./peer-network.ts";
import type { StreamSource } from "./streams.ts";

export interface NetworkOptions {
	/** File of the node's key, made (0600) on the first start; or the key itself as libp2p's protobuf. */
	readonly identity:
		| { readonly file: string }
		| { readonly privateKey: Uint8Array };
	/** Port 0 takes any free one. */
	readonly listen: HostPort;
	/** Multiaddrs or `H:P` that peers dial; empty: where it listens. Port 0 stands for the port listened on. */
	readonly announce: readonly string[];
	readonly clock: Clock;
	readonly log: Log;
	/** Names links and spreads redials; default: the system's. */
	readonly random?: Random;
}

const systemRandom: Random = { bytes: (length) => randomBytes(length) };

/** Starts the node's network. Throws OperatorFault when the key, an address or the port cannot be used. */
export async function openNetwork(
	options: NetworkOptions,
): Promise<Network & StreamSource> {
	const { announce, clock, identity, listen, log } = options;
	for (const text of announce) parseAnnounce(text, listen.port);
	const privateKey =
		"file" in identity
			? await loadIdentity(identity.file)
			: parseIdentity(identity.privateKey, "the given key");
	const random = options.random ?? systemRandom;
	return PeerNetwork.start({ announce, clock, log, random }, (owner) =>
		startLibp2p({ privateKey, listen, clock, log, owner }),
	);
}
