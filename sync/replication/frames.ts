/** What two members say to each other on a link. Types only; as bytes: frame-codec.ts. */
import type {
	DocumentId,
	EntryId,
	MailboxId,
	NodeId,
	Origin,
	Sequence,
	UidRange,
} from "../ids.ts";
import type { Head } from "../log/log.ts";
import type { Vector } from "../log/record.ts";
import type { Pair } from "../mailbox/pairs.ts";
import type { Want } from "../mailbox/wanted.ts";
import type { Watermark } from "../mailbox/watermarks.ts";
import type { BodyPiece, BodyRef } from "../ports/bodies.ts";
import type { PiecesTold } from "./pushing.ts";

/**
 * What this release speaks, and the oldest that it still understands. A link is spoken in the newest that both know.
 *
 * | version | what is new                                                                          |
 * |---------|--------------------------------------------------------------------------------------|
 * | 2       | the first one                                                                        |
 * | 3       | documents as a whole also for a member that returns late; dead UIDs along with them   |
 * | 4       | "lacks": the log does not reach back to what was asked for                            |
 * | 5       | "push": bodies unasked, before the changes that name them; "holds" tells of them.      |
 * |         | What is held goes with where stamps are by the clock; "refuses"                        |
 * | 6       | "refuses" is passed on to who made it, with who refuses it                             |
 *
 * Within a version frames may get further fields at their end. Frames of a kind that is not known are passed over when
 * they come from a newer release.
 */
export interface ProtocolVersions {
	readonly oldest: number;
	readonly newest: number;
}
export const PROTOCOL: ProtocolVersions = { oldest: 2, newest: 6 };

/** The version of a link; undefined where the two have none in common. */
export function agreed(
	mine: ProtocolVersions,
	theirs: ProtocolVersions,
): number | undefined {
	const version = Math.min(mine.newest, theirs.newest);
	return version >= Math.max(mine.oldest, theirs.oldest) ? version : undefined;
}

/** Everything of what the sender holds that others act on. */
export interface Holds {
	/** Changes it holds durably. */
	readonly vector: Vector;
	/** Per origin: all bodies that its changes up to there name are held durably. */
	readonly bodies: Vector;
	/** Changes of the receiver beyond that whose bodies are held durably too; told once. */
	readonly extra: readonly Sequence[];
	readonly missingBodies: number;
	/** Highest stamp counter given or heard (rule 10). */
	readonly counter: number;
	/** Where the next stamp would be, by the clock (rule 10). */
	readonly pace: number;
}

/** Rule 8: a client selects at the sender. Catch up with the vector, then say what you have. */
export interface SyncFrame {
	readonly type: "sync";
	readonly nonce: number;
	readonly vector: Vector;
	readonly mailbox: MailboxId;
	/** Stamps told for the mailbox, by whatever node, of which the sender has the pairs. */
	readonly tokens: readonly number[];
}
export interface SyncedFrame {
	readonly type: "synced";
	readonly nonce: number;
	readonly vector: Vector;
	/** Highest stamp counter given or heard, and the mailbox's highest E. */
	readonly counter: number;
	readonly E: number;
}

/** Which life and process of its node the sender is. */
export interface Life {
	/** A new life that was granted no slots yet and serves nobody (rule 9). */
	readonly reviving: boolean;
	/** Drawn by the process when it started, and when that was by its clock. */
	readonly run: string;
	readonly startedMilliseconds: number;
}

export type Frame =
	| {
			readonly type: "hello";
			readonly versions: ProtocolVersions;
			readonly cluster: string;
			readonly node: NodeId;
			readonly origin: Origin;
			readonly holds: Holds;
			/** It has nothing yet and wants all documents. */
			readonly joining: boolean;
			readonly heads: ReadonlyMap<Origin, Head>;
			readonly life: Life;
	  }
	/** Another process says that it is the receiver: it may be gone, or (`end`) it is there, and the receiver must end. */
	| { readonly type: "twin"; readonly end: boolean }
	| { readonly type: "records"; readonly framed: readonly Uint8Array[] }
	| {
			readonly type: "holds";
			readonly holds: Holds;
			/** It has caught up and numbers. */
			readonly ready: boolean;
			/** Its life has begun (rule 9). */
			readonly serves: boolean;
			/** Its disk is full: it can take nothing in, and is not to be waited for. Older releases do not know it. */
			readonly full: boolean;
			/** Of what the receiver sent unasked on this link. */
			readonly pieces?: PiecesTold;
	  }
	| {
			readonly type: "pull";
			readonly from: readonly (readonly [Origin, Sequence])[];
	  }
	/** The sender's log does not reach back to what the receiver asked for of these. */
	| { readonly type: "lacks"; readonly origins: readonly Origin[] }
	| { readonly type: "snapshot"; readonly heads: ReadonlyMap<Origin, Head> }
	| {
			readonly type: "document";
			readonly id: DocumentId;
			readonly saved: Uint8Array;
			/** Entry → row (rows.ts) without what is local to the sender; for segments. */
			readonly rows: readonly (readonly [EntryId, string])[];
			/** UIDs of the mailbox whose entries are forgotten; with the first rows of a segment. */
			readonly dead: readonly UidRange[];
			/** `saved` is a part of it, and the next one follows; rows come with the last one. */
			readonly more?: true;
	  }
	| { readonly type: "snapshotEnd" }
	| SyncFrame
	| SyncedFrame
	/** Rule 12: when their givers told these stamps, they had applied these vectors. */
	| { readonly type: "pairs"; readonly pairs: readonly Pair[] }
	/** Rule 3: every E that no claim tells. */
	| { readonly type: "watermarks"; readonly watermarks: readonly Watermark[] }
	| { readonly type: "wants"; readonly wants: readonly Want[] }
	/** The receiver sent this change, and the sender does not take it, nor what follows it. */
	| {
			readonly type: "refuses";
			readonly origin: Origin;
			readonly sequence: Sequence;
			readonly reason: string;
			/** Who does not take it, where the sender passes that on to who made it. */
			readonly by?: NodeId;
	  }
	| { readonly type: "confirm"; readonly transactions: readonly string[] }
	/** Bodies of the sender's drive that changes will name in a moment. */
	| { readonly type: "push"; readonly piece: BodyPiece }
	/** The same without their bytes: fetching them now saves the time until then. */
	| { readonly type: "bodies"; readonly bodies: readonly BodyRef[] };

export class BadFrame extends Error {
	override name = "BadFrame";
}

/** A kind of frame that a newer release may know. */
export class UnknownFrame extends BadFrame {
	override name = "UnknownFrame";
}
