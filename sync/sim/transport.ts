/** One process on the simulated network: what libp2p is in a real one. */
import type { NodeId } from "../ids.ts";
import type {
	StreamHandler,
	Transport,
	TransportOwner,
	WireConnection,
} from "../network/transport.ts";
import type { Cancel } from "../ports/clock.ts";
import { SimConnection, type Wire } from "./connection.ts";

/** How long TCP waits between attempts to connect. */
const SYN_MILLISECONDS = 1_000;
/** Messages a node remembers so as to pass each on once. */
const GOSSIP_SEEN_MAX = 10_000;

/** What a process needs of its world. */
export interface World {
	packet(from: NodeId, to: NodeId, arrive: () => void): void;
	gossip(from: NodeId, to: NodeId, arrive: () => void): void;
	/** Whether a message that was heard already is told again, as when it was forgotten meanwhile. */
	hearsAgain(): boolean;
	after(delayMilliseconds: number, run: () => void): Cancel;
	line(from: NodeId, to: NodeId): Wire;
	address(node: NodeId): string;
	/** Who has the address, running or not. */
	nodeAt(address: string): NodeId | undefined;
	process(node: NodeId): SimTransport | undefined;
	ended(process: SimTransport): void;
}

interface GossipMessage {
	readonly author: NodeId;
	readonly bytes: Uint8Array;
}

const refused = (): Error =>
	Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });

export class SimTransport implements Transport {
	readonly self: NodeId;
	readonly #world: World;
	readonly #owner: TransportOwner;
	readonly #connections = new Set<SimConnection>();
	readonly #protocols = new Map<
		string,
		{ handler: StreamHandler; streamsMax: number }
	>();
	/** Connections that carry a link, by peer. */
	readonly #linked = new Map<string, WireConnection>();
	#seen = new Set<GossipMessage>();
	#alive = true;

	constructor(world: World, self: NodeId, owner: TransportOwner) {
		this.#world = world;
		this.self = self;
		this.#owner = owner;
	}

	listening(): readonly string[] {
		return [this.#world.address(this.self)];
	}

	connections(): readonly WireConnection[] {
		return [...this.#connections];
	}

	handle(protocol: string, handler: StreamHandler, streamsMax: number): void {
		this.#protocols.set(protocol, { handler, streamsMax });
	}

	linked(connection: WireConnection): void {
		this.#linked.set(connection.remotePeer.toString(), connection);
	}

	unlinked(connection: WireConnection): void {
		const peer = connection.remotePeer.toString();
		if (this.#linked.get(peer) === connection) this.#linked.delete(peer);
	}

	repair(): void {}

	publish(bytes: Uint8Array): void {
		const message = { author: this.self, bytes: bytes.slice() };
		this.#seen.add(message);
		this.#pass(message);
	}

	async stop(): Promise<void> {
		for (const connection of this.#connections)
			connection.abort(new Error("stopping"));
		this.#alive = false;
		this.#world.ended(this);
	}

	/** The process is killed: nothing more happens in it, and the system resets its connections. */
	die(): void {
		this.#alive = false;
		this.#protocols.clear();
		for (const connection of this.#connections) connection.vanish();
		this.#connections.clear();
		this.#linked.clear();
	}

	/** Two round trips: one to connect, repeated while nothing comes back, and one to prove who is who. */
	dialOne = (address: string, signal: AbortSignal): Promise<WireConnection> => {
		const [, where = "", peer = ""] = /^(.*)\/p2p\/(.*)$/.exec(address) ?? [];
		const node = this.#world.nodeAt(where);
		return new Promise((resolve, reject) => {
			let over = false;
			let cancelSyn: Cancel = () => {};
			const fail = (error: Error): void => {
				over = true;
				cancelSyn();
				reject(error);
			};
			signal.addEventListener("abort", () => fail(signal.reason as Error));
			const syn = (): void => {
				if (over || !this.#alive) return;
				cancelSyn = this.#world.after(SYN_MILLISECONDS, syn);
				if (node !== undefined) this.#syn(node, answered);
			};
			const answered = (listening: boolean): void => {
				if (over || node === undefined) return;
				cancelSyn();
				over = true;
				if (!listening) reject(refused());
				else if (node !== peer) reject(new Error("another peer answered"));
				else this.#upgrade(node, signal, resolve, reject);
			};
			syn();
		});
	};

	#syn(node: NodeId, answered: (listening: boolean) => void): void {
		this.#world.packet(this.self, node, () => {
			const listening = this.#world.process(node) !== undefined;
			this.#world.packet(node, this.self, () => answered(listening));
		});
	}

	/** The listener decides when it knows who dials; the dialler then has a connection that may close at once. */
	#upgrade(
		node: NodeId,
		signal: AbortSignal,
		resolve: (connection: WireConnection) => void,
		reject: (error: Error) => void,
	): void {
		const there = this.#world.line(this.self, node);
		const back = this.#world.line(node, this.self);
		const here = new SimConnection(node, there, this.#protocols);
		signal.addEventListener("abort", () => reject(signal.reason as Error));
		there.send(() => {
			const process = this.#world.process(node);
			if (process === undefined) back.send(() => reject(refused()));
			else process.#accept(here, this.self, back);
			back.send(() => {
				if (signal.aborted || !this.#alive) return here.vanish();
				this.#add(here);
				resolve(here);
				if (!here.joined) here.end(new Error("closed by the other end"));
			});
		});
	}

	#accept(dialler: SimConnection, peer: NodeId, wire: Wire): void {
		if (!this.#owner.admits(peer)) return;
		const connection = new SimConnection(peer, wire, this.#protocols);
		connection.join(dialler);
		this.#add(connection);
	}

	#add(connection: SimConnection): void {
		this.#connections.add(connection);
		connection.addEventListener("close", () =>
			this.#connections.delete(connection),
		);
	}

	#pass(message: GossipMessage): void {
		if (this.#seen.size > GOSSIP_SEEN_MAX) this.#seen = new Set([message]);
		for (const peer of this.#linked.keys())
			this.#world.gossip(this.self, peer as NodeId, () =>
				this.#world.process(peer as NodeId)?.hear(message),
			);
	}

	/** A message came from a neighbour. */
	hear(message: GossipMessage): void {
		if (!this.#alive || !this.#owner.isMember(message.author)) return;
		if (this.#seen.has(message)) {
			if (message.author !== this.self && this.#world.hearsAgain())
				this.#owner.published(message.author, message.bytes);
			return;
		}
		this.#seen.add(message);
		this.#owner.published(message.author, message.bytes);
		this.#pass(message);
	}
}
