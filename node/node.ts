/**
 * A node, put together: everything that a running node is made of is built here, in order, and stopped in reverse. Only
 * this file (and tests) chooses real parts. Nothing here decides how mail, IMAP or replication work.
 */
import { join as joinPath } from "node:path";
import { type DriveBodies, openBodies } from "../sync/bodies/bodies.ts";
import { OperatorFault } from "../sync/faults.ts";
import { LifeOver } from "../sync/membership/lives.ts";
import { openNetwork } from "../sync/network/network.ts";
import { BODIES_FORMAT } from "../sync/ports/bodies.ts";
import { StoreDamaged, StoreFailed, StoreFull } from "../sync/ports/store.ts";
import { type JournaledStore, openStore } from "../sync/real/store.ts";
import { type ClusterReplica, openReplica } from "../sync/replica.ts";
import { toPresentFormat } from "../sync/space/format.ts";
import { makeCredentials } from "./accounts/credentials.ts";
import { asBackup } from "./backup/aside.ts";
import { backUp } from "./backup/backup.ts";
import { restoreAccounts } from "./backup/restore.ts";
import type { HostPort, NodeConfig } from "./config.ts";
import { startControl } from "./control.ts";
import { startHttp } from "./http/server.ts";
import {
	LifeEnded,
	LivingNode,
	type Next,
	type OneLife,
	type StartLife,
} from "./living.ts";
import type { RunningNode } from "./running.ts";
import { identify } from "./start/identity.ts";
import {
	beginAgainWhereLost,
	beginBeside,
	beginWithoutStore,
	checkKey,
	keepMembers,
} from "./start/known.ts";
import { listening } from "./start/listening.ts";
import { Closing, type NodeParts } from "./start/parts.ts";
import { statusOf } from "./start/report.ts";
import { serveUsers } from "./start/servers.ts";
import {
	type ListenerName,
	listenerText,
	type NodeState,
	type StatusJson,
} from "./status.ts";
import { version } from "./version.ts";

/**
 * Starts a node: founds a cluster on an empty folder, joins one with `how.join` (a link of `pmnode invite`), or goes on
 * with what the folder holds. Resolves when it serves. Rejects with OperatorFault when it cannot, leaving nothing open.
 */
export async function startNode(
	config: NodeConfig,
	how: { readonly join?: string },
	parts: NodeParts,
): Promise<RunningNode> {
	const start: StartLife = async (next, before) => {
		const closing = new Closing(parts.log);
		try {
			const settings = before ? onPortsOf(before, config) : config;
			// Whoever joins has joined when a later life begins.
			const again = next === undefined ? how : {};
			return await new Starting(settings, again, parts, closing).run(next);
		} catch (error) {
			await closing.close();
			throw error;
		}
	};
	try {
		return await LivingNode.start(start);
	} catch (error) {
		const known = error instanceof StoreFailed || error instanceof StoreFull;
		throw known ? new OperatorFault(error.message) : error;
	}
}

/** A later life of the same process listens where the first one did, also where that had taken any free port. */
function onPortsOf({ listeners }: StatusJson, config: NodeConfig): NodeConfig {
	const taken = (name: ListenerName): HostPort | undefined => {
		const asked = config[name];
		const port = Number(listeners[name].match(/:(\d+)$/)?.[1]);
		return asked && { ...asked, port: port || asked.port };
	};
	return {
		...config,
		smtp: taken("smtp"),
		submission: taken("submission"),
		submissions: taken("submissions"),
		imap: taken("imap"),
		imaps: taken("imaps"),
		http: taken("http"),
		p2p: taken("p2p") ?? config.p2p,
	};
}

type Network = Awaited<ReturnType<typeof openNetwork>>;

class Starting {
	readonly #config: NodeConfig;
	readonly #how: { readonly join?: string };
	readonly #parts: NodeParts;
	readonly #closing: Closing;
	readonly #listeners = new Map<ListenerName, string>();
	readonly #startedMilliseconds: number;
	readonly #damage = Promise.withResolvers<StoreDamaged>();
	#state: NodeState = "starting";

	constructor(
		config: NodeConfig,
		how: { readonly join?: string },
		parts: NodeParts,
		closing: Closing,
	) {
		this.#config = config;
		this.#how = how;
		this.#parts = parts;
		this.#closing = closing;
		this.#startedMilliseconds = parts.clock.monotonic();
	}

