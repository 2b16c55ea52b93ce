/** What replication is given by the replica that it belongs to. */
import type { NodeId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { Bodies } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Store } from "../ports/store.ts";
import type { ToldByMembers } from "../space/told.ts";
import type { Copies } from "./copies.ts";
import type { Frame, Life, ProtocolVersions } from "./frames.ts";
import type { BodyNeeds } from "./needs.ts";
import type { Returning } from "./returning.ts";

export interface ReplicationOptions {
	readonly self: NodeId;
	readonly cluster: string;
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly network: Network;
	readonly needs: BodyNeeds;
	readonly bodies: Bodies;
	readonly copies: Copies;
	/** Where documents go that come as a whole although this node has some. */
	readonly returning: () => Returning;
	/** Other than this release's, in tests. */
	readonly protocol?: ProtocolVersions;
	/** Hears what each member holds. */
	readonly told: ToldByMembers;
	readonly clock: Clock;
	readonly diary: Log;
	/** All members but this node. */
	readonly others: () => readonly NodeId[];
	/** True while this node has no documents yet. */
	readonly joining: () => boolean;
	/** Which life and process of this node runs. */
	readonly life: () => Life;
	/** Whether this life has begun: it may write, and serves. */
	readonly alive: () => boolean;
	/** A member said hello. */
	readonly hello: (frame: Hello) => void;
	/** A member that said hello told more: it saw nothing wrong with this node. */
	readonly confirmed: () => void;
	/** A member saw another process of this node a moment ago; `end`: that is there still, and this one must end. */
	readonly twin: (end: boolean) => void;
	/** Frames of a snapshot, for a node that joins. */
	/** A part of what a node without documents waits for: who tells it is at work. */
	readonly snapshotComes: () => void;
	readonly snapshotFrame: (frame: Frame) => Promise<void> | undefined;
	/** Who is linked, ready or up has changed, or what peers hold. */
	readonly changed: () => void;
	/** A peer told what it holds: what waited for a second copy may be shown now. */
	readonly heard: () => void;
}

export type Hello = Extract<Frame, { type: "hello" }>;
