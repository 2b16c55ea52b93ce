/**
 * A node, put together: everything that a running node is made of is built here, in order, and stopped in reverse. Only
 * this file (and tests) chooses real parts. Nothing here decides how mail, IMAP or replication work.
 */
import { join as joinPath } from "node:path";
import type { Replica } from "../sync/api.ts";
import {
	type DriveBodies,
	DriveShort,
	openBodies,
} from "../sync/bodies/bodies.ts";
import { OperatorFault } from "../sync/faults.ts";
import { askToJoin } from "../sync/membership/admission.ts";
import {
	BODIES_LOST_KEY,
	driveBlocks,
	driveName,
	foundingIdentity,
	type Identity,
	lifeOf,
	newOrigin,
	saveIdentity,
} from "../sync/membership/identity.ts";
import { LifeOver } from "../sync/membership/lives.ts";
import { openNetwork } from "../sync/network/network.ts";
import type { Clock } from "../sync/ports/clock.ts";
import type { Log } from "../sync/ports/log.ts";
import type { Random } from "../sync/ports/random.ts";
import {
	type Store,
	StoreDamaged,
	StoreFailed,
	StoreFull,
} from "../sync/ports/store.ts";
import { type JournaledStore, openStore } from "../sync/real/store.ts";
import { type ClusterReplica, openReplica } from "../sync/replica.ts";
import { toPresentFormat } from "../sync/space/format.ts";
import { makeCredentials } from "./accounts/credentials.ts";
import { createAuthenticator } from "./accounts/login.ts";
import { backUp } from "./backup/backup.ts";
import { restoreAccounts } from "./backup/restore.ts";
import type { HostPort, NodeConfig } from "./config.ts";
import { startControl } from "./control.ts";
import { startHttp } from "./http/server.ts";
import { startImapServer } from "./imap/server.ts";
import { createIntake } from "./intake.ts";
import { keepKnownCluster, putAside, readKnownCluster } from "./keep.ts";
import {
	LifeEnded,
	LivingNode,
	type NewLife,
	type Next,
	type OneLife,
	type StartLife,
} from "./living.ts";
import { createStructureCache } from "./mime/cache.ts";
import { primedBodies } from "./mime/prime.ts";
import type { RunningNode } from "./running.ts";
import { createTextIndex } from "./search/index.ts";
import { startSmtpServer } from "./smtp/server.ts";
import {
	type ListenerName,
	listenerText,
	type NodeState,
	type StatusJson,
} from "./status.ts";
import { openTls } from "./tls/tls.ts";
import { version } from "./version.ts";

export interface NodeParts {
	readonly clock: Clock;
	readonly random: Random;
	readonly log: Log;
}

/** What listeners and connections may still take when the node is told to stop. */
const GRACE_MILLISECONDS = 3_000;

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

/** What has been started, to be stopped in reverse. */
class Closing {
	readonly #steps: (() => Promise<void> | void)[] = [];
	readonly #log: Log;
	#closed: Promise<void> | undefined;

