/**
 * A simulated network: many nodes in one process on a simulated clock. Only the transport is simulated (addresses,
 * connections, streams, gossip); what agrees on links, measures silence and redials is the production code of
 * sync/network. Lines have delays and can be cut in one or both directions; processes can be killed.
 */
import type { NodeId } from "../ids.ts";
import { PeerNetwork } from "../network/peer-network.ts";
import type { StreamSource } from "../network/streams.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import { mortal } from "./clock.ts";
import { Line } from "./line.ts";
import type { SimRandom } from "./random.ts";
import { SimTransport, type World } from "./transport.ts";

/** Shortest and longest one-way delay of a line. */
export type DelayRange = readonly [
	minMilliseconds: number,
	maxMilliseconds: number,
];

export interface SimNetworkOptions {
	/** True time; nodes may be given views of it. */
	readonly clock: Clock;
	readonly random: SimRandom;
	/** Default 1 to 5 ms. */
	readonly delayMilliseconds?: DelayRange | undefined;
	/** Probability that a gossip message is lost on one line. Default 0. */
	readonly gossipLoss?: number | undefined;
	/** Probability that a node takes a gossip message that it has heard already for a new one. Default 0. */
	readonly gossipDuplicates?: number | undefined;
}

/** TCP takes up a connection that was cut after as long again at the latest, and within this. */
const RETRANSMIT_MILLISECONDS_MAX = 60_000;

const silent: Log = {
	debug() {},
	info() {},
	warn() {},
	error() {},
	child: () => silent,
};

interface Process {
	readonly transport: SimTransport;
	kill(): void;
}

export class SimNetworkWorld implements World {
	readonly clock: Clock;
	readonly #random: SimRandom;
	readonly #gossipLoss: number;
	readonly #gossipDuplicates: number;
	/** How many were sent on connections: links, heartbeats, requests. */
	messages = 0;
	#defaultDelay: DelayRange;
	readonly #delays = new Map<string, DelayRange>();
	/** Since when a direction is cut. */
	readonly #cuts = new Map<string, number>();
	readonly #processes = new Map<NodeId, Process>();
	readonly #addresses = new Map<NodeId, string>();
	/** Lines on which something is under way, with where they lead. */
	readonly #busy = new Map<Line, string>();

	constructor(options: SimNetworkOptions) {
		this.clock = options.clock;
		this.#random = options.random;
		this.#defaultDelay = options.delayMilliseconds ?? [1, 5];
		this.#gossipLoss = options.gossipLoss ?? 0;
		this.#gossipDuplicates = options.gossipDuplicates ?? 0;
	}

