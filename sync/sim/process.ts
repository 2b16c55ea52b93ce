/**
 * The process of a node on a simulated machine: the real replica on simulated parts, put together as node/node.ts does it
 * on real ones. When it is killed nothing of it runs or reaches the disk any more.
 */
import { DriveShort } from "../bodies/faults.ts";
import { askToJoin } from "../membership/admission.ts";
import {
	driveBlocks,
	driveName,
	foundingIdentity,
	type Identity,
	lifeOf,
	newOrigin,
	type Revival,
	saveIdentity,
} from "../membership/identity.ts";
import { LifeOver } from "../membership/lives.ts";
import type { Log, LogFields, LogLevel } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import { type ClusterReplica, openReplica } from "../replica.ts";
import type { SimBodiesWorld } from "./bodies.ts";
import type { SimBodies } from "./body-store.ts";
import type { SimMachine } from "./machine.ts";
import type { SimNetworkWorld } from "./network.ts";
import {
	type Deadline,
	diary,
	ProcessClock,
	ProcessStore,
} from "./process-parts.ts";
import type { SimRandom } from "./random.ts";
import { MemoryStore } from "./store.ts";

/** What a process needs of the world around it. */
export interface Surroundings {
	readonly network: SimNetworkWorld;
	readonly bodies: SimBodiesWorld;
	readonly random: SimRandom;
	/** One line of a node's diary. */
	readonly note: (
		node: string,
		level: LogLevel,
		message: string,
		fields: LogFields,
	) => void;
}

export class SimProcess {
	readonly machine: SimMachine;
	readonly clock: ProcessClock;
	store: ProcessStore;
	/** Resolves when the process is killed. */
	readonly died: Promise<void>;
	replica: ClusterReplica | undefined;
	network: Network | undefined;
	bodies: SimBodies | undefined;
	alive = true;
	/** Clients may come: as node/node.ts opens its doors. */
	serves = false;
	readonly #around: Surroundings;
	readonly #random: SimRandom;
	readonly #log: Log;
	#tellDied: () => void = () => {};
	/** Kept beside the store by real nodes. */
	#known: ReturnType<ClusterReplica["others"]> | undefined;

