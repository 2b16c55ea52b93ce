/** What a replica is given, and what its parts ask of the whole. Types only. */
import type { Member } from "../directory/cluster.ts";
import type { Transaction } from "../log/ledger.ts";
import type { Identity } from "../membership/identity.ts";
import type { ReclaimableBodies } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import type { ProtocolVersions } from "../replication/frames.ts";
import type { Rules } from "../rules.ts";
export interface ReplicaOptions {
	readonly identity: Identity;
	/** How this node describes itself to the others. */
	readonly self: Omit<Member, "joinedMilliseconds" | "node">;
	readonly copies: number;
	readonly whenAlone: "accept" | "defer";
	readonly store: Store;
	readonly network: Network;
	readonly bodies: ReclaimableBodies;
	readonly clock: Clock;
	readonly random: Random;
	readonly diary: Log;
	/** Only simulations give other than all. */
	readonly rules?: Rules;
	/** Other than this release speaks, in tests. */
	readonly protocol?: ProtocolVersions;
	/** Other than usual, in simulations: entries that are looked at with a batch after a start. */
	readonly reviewEntries?: number;
	/** And claims found too low that are known at a time. */
	readonly wantsMax?: number;
	/** The operator says that no other member will come: a new life then needs nobody's leave (rule 9). */
	readonly alone?: boolean;
}

/** What the parts ask of the replica that they make up. */
export interface Whole {
	/** Tells processes of one node apart. */
	readonly run: string;
	readonly startedMilliseconds: number;
	identity(): Identity;
	/** Without the documents of its cluster. */
	isJoining(): boolean;
	isStopped(): boolean;
	/** Members, or their drives, may be others. */
	connect(): void;
	clusterChanged(): void;
	/** Looks at all of it, and acts. */
	evaluate(): void;
	showWaiting(): void;
	keepMarks(): void;
	/** A write that nobody waits for. */
	write(work: (tx: Transaction) => void): void;
	/** All documents of the cluster are here. */
	hasJoined(): Promise<void>;
	/** This life has begun. */
	lives(): void;
	/** It must not go on. */
	over(fault: Error): void;
}