	/**
	 * Starts the network of a node. It has the same address in each of its runs. Throws when it runs already: stop or
	 * kill it first.
	 */
	async open(
		node: NodeId,
		options: { clock?: Clock; log?: Log } = {},
	): Promise<Network & StreamSource> {
		if (this.#processes.has(node)) throw new Error(`${node} runs already`);
		const { clock, kill } = mortal(options.clock ?? this.clock);
		return PeerNetwork.start(
			{
				announce: [],
				clock,
				log: options.log ?? silent,
				random: this.#random.fork(`${node} ${this.clock.monotonic()}`),
			},
			async (owner) => {
				const transport = new SimTransport(this, node, owner);
				this.#processes.set(node, { transport, kill });
				return transport;
			},
		);
	}

	/** kill -9: the process is gone, its connections are reset by the system, and dials to it are refused. */
	kill(node: NodeId): void {
		const process = this.#processes.get(node);
		this.#processes.delete(node);
		process?.kill();
		process?.transport.die();
	}

	/** Nothing from `from` reaches `to` any more; the other direction is as it was. */
	cut(from: NodeId, to: NodeId): void {
		const direction = `${from} ${to}`;
		if (!this.#cuts.has(direction))
			this.#cuts.set(direction, this.clock.monotonic());
	}

	/** Ends a cut of one direction. */
	mend(from: NodeId, to: NodeId): void {
		const since = this.#cuts.get(`${from} ${to}`);
		if (since === undefined) return;
		this.#cuts.delete(`${from} ${to}`);
		const longest = Math.min(
			this.clock.monotonic() - since,
			RETRANSMIT_MILLISECONDS_MAX,
		);
		for (const [line, direction] of this.#busy)
			if (direction === `${from} ${to}`)
				line.resume(this.#random.integer(0, longest));
	}

	/** Cuts all lines between nodes of different groups, silently; nodes in no group keep theirs. */
	split(...groups: readonly (readonly NodeId[])[]): void {
		for (const group of groups)
			for (const other of groups)
				if (group !== other)
					for (const from of group) for (const to of other) this.cut(from, to);
	}

	/** Ends all cuts. */
	heal(): void {
		for (const direction of [...this.#cuts.keys()]) {
			const [from, to] = direction.split(" ") as [NodeId, NodeId];
			this.mend(from, to);
		}
	}

	/** Resets the connections between two nodes, as a middlebox would. */
	breakConnections(one: NodeId, other: NodeId): void {
		for (const connection of this.process(one)?.connections() ?? [])
			if (connection.remotePeer.toString() === other)
				connection.abort(new Error("connection reset"));
	}

	/** One-way delay between two nodes from now on, both ways; without nodes: of all lines that have none of their own. */
	setDelay(range: DelayRange, between?: readonly [NodeId, NodeId]): void {
		if (between === undefined) {
			this.#defaultDelay = range;
			return;
		}
		const [one, other] = between;
		this.#delays.set(`${one} ${other}`, range);
		this.#delays.set(`${other} ${one}`, range);
	}

	isCut(from: NodeId, to: NodeId): boolean {
		return this.#cuts.has(`${from} ${to}`);
	}

	/** A drawn one-way delay. */
	delay(from: NodeId, to: NodeId): number {
		const [min, max] = this.#delays.get(`${from} ${to}`) ?? this.#defaultDelay;
		return min + this.#random.fraction() * (max - min);
	}

	/** The node's address, made when it is first asked for. */
	address(node: NodeId): string {
		const known = this.#addresses.get(node);
		if (known !== undefined) return known;
		const address = `/ip4/10.0.${this.#addresses.size >> 8}.${(this.#addresses.size & 255) + 1}/tcp/2401`;
		this.#addresses.set(node, address);
		return address;
	}

	process(node: NodeId): SimTransport | undefined {
		return this.#processes.get(node)?.transport;
	}

	nodeAt(address: string): NodeId | undefined {
		for (const [node, known] of this.#addresses)
			if (known === address) return node;
		return undefined;
	}

	after(delayMilliseconds: number, run: () => void): Cancel {
		return this.clock.after(delayMilliseconds, run);
	}

	line(from: NodeId, to: NodeId): Line {
		return new Line({
			clock: this.clock,
			delay: () => this.delay(from, to),
			cut: () => this.isCut(from, to),
			sent: () => {
				this.messages++;
			},
			busy: (line, busy) => {
				if (busy) this.#busy.set(line, `${from} ${to}`);
				else this.#busy.delete(line);
			},
		});
	}

	/** One packet, which is lost when the way is cut at its arrival. */
	packet(from: NodeId, to: NodeId, arrive: () => void): void {
		this.clock.after(this.delay(from, to), () => {
			if (!this.isCut(from, to)) arrive();
		});
	}

	/** A gossip message between neighbours: as a packet, and lost now and then. */
	gossip(from: NodeId, to: NodeId, arrive: () => void): void {
		if (this.#gossipLoss > 0 && this.#random.chance(this.#gossipLoss)) return;
		this.packet(from, to, arrive);
	}

	hearsAgain(): boolean {
		return (
			this.#gossipDuplicates > 0 && this.#random.chance(this.#gossipDuplicates)
		);
	}

	ended(process: SimTransport): void {
		if (this.process(process.self) === process)
			this.#processes.delete(process.self);
	}
}