	constructor(machine: SimMachine, around: Surroundings) {
		this.machine = machine;
		this.#around = around;
		this.clock = new ProcessClock(machine.clock);
		this.store = this.#openStore();
		this.#random = around.random.fork(`${machine.name} ${machine.starts++}`);
		this.#log = diary((level, message, fields) => {
			if (this.alive) around.note(machine.name, level, message, fields);
		}, {});
		this.died = new Promise((resolve) => {
			this.#tellDied = resolve;
		});
		machine.process = this;
	}

	/** As startNode() of node/node.ts; resolves when the node serves. */
	async start(link: string | undefined): Promise<void> {
		let revival: Revival | undefined;
		for (;;) {
			const over = await this.#live(link, revival);
			if (over === undefined) return;
			if (!(over instanceof LifeOver)) return await this.stop();
			revival = over.revival;
		}
	}

	/** One life; resolves when it serves, or with why it must not go on. */
	async #live(
		link: string | undefined,
		revival: Revival | undefined,
	): Promise<Error | undefined> {
		const { machine, clock } = this;
		if (revival?.apart) this.#putAside(revival);
		const { store } = this;
		this.network = await this.#around.network.open(machine.id, {
			clock,
			log: this.#log,
		});
		const identity = await this.#identify(
			this.network,
			link,
			revival?.apart ? undefined : revival,
		);
		if (!this.alive) return undefined;
		const {
			copies,
			whenAlone,
			rules,
			alone = false,
			protocol,
			wantsMax,
		} = machine.options;
		const replica = openReplica({
			identity,
			self: this.#self(this.network),
			copies,
			whenAlone,
			store,
			network: this.network,
			bodies: this.bodies as SimBodies,
			clock,
			random: this.#random,
			diary: this.#log,
			alone,
			// So few that short runs meet it.
			reviewEntries: 2,
			...(rules && { rules }),
			...(protocol && { protocol }),
			...(wantsMax && { wantsMax }),
		});
		this.replica = replica;
		const over = await Promise.race([
			replica.joined().then(() => undefined),
			replica.over(),
		]);
		if (over !== undefined) {
			await this.#endLife(replica);
			return over;
		}
		this.serves = true;
		void replica.over().then((fault) => this.#liveAgain(replica, fault));
		return undefined;
	}

	/** It served, and was told that it must not go on as it was. */
	async #liveAgain(replica: ClusterReplica, fault: Error): Promise<void> {
		if (!this.alive) return;
		if (!(fault instanceof LifeOver)) {
			await this.stop();
			return;
		}
		await this.#endLife(replica);
		let over: Error | undefined = fault;
		while (over instanceof LifeOver && this.alive)
			over = await this.#live(undefined, over.revival);
	}

	async #endLife(replica: ClusterReplica): Promise<void> {
		this.serves = false;
		this.#known = replica.others();
		this.replica = undefined;
		await replica.stop();
		if (this.alive) this.store = this.#openStore();
	}

	/** As beginBeside() of node/start/known.ts. */
	#putAside({ reason, ageMilliseconds }: Revival): void {
		const { disk, aside } = this.machine;
		aside.push(disk.copy());
		disk.become(new MemoryStore());
		this.#around.bodies.loseDisk(this.machine.id);
		this.store = this.#openStore();
		saveIdentity(this.store, {
			cluster: this.#known?.cluster ?? "",
			origin: newOrigin(this.#random),
			drives: 1,
			founding: false,
			joining: this.#known?.members ?? [],
			reviving: { reason, ageMilliseconds },
		});
	}

	#openStore(): ProcessStore {
		const { disk, commitListeners } = this.machine;
		return new ProcessStore(disk, (writes) => {
			const { commitMilliseconds } = this.machine;
			if (commitMilliseconds > 0) this.clock.busy(commitMilliseconds);
			for (const run of commitListeners) run(writes);
		});
	}

	#self(network: Network) {
		const { name, options } = this.machine;
		const { bodies } = options;
		return {
			...(bodies !== undefined && { bodies }),
			name,
			hostname: `${name}.example.org`,
			site: "default",
			publicIps: [],
			multiaddrs: network.addresses(),
		};
	}

	async #identify(
		network: Network,
		link: string | undefined,
		revival: Revival | undefined,
	): Promise<Identity> {
		const known = lifeOf(this.store, this.#random, this.clock, revival);
		if (known !== undefined) return this.#openKnown(known);
		if (link === undefined) {
			const founding = saveIdentity(this.store, foundingIdentity(this.#random));
			this.#openBodies(driveName(founding), 0);
			return founding;
		}
		const origin = newOrigin(this.#random);
		const applied = { cluster: "", origin, drives: 1, founding: false };
		const { drive } = this.#openBodies(driveName(applied), 0);
		const { cluster, sources } = await askToJoin(network, this.clock, link, {
			...this.#self(network),
			node: network.self,
			origin,
			drive,
		});
		return saveIdentity(this.store, {
			...applied,
			cluster,
			joining: sources,
		});
	}

	#openKnown(known: Identity): Identity {
		try {
			this.#openBodies(driveName(known), driveBlocks(this.store));
			return known;
		} catch (error) {
			if (!(error instanceof DriveShort)) throw error;
			const drives = known.drives + 1;
			const identity = saveIdentity(this.store, { ...known, drives });
			this.store.commit([["meta/driveBlocks", "0"]]);
			this.#openBodies(driveName(identity), 0);
			return identity;
		}
	}

	#openBodies(name: string, lengthBlocksAtLeast: number): SimBodies {
		this.bodies = this.#around.bodies.open(this.machine.id, {
			name,
			lengthBlocksAtLeast,
		});
		return this.bodies;
	}

	/** kill -9, power cut: at once, or (as() of dieAtCommit) at the next commit. */
	kill(): void {
		if (!this.alive) return;
		this.alive = false;
		this.clock.kill();
		this.store.close();
		this.#around.network.kill(this.machine.id);
		this.#around.bodies.crash(this.machine.id);
		this.machine.process = undefined;
		this.#tellDied();
	}

	/** Will be killed at its next commit. */
	get dying(): boolean {
		return this.alive && this.store.dying;
	}

	killAtCommit(when: Deadline): void {
		this.store.dieAtCommit(when, () => this.kill());
	}

	/** Ends in order. */
	async stop(): Promise<void> {
		this.serves = false;
		await this.replica?.stop();
		this.kill();
	}
}