	async run(next: Next | undefined): Promise<OneLife> {
		const { clock, random, log } = this.#parts;
		const { dataDirectory } = this.#config;
		if (next !== undefined && "damage" in next)
			beginWithoutStore(dataDirectory, next.damage, this.#parts);
		const newLife =
			next !== undefined && "revival" in next ? next.revival : undefined;
		if (newLife?.apart) beginBeside(dataDirectory, newLife, this.#parts);
		if (next === undefined) beginAgainWhereLost(dataDirectory, this.#parts);
		const store = openStore(joinPath(dataDirectory, "state.db"), {
			onDamage: (damage) => this.#damage.resolve(damage),
		});
		this.#closing.add(() => store.close());
		toPresentFormat(store, joinPath(dataDirectory, "state.db"));
		const network = await openNetwork({
			identity: { file: joinPath(dataDirectory, "identity.key") },
			listen: this.#config.p2p,
			announce: this.#config.announce,
			clock,
			log: log.child({ part: "network" }),
			random,
		});
		this.#closing.add(() => network.stop());
		checkKey(dataDirectory, network);
		const { identity, bodies } = await identify(
			{
				dataDirectory,
				join: this.#how.join,
				self: this.#self(network),
				parts: this.#parts,
				closing: this.#closing,
				store,
				network,
			},
			newLife?.apart ? undefined : newLife,
		);
		this.#listeners.set("p2p", listenAddress(network, this.#config.p2p));
		const replica = openReplica({
			identity,
			self: this.#self(network),
			copies: this.#config.copies,
			whenAlone: this.#config.whenAlone,
			store,
			network,
			bodies,
			clock,
			random,
			diary: log.child({ part: "replica" }),
			alone: this.#config.alone,
		});
		this.#closing.add(() => replica.stop());
		this.#closing.add(keepMembers(dataDirectory, replica, log));
		const node = this.#running(replica, store);
		await this.#serveOperators(node);
		await this.#join(replica);
		await serveUsers({
			config: this.#config,
			parts: this.#parts,
			closing: this.#closing,
			replica,
			listens: (name, at) => this.#listeners.set(name, at),
		});
		this.#state = "ready";
		return node;
	}

	#self(network: Network) {
		const { name, hostname, site, publicIps } = this.#config;
		return {
			name,
			hostname,
			site,
			publicIps,
			multiaddrs: network.addresses(),
			bodies: BODIES_FORMAT,
		};
	}

	async #join(replica: ClusterReplica): Promise<void> {
		const { log } = this.#parts;
		if (replica.isJoining || replica.isReviving) this.#state = "joining";
		if (replica.isJoining)
			log.info("joining: waiting for the documents of the cluster");
		if (replica.isReviving)
			log.warn(
				"a new life of this node: serves nobody before another member has told what the former one had",
			);
		const over = await Promise.race([
			replica.joined().then(() => undefined),
			replica.over(),
			this.#damage.promise,
		]);
		if (over instanceof LifeOver) throw new LifeEnded(over.revival);
		if (over !== undefined) throw over;
	}

	// ------------------------------------------------------------------ servers

	async #serveOperators(node: RunningNode): Promise<void> {
		const { clock, random, log } = this.#parts;
		const { http, dataDirectory } = this.#config;
		const control = await startControl({
			dataDirectory,
			node,
			clock,
			log,
			hashPassword: (password) => makeCredentials(password, random),
		});
		this.#closing.add(() => control.stop());
		if (http === undefined) return;
		const server = await listening("--http", http, () =>
			startHttp({ listen: http, node, log: log.child({ part: "http" }) }),
		);
		this.#listeners.set("http", listenerText(server.at));
		this.#closing.add(() => server.stop());
	}

	// ------------------------------------------------------------------ the running node

	#running(replica: ClusterReplica, store: JournaledStore): OneLife {
		return {
			replica,
			over: async () => {
				const fault = await Promise.race([
					replica.over(),
					this.#damage.promise,
				]);
				if (fault instanceof LifeOver) return { revival: fault.revival };
				return fault instanceof StoreDamaged ? { damage: fault } : { fault };
			},
			ended: () => replica.over(),
			backUp: async (folder, watched) => {
				const release = replica.holdSpace();
				try {
					return await backUp({
						...watched,
						folder,
						dataDirectory: this.#config.dataDirectory,
						node: { id: replica.node, name: this.#config.name },
						cluster: replica.report().cluster,
						version: version(),
						copyState: (file, signal, progress) =>
							store.copyTo(file, signal, progress),
						openCopy: openStore,
						bodies: replica.bodies,
						clock: this.#parts.clock,
					});
				} finally {
					release();
				}
			},
			restore: async ({ directory, account, into }, watched) =>
				restoreAccounts({
					...watched,
					folder: await asBackup(directory, {
						...watched,
						clock: this.#parts.clock,
						version: version(),
						openStore,
						openBodies: (bodies, drive) => this.#openAside(bodies, drive),
					}),
					account,
					into,
					replica,
				}),
			status: () => this.#status(replica),
			onStatus: (run) => replica.onReport(run),
			stop: () => {
				this.#state = "stopping";
				return this.#closing.close();
			},
		};
	}

	/** Bodies that were put aside: nobody is there to exchange them with. */
	#openAside(directory: string, name: string): Promise<DriveBodies> {
		const { clock, log } = this.#parts;
		return openBodies({
			directory,
			drive: { name, lengthBlocksAtLeast: 0 },
			streams: { onBodyStream: () => () => {} },
			clock,
			log: log.child({ part: "bodies" }),
		});
	}

	#status(replica: ClusterReplica): StatusJson {
		const milliseconds =
			this.#parts.clock.monotonic() - this.#startedMilliseconds;
		return statusOf(replica, {
			name: this.#config.name,
			state: this.#state,
			uptimeSeconds: Math.floor(milliseconds / 1000),
			listeners: this.#listeners,
		});
	}
}

/** `/ip4/127.0.0.1/tcp/2401` → `127.0.0.1:2401`; with port 0 only the network knows which port it took. */
function listenAddress(network: Network, asked: HostPort): string {
	if (asked.port !== 0) return listenerText(asked);
	const port = Number(
		network.addresses()[0]?.match(/\/tcp\/(\d+)/)?.[1] ?? asked.port,
	);
	return listenerText({ host: asked.host, port });
}
