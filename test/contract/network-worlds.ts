/** The two worlds in which the facts of network.test.ts must hold: loopback with libp2p, and the simulated network. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodeId, nodeId } from "../../sync/ids.ts";
import { portOf } from "../../sync/network/addresses.ts";
import { openNetwork } from "../../sync/network/network.ts";
import type { StreamSource } from "../../sync/network/streams.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Network, PeerAddress } from "../../sync/ports/network.ts";
import { realClock } from "../../sync/real/clock.ts";
import { SimClock } from "../../sync/sim/clock.ts";
import { SimNetworkWorld } from "../../sync/sim/network.ts";
import { simRandom } from "../../sync/sim/random.ts";

export type Node = Network & StreamSource;

export interface World {
	/** Starts the node of this name; again after it was stopped: the same id and address. */
	open(name: string): Promise<Node>;
	/** Resolves when the fact holds; rejects, naming it, after the time. */
	until(
		fact: string,
		holds: () => boolean,
		timeoutMilliseconds?: number,
	): Promise<void>;
	/** The promise's result; a simulated world lets time pass meanwhile. */
	settle<T>(promise: Promise<T>): Promise<T>;
	/** Lets time pass, for facts that must not come true. */
	pass(milliseconds: number): Promise<void>;
	close(): Promise<void>;
}

export const quiet: Log = {
	debug() {},
	info() {},
	warn() {},
	error() {},
	child: () => quiet,
};

export const addressOf = (node: Node): PeerAddress => ({
	node: node.self,
	multiaddrs: node.addresses(),
});

export async function realWorld(): Promise<World> {
	const directory = await mkdtemp(join(tmpdir(), "pmnode-network-"));
	const ports = new Map<string, number>();
	const nodes: Node[] = [];
	const pass = (milliseconds: number): Promise<void> =>
		new Promise((resolve) => realClock.after(milliseconds, resolve).valueOf());
	const keepAlive = setInterval(() => {}, 1_000);
	return {
		open: async (name) => {
			const node = await openNetwork({
				identity: { file: join(directory, name, "identity.key") },
				listen: { host: "127.0.0.1", port: ports.get(name) ?? 0 },
				announce: [],
				clock: realClock,
				log: quiet,
			});
			ports.set(name, portOf(node.addresses()[0] ?? ""));
			nodes.push(node);
			return node;
		},
		until: async (fact, holds, timeoutMilliseconds = 20_000) => {
			const end = realClock.monotonic() + timeoutMilliseconds;
			while (!holds()) {
				if (realClock.monotonic() > end) throw new Error(`not so: ${fact}`);
				await pass(2);
			}
		},
		settle: (promise) => promise,
		pass,
		close: async () => {
			await Promise.all(nodes.map((node) => node.stop()));
			clearInterval(keepAlive);
			await rm(directory, { recursive: true });
		},
	};
}

/** A made-up id, as long as a real one; `name` decides the order. */
export const simNodeId = (name: string): NodeId =>
	nodeId(`12D3KooW${name.padEnd(44, "x")}`);

export async function simWorld(): Promise<World> {
	const clock = new SimClock();
	const world = new SimNetworkWorld({ clock, random: simRandom(1) });
	return {
		open: (name) => world.open(simNodeId(name)),
		until: async (fact, holds, timeoutMilliseconds = 5_000) => {
			if (!(await clock.runUntil(holds, timeoutMilliseconds)))
				throw new Error(`not so: ${fact}`);
		},
		settle: async (promise) => {
			let settled = false;
			const done = (): void => {
				settled = true;
			};
			promise.then(done, done);
			await clock.runUntil(() => settled, 60_000);
			return promise;
		},
		pass: (milliseconds) => clock.advance(milliseconds),
		close: async () => {},
	};
}
