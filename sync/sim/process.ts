/**
 * A simulated machine and the process of a node on it. The machine keeps what outlives a process: disk, name, clock.
 * A process holds the real replica on simulated parts, put together as node/node.ts does it on real ones. When it is
 * killed nothing of it runs or reaches the disk any more.
 */
import { DriveShort } from "../bodies/faults.ts";
import { type NodeId, nodeId } from "../ids.ts";
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
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log, LogFields, LogLevel } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import {
	type RangeOptions,
	type Store,
	StoreFailed,
	type StoreValue,
	type StoreWrite,
} from "../ports/store.ts";
import { type ClusterReplica, openReplica } from "../replica.ts";
import type { ProtocolVersions } from "../replication/frames.ts";
import type { Rules } from "../rules.ts";
import type { SimBodiesWorld } from "./bodies.ts";
import type { SimBodies } from "./body-store.ts";
import type { SimClockView } from "./clock.ts";
import type { SimNetworkWorld } from "./network.ts";
import type { SimRandom } from "./random.ts";
import { RowsByBody } from "./rows.ts";
import { MemoryStore } from "./store.ts";

export interface NodeOptions {
	readonly copies: number;
	readonly whenAlone: "accept" | "defer";
	readonly rules?: Rules;
	/** As its operator says when it starts: no other member will come. */
	alone?: boolean;
	/** The release that runs there, by what it speaks. */
	protocol?: ProtocolVersions;
	/** And by what it says that it reads in drives (BODIES_FORMAT). */
	bodies?: number;
}

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

/** A made-up id, as long as a real one; `name` decides the order. */
export const simNodeId = (name: string): NodeId =>
	nodeId(`12D3KooW${name.padEnd(44, "x")}`);

export type CommitListener = (writes: readonly StoreWrite[]) => void;

export class SimMachine {
	readonly name: string;
	readonly id: NodeId;
	readonly clock: SimClockView;
	readonly disk = new MemoryStore();
	/** What was put aside of it, since it could not be merged with what the others have. */
	readonly aside: MemoryStore[] = [];
	readonly options: NodeOptions;
	/** How long each commit holds the process up. */
	commitMilliseconds = 0;
	/** Told of each commit before it is on the disk. */
	readonly commitListeners = new Set<CommitListener>();
	/** For checkers. */
	readonly rows = new RowsByBody(this.disk);
	process: SimProcess | undefined;
	/** When its disk was last full (monotonic). */
	fullMilliseconds = Number.NEGATIVE_INFINITY;
	/** Since when it has the documents of its cluster (monotonic); undefined before. */
	memberSinceMilliseconds: number | undefined;
	/** How often a process was started here. */
	starts = 0;

	constructor(name: string, clock: SimClockView, options: NodeOptions) {
		this.name = name;
		this.id = simNodeId(name);
		this.clock = clock;
		this.options = options;
		this.commitListeners.add((writes) => this.rows.written(writes));
	}

	/** Of the process that runs. Throws when there is none. */
	get replica(): ClusterReplica {
		const replica = this.process?.replica;
		if (replica === undefined) throw new Error(`${this.name} does not run`);
		return replica;
	}
}

/** The clock of a process: stops for good with kill(), and holds its timers back between pause() and resume(). */
class ProcessClock implements Clock {
	readonly #clock: Clock;
	#held: (() => void)[] | undefined;
	#alive = true;
	#busyUntilMilliseconds = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}
	now(): number {
		return this.#clock.now();
	}
	monotonic(): number {
		return this.#clock.monotonic();
	}
	after(delayMilliseconds: number, run: () => void): Cancel {
		let cancelled = false;
		const due = (): void => {
			if (cancelled || !this.#alive) return;
			const busyMilliseconds = this.#busyUntilMilliseconds - this.monotonic();
			if (this.#held !== undefined) this.#held.push(due);
			else if (busyMilliseconds > 0)
				cancel = this.#clock.after(busyMilliseconds, due);
			else run();
		};
		let cancel = this.#clock.after(delayMilliseconds, due);
		return () => {
			cancelled = true;
			cancel();
		};
	}
	kill(): void {
		this.#alive = false;
	}
	/** The process waits for its disk: its timers run only when that is over. */
	busy(milliseconds: number): void {
		const from = Math.max(this.#busyUntilMilliseconds, this.monotonic());
		this.#busyUntilMilliseconds = from + milliseconds;
	}
	pause(): void {
		this.#held ??= [];
	}
	resume(): void {
		const held = this.#held ?? [];
		this.#held = undefined;
		for (const due of held) this.#clock.after(0, due);
	}
}

export type Deadline = "before" | "after";

/** The disk as one process sees it: closed for good when the process dies, also in the midst of a commit. */
class ProcessStore implements Store {
	readonly #disk: MemoryStore;
	readonly #before: CommitListener;
	#alive = true;
	#deadline: { when: Deadline; die: () => void } | undefined;
	commits = 0;

	constructor(disk: MemoryStore, before: CommitListener) {
		this.#disk = disk;
		this.#before = before;
	}
	get(key: string): StoreValue | undefined {
		return this.#disk.get(key);
	}
	getAll(keys: readonly string[]): (StoreValue | undefined)[] {
		return this.#disk.getAll(keys);
	}
	range(from: string, to: string, options?: RangeOptions) {
		return this.#disk.range(from, to, options);
	}
	commit(writes: readonly StoreWrite[]): void {
		if (!this.#alive) throw new StoreFailed("the process is dead");
		this.commits++;
		this.#before(writes);
		const deadline = this.#deadline;
		if (deadline?.when !== "before") this.#disk.commit(writes);
		if (deadline === undefined) return;
		deadline.die();
		throw new StoreFailed("the process died while it wrote");
	}
	sizeBytes(): number {
		return this.#disk.sizeBytes();
	}
	close(): void {
		this.#alive = false;
	}
	get dying(): boolean {
		return this.#deadline !== undefined;
	}
	/** The process dies at its next commit: just before that is durable, or just after. */
	dieAtCommit(when: Deadline, die: () => void): void {
		this.#deadline = { when, die };
	}
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

function diary(
	note: (level: LogLevel, message: string, fields: LogFields) => void,
	always: LogFields,
): Log {
	const at =
		(level: LogLevel) =>
		(message: string, fields: LogFields = {}): void =>
			note(level, message, { ...always, ...fields });
	return {
		debug: at("debug"),
		info: at("info"),
		warn: at("warn"),
		error: at("error"),
		child: (fields) => diary(note, { ...always, ...fields }),
	};
}
