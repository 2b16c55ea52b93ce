/** A simulated machine: it keeps what outlives a process: disk, name, clock. */
import { type NodeId, nodeId } from "../ids.ts";
import type { StoreWrite } from "../ports/store.ts";
import type { ClusterReplica } from "../replica.ts";
import type { ProtocolVersions } from "../replication/frames.ts";
import type { Rules } from "../rules.ts";
import type { SimClockView } from "./clock.ts";
import type { SimProcess } from "./process.ts";
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
	/** Fewer claims found too low are known at a time than usual (WANTS_MAX). */
	readonly wantsMax?: number;
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