	constructor(log: Log) {
		this.#log = log;
	}
	add(step: () => Promise<void> | void): void {
		this.#steps.push(step);
	}
	close(): Promise<void> {
		this.#closed ??= this.#run();
		return this.#closed;
	}
	async #run(): Promise<void> {
		for (const step of this.#steps.reverse())
			try {
				await step();
			} catch (error) {
				this.#log.error("a part of the node did not stop in order", { error });
			}
	}
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
		if (next !== undefined && "damage" in next) this.#beginWithout(next.damage);
		const store = openStore(joinPath(dataDirectory, "state.db"), {
			onDamage: (damage) => this.#damage.resolve(damage),
		});
		this.#closing.add(() => store.close());
		toPresentFormat(store, joinPath(dataDirectory, "state.db"));
		const newLife =
			next !== undefined && "revival" in next ? next.revival : undefined;
		const network = await openNetwork({
			identity: { file: joinPath(dataDirectory, "identity.key") },
			listen: this.#config.p2p,
			announce: this.#config.announce,
			clock,
			log: log.child({ part: "network" }),
			random,
		});
		this.#closing.add(() => network.stop());
		this.#checkKey(network);
		const { identity, bodies } = await this.#identify(store, network, newLife);
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
		this.#keepMembers(replica);
		const node = this.#running(replica, store);
		await this.#serveOperators(node);
		await this.#join(replica);
		await this.#serveUsers(replica);
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
		};
	}

	// ------------------------------------------------------------------ damage

	/** The store is damaged: it is put aside, and all comes back from the other members, as a new life of this node. */
	#beginWithout(damage: StoreDamaged): void {
		const { dataDirectory } = this.#config;
		const { random, log } = this.#parts;
		const known = readKnownCluster(dataDirectory);
		if (known === undefined || known.members.length === 0)
			throw new OperatorFault(
				`${damage.message}; no other member is known to get it back from: restore a backup into another data folder, or look at the disk`,
			);
		const aside = putAside(dataDirectory, [
			"state.db",
			"state.db-wal",
			"state.db-shm",
			"state.db-journal1",
			"state.db-journal2",
		]);
		log.error(
			"the store is damaged; it is put aside, and all is fetched again from the other members",
			{ damage: damage.message, aside },
		);
		const store = openStore(joinPath(dataDirectory, "state.db"));
		try {
			saveIdentity(store, {
				cluster: known.cluster,
				origin: newOrigin(random),
				drives: 1,
				founding: false,
				joining: known.members,
				reviving: { reason: damage.message, ageMilliseconds: 0 },
			});
		} finally {
			store.close();
		}
	}

	/** A key with a flipped bit is a key too, of a node that nobody knows. */
	#checkKey(network: Network): void {
		const { dataDirectory } = this.#config;
		const known = readKnownCluster(dataDirectory);
		if (known !== undefined && known.node !== network.self)
			throw new OperatorFault(
				`${joinPath(dataDirectory, "identity.key")} is not the key of this node (${known.node}), or damaged: put back the right file, or remove this node and join with an empty data folder`,
			);
	}

	/** Keeps beside the store who the others are. */
	#keepMembers(replica: ClusterReplica): void {
		const { dataDirectory } = this.#config;
		let kept = JSON.stringify(readKnownCluster(dataDirectory));
		const keep = (): void => {
			if (replica.isJoining) return;
			const known = replica.others();
			if (JSON.stringify(known) === kept) return;
			try {
				keepKnownCluster(dataDirectory, known);
				kept = JSON.stringify(known);
			} catch (error) {
				this.#parts.log.warn("cannot keep who the other members are", {
					error,
				});
			}
		};
		this.#closing.add(replica.onReport(keep));
		keep();
	}

	// ------------------------------------------------------------------ identity and bodies

	async #identify(
		store: Store,
		network: Network,
		newLife: NewLife | undefined,
	): Promise<{ identity: Identity; bodies: DriveBodies }> {
		const { random, clock } = this.#parts;
		const known = lifeOf(store, random, clock, newLife);
		if (known !== undefined) return this.#openKnown(store, network, known);
		if (this.#how.join === undefined) {
			const identity = saveIdentity(store, foundingIdentity(random));
			const bodies = await this.#openBodies(network, driveName(identity), 0);
			return { identity, bodies };
		}
		return this.#askToJoin(store, network, this.#how.join);
	}

	async #openKnown(
		store: Store,
		network: Network,
		known: Identity,
	): Promise<{ identity: Identity; bodies: DriveBodies }> {
		try {
			const bodies = await this.#openBodies(
				network,
				driveName(known),
				driveBlocks(store),
			);
			return { identity: known, bodies };
		} catch (error) {
			if (!(error instanceof DriveShort)) this.#putBodiesAside(error);
			// It lost its tail: never append to it again, or it would fork. What is missing is fetched from peers.
			this.#parts.log.warn(
				"the body store lost something; a new drive is begun, and bodies are fetched from peers",
				{ error: (error as Error).message },
			);
			const identity = saveIdentity(store, {
				...known,
				drives: known.drives + 1,
			});
			store.commit([
				["meta/driveBlocks", "0"],
				[BODIES_LOST_KEY, "1"],
			]);
			const bodies = await this.#openBodies(network, driveName(identity), 0);
			return { identity, bodies };
		}
	}

	/** A body store that does not open is put aside where other members have its bodies; else its fault is thrown. */
	#putBodiesAside(error: unknown): void {
		const { dataDirectory } = this.#config;
		const isDamage = error instanceof StoreDamaged;
		const known = readKnownCluster(dataDirectory);
		if (!isDamage || (known?.members.length ?? 0) === 0) throw error;
		putAside(dataDirectory, ["bodies"]);
	}

	async #askToJoin(
		store: Store,
		network: Network,
		link: string,
	): Promise<{ identity: Identity; bodies: DriveBodies }> {
		const { random, clock } = this.#parts;
		const origin = newOrigin(random);
		const applied = { cluster: "", origin, drives: 1, founding: false };
		const bodies = await this.#openBodies(network, driveName(applied), 0);
		const { cluster, admitter } = await askToJoin(network, clock, link, {
			...this.#self(network),
			node: network.self,
			origin,
			drive: bodies.drive,
		});
		const identity = saveIdentity(store, {
			...applied,
			cluster,
			joining: [admitter],
		});
		return { identity, bodies };
	}

	async #openBodies(
		network: Network,
		name: string,
		lengthBlocksAtLeast: number,
	): Promise<DriveBodies> {
		const { clock, log } = this.#parts;
		const bodies = await openBodies({
			directory: joinPath(this.#config.dataDirectory, "bodies"),
			drive: { name, lengthBlocksAtLeast },
			streams: network,
			clock,
			log: log.child({ part: "bodies" }),
		});
		this.#closing.add(() => bodies.close());
		return bodies;
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

	async #serveUsers(replica: Replica): Promise<void> {
		const { clock, random, log } = this.#parts;
		const { dataDirectory, hostname, allowPlaintextAuth } = this.#config;
		const { bodies, directory } = replica;
		const tls = await openTls({
			dataDirectory,
			hostname,
			files: this.#config.tls,
			clock,
			log: log.child({ part: "tls" }),
		});
		this.#closing.add(() => tls.close());
		const structures = createStructureCache({
			file: joinPath(dataDirectory, "cache.db"),
			bodies,
			log: log.child({ part: "cache" }),
			clock,
		});
		this.#closing.add(() => structures.close());
		const texts = createTextIndex({
			folder: joinPath(dataDirectory, "search"),
			bodies,
			structures,
			account: (id) => replica.account(id),
			log: log.child({ part: "search" }),
			clock,
		});
		this.#closing.add(() => texts.close());
		const authenticator = createAuthenticator({
			directory,
			account: (id) => replica.account(id),
			clock,
			random,
			log: log.child({ part: "login" }),
		});
		const intake = createIntake({
			replica,
			hostname,
			clock,
			log: log.child({ part: "intake" }),
			prime: (hash, bytes) => structures.prime(hash, bytes),
			delivered: ({ recipients, body }) => {
				for (const account of recipients) texts.arrived(account, [body]);
			},
		});
		const primed = primedBodies(bodies, (hash, bytes) =>
			structures.prime(hash, bytes),
		);
		const shared = { hostname, tls, authenticator, clock, allowPlaintextAuth };
		await this.#serve("smtp", (listen) =>
			startSmtpServer({
				...shared,
				kind: "mx",
				listen,
				intake,
				directory,
				log: log.child({ part: "smtp" }),
			}),
		);
		for (const kind of ["submission", "submissions"] as const)
			await this.#serve(kind, (listen) =>
				startSmtpServer({
					...shared,
					kind,
					listen,
					intake,
					directory,
					log: log.child({ part: kind }),
				}),
			);
		for (const kind of ["imap", "imaps"] as const)
			await this.#serve(kind, (listen) =>
				startImapServer({
					...shared,
					listen,
					implicitTls: kind === "imaps",
					bodies: primed,
					structures,
					texts,
					allowUnauthenticate: !this.#config.forbidUnauthenticate,
					log: log.child({ part: kind }),
				}),
			);
	}

	async #serve(
		name: "smtp" | "submission" | "submissions" | "imap" | "imaps",
		start: (listen: HostPort) => Promise<{
			address(): HostPort;
			stop(graceMilliseconds: number): Promise<void>;
		}>,
	): Promise<void> {
		const listen = this.#config[name];
		if (listen === undefined) return;
		const server = await listening(`--${name}`, listen, () => start(listen));
		this.#listeners.set(name, listenerText(server.address()));
		this.#closing.add(() => server.stop(GRACE_MILLISECONDS));
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
			backUp: (folder, watched) =>
				backUp({
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
				}),
			restore: ({ directory, account, into }, watched) =>
				restoreAccounts({
					...watched,
					folder: directory,
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

	#status(replica: ClusterReplica): StatusJson {
		const report = replica.report();
		const { clock } = this.#parts;
		const off = (name: ListenerName): string =>
			this.#listeners.get(name) ?? "off";
		return {
			node: {
				name: this.#config.name,
				id: report.node,
				state: this.#state,
				version: version(),
				pid: process.pid,
				uptimeSeconds: Math.floor(
					(clock.monotonic() - this.#startedMilliseconds) / 1000,
				),
			},
			cluster: {
				id: report.cluster,
				members: report.members,
				up: report.up,
				converged: report.converged,
			},
			listeners: {
				smtp: off("smtp"),
				submission: off("submission"),
				submissions: off("submissions"),
				imap: off("imap"),
				imaps: off("imaps"),
				http: off("http"),
				dns: "off",
				p2p: off("p2p"),
			},
			peers: report.peers,
			scrub: report.scrub,
			mail: {
				accounts: report.accounts,
				messages: report.messages,
				bodiesWithTooFewCopies: report.bodiesWithTooFewCopies,
				queue: 0,
			},
		};
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

/** Starts a listener; a port that cannot be had is named with its option. */
async function listening<T>(
	option: string,
	listen: HostPort,
	start: () => Promise<T>,
): Promise<T> {
	try {
		return await start();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		const reasons: Record<string, string> = {
			EADDRINUSE: "is in use by another program",
			EACCES: "may not be taken by this user",
			EADDRNOTAVAIL: "is not an address of this machine",
		};
		throw new OperatorFault(
			`${listenerText(listen)} ${reasons[code] ?? `cannot be listened on (${code})`}; choose another with ${option}`,
		);
	}
}
