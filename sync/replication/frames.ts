/** What two members say to each other on a link: CBOR arrays, checked when they come in. Types and codec only. */
import { decode, encode } from "cborg";
import {
	type DocumentId,
	documentId,
	type EntryId,
	entryId,
	type MailboxId,
	mailboxId,
	modSeq,
	type NodeId,
	nodeId,
	type Origin,
	type Sequence,
	origin as toOrigin,
	sequence as toSequence,
	type UidRange,
	uid,
} from "../ids.ts";
import type { Head } from "../log/log.ts";
import { decodeVector, encodeVector, type Vector } from "../log/record.ts";
import type { Want } from "../mailbox/numbering.ts";
import type { Pair } from "../mailbox/pairs.ts";
import { COUNTER_MAX } from "../mailbox/slots.ts";
import type { Watermark } from "../mailbox/watermarks.ts";
import type { BodyRef } from "../ports/bodies.ts";
import { decodeRefs, encodeRefs } from "./body-refs.ts";

/**
 * What this release speaks, and the oldest that it still understands. A link is spoken in the newest that both know.
 *
 * | version | what is new                                                                          |
 * |---------|--------------------------------------------------------------------------------------|
 * | 2       | the first one                                                                        |
 * | 3       | documents as a whole also for a member that returns late; dead UIDs along with them   |
 * | 4       | "lacks": the log does not reach back to what was asked for                            |
 *
 * Within a version frames may get further fields at their end. Frames of a kind that is not known are passed over when
 * they come from a newer release.
 */
export interface ProtocolVersions {
	readonly oldest: number;
	readonly newest: number;
}
export const PROTOCOL: ProtocolVersions = { oldest: 2, newest: 4 };

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
	| { readonly type: "confirm"; readonly transactions: readonly string[] }
	/** Bodies that changes will name in a moment: fetching them now saves the time until then. */
	| { readonly type: "bodies"; readonly bodies: readonly BodyRef[] };

export class BadFrame extends Error {
	override name = "BadFrame";
}

/** A kind of frame that a newer release may know. */
export class UnknownFrame extends BadFrame {
	override name = "UnknownFrame";
}

const encodeHeads = (heads: ReadonlyMap<Origin, Head>): unknown =>
	[...heads].map(([origin, { sequence, hash }]) => [origin, sequence, hash]);
const encodeHolds = (holds: Holds): unknown => [
	encodeVector(holds.vector),
	encodeVector(holds.bodies),
	holds.extra,
	holds.missingBodies,
	holds.counter,
];

export function encodeFrame(frame: Frame): Uint8Array {
	switch (frame.type) {
		case "hello":
			return encode([
				"hello",
				frame.versions.newest,
				frame.cluster,
				frame.node,
				frame.origin,
				encodeHolds(frame.holds),
				frame.joining,
				encodeHeads(frame.heads),
				[
					frame.life.reviving,
					frame.life.run,
					Math.floor(frame.life.startedMilliseconds),
				],
				frame.versions.oldest,
			]);
		case "twin":
			return encode(["twin", frame.end]);
		case "records":
			return encode(["records", frame.framed]);
		case "holds":
			return encode([
				"holds",
				encodeHolds(frame.holds),
				frame.ready,
				frame.serves,
				frame.full,
			]);
		case "pull":
			return encode(["pull", frame.from]);
		case "lacks":
			return encode(["lacks", frame.origins]);
		case "snapshot":
			return encode(["snapshot", encodeHeads(frame.heads)]);
		case "document":
			return encode([
				"document",
				frame.id,
				frame.saved,
				frame.rows,
				frame.dead.flat(),
				...(frame.more === true ? [true] : []),
			]);
		case "snapshotEnd":
			return encode(["snapshotEnd"]);
		case "sync":
			return encode([
				"sync",
				frame.nonce,
				encodeVector(frame.vector),
				frame.mailbox,
				frame.tokens,
			]);
		case "synced":
			return encode([
				"synced",
				frame.nonce,
				encodeVector(frame.vector),
				frame.counter,
				frame.E,
			]);
		case "pairs":
			return encode([
				"pairs",
				frame.pairs.map(({ mailbox, token, exact, vector }) => [
					mailbox,
					token,
					exact,
					encodeVector(vector),
				]),
			]);
		case "watermarks":
			return encode([
				"watermarks",
				frame.watermarks.map(({ mailbox, E }) => [mailbox, E]),
			]);
		case "wants":
			return encode([
				"wants",
				frame.wants.map(({ mailbox, entry, claim }) => [mailbox, entry, claim]),
			]);
		case "confirm":
			return encode(["confirm", frame.transactions]);
		case "bodies":
			return encode(["bodies", encodeRefs(frame.bodies)]);
	}
}

/** Throws BadFrame for anything that encodeFrame could not have made, UnknownFrame for a kind that it does not make. */
export function decodeFrame(message: Uint8Array): Frame {
	try {
		const fields: unknown = decode(message);
		const [type, ...rest] = list(fields);
		if (typeof type !== "string" || !Object.hasOwn(parsers, type))
			throw new UnknownFrame(`unknown frame ${String(type).slice(0, 20)}`);
		return parsers[type as Frame["type"]](rest);
	} catch (error) {
		if (error instanceof UnknownFrame) throw error;
		throw new BadFrame(`cannot read a frame: ${String(error)}`);
	}
}

const list = (value: unknown): unknown[] => {
	if (!Array.isArray(value)) throw new BadFrame("not a list");
	return value;
};
const text = (value: unknown): string => {
	if (typeof value !== "string") throw new BadFrame("not text");
	return value;
};
const number = (value: unknown): number => {
	if (typeof value !== "number" || !Number.isSafeInteger(value))
		throw new BadFrame("not a number");
	return value;
};
/** One that is higher would leave this node no stamps of its own. */
const counterBelow = (value: unknown): number => {
	const counter = number(value);
	if (counter < 0 || counter > COUNTER_MAX)
		throw new BadFrame("a stamp counter out of bounds");
	return counter;
};
const bytes = (value: unknown): Uint8Array => {
	if (!(value instanceof Uint8Array)) throw new BadFrame("not bytes");
	return value;
};
const decodeHeads = (value: unknown): Map<Origin, Head> =>
	new Map(
		list(value).map((head) => {
			const [origin, sequence, hash] = list(head);
			return [
				toOrigin(text(origin)),
				{ sequence: toSequence(number(sequence)), hash: text(hash) },
			];
		}),
	);
const decodeHolds = (value: unknown): Holds => {
	const [vector, bodies, extra, missingBodies, counter] = list(value);
	return {
		vector: decodeVector(vector),
		bodies: decodeVector(bodies),
		extra: list(extra).map((one) => toSequence(number(one))),
		missingBodies: number(missingBodies),
		counter: counterBelow(counter),
	};
};

/** [low, high, low, high …] */
const decodeRanges = (value: unknown): UidRange[] => {
	const numbers = list(value).map(number);
	const ranges: UidRange[] = [];
	for (let i = 0; i + 1 < numbers.length; i += 2)
		ranges.push([uid(numbers[i] as number), uid(numbers[i + 1] as number)]);
	return ranges;
};

const decodeLife = (value: unknown): Life => {
	// An older release says nothing of it.
	if (value === undefined)
		return { reviving: false, run: "", startedMilliseconds: 0 };
	const [reviving, run, startedMilliseconds] = list(value);
	return {
		reviving: reviving === true,
		run: text(run),
		startedMilliseconds: number(startedMilliseconds),
	};
};

const parsers: Record<Frame["type"], (fields: unknown[]) => Frame> = {
	hello: ([
		newest,
		cluster,
		node,
		origin,
		holds,
		joining,
		heads,
		life,
		// Version 2 spoke nothing but itself, and did not say so.
		oldest = newest,
	]) => ({
		type: "hello",
		versions: { oldest: number(oldest), newest: number(newest) },
		cluster: text(cluster),
		node: nodeId(text(node)),
		origin: toOrigin(text(origin)),
		holds: decodeHolds(holds),
		joining: joining === true,
		heads: decodeHeads(heads),
		life: decodeLife(life),
	}),
	twin: ([end]) => ({ type: "twin", end: end === true }),
	records: ([framed]) => ({ type: "records", framed: list(framed).map(bytes) }),
	holds: ([holds, ready, serves, full]) => ({
		type: "holds",
		holds: decodeHolds(holds),
		ready: ready === true,
		serves: serves !== false,
		full: full === true,
	}),
	pull: ([from]) => ({
		type: "pull",
		from: list(from).map((one) => {
			const [origin, sequence] = list(one);
			return [toOrigin(text(origin)), toSequence(number(sequence))];
		}),
	}),
	lacks: ([origins]) => ({
		type: "lacks",
		origins: list(origins).map((one) => toOrigin(text(one))),
	}),
	snapshot: ([heads]) => ({ type: "snapshot", heads: decodeHeads(heads) }),
	document: ([id, saved, rows, dead = [], more]) => ({
		type: "document",
		id: documentId(text(id)),
		saved: bytes(saved),
		rows: list(rows).map((row) => {
			const [entry, json] = list(row);
			return [entryId(text(entry)), text(json)];
		}),
		dead: decodeRanges(dead),
		...(more === true && { more }),
	}),
	snapshotEnd: () => ({ type: "snapshotEnd" }),
	sync: ([nonce, vector, mailbox, tokens]) => ({
		type: "sync",
		nonce: number(nonce),
		vector: decodeVector(vector),
		mailbox: mailboxId(text(mailbox)),
		tokens: list(tokens).map(number),
	}),
	synced: ([nonce, vector, counter, E]) => ({
		type: "synced",
		nonce: number(nonce),
		vector: decodeVector(vector),
		counter: counterBelow(counter),
		E: number(E),
	}),
	pairs: ([pairs]) => ({
		type: "pairs",
		pairs: list(pairs).map((pair) => {
			const [mailbox, token, exact, vector] = list(pair);
			return {
				mailbox: mailboxId(text(mailbox)),
				token: modSeq(number(token)),
				exact: exact === true,
				vector: decodeVector(vector),
			};
		}),
	}),
	watermarks: ([watermarks]) => ({
		type: "watermarks",
		watermarks: list(watermarks).map((watermark) => {
			const [mailbox, E] = list(watermark);
			return { mailbox: mailboxId(text(mailbox)), E: uid(number(E)) };
		}),
	}),
	wants: ([wants]) => ({
		type: "wants",
		wants: list(wants).map((want) => {
			const [mailbox, entry, claim] = list(want);
			return {
				mailbox: mailboxId(text(mailbox)),
				entry: entryId(text(entry)),
				claim: number(claim),
			};
		}),
	}),
	confirm: ([transactions]) => ({
		type: "confirm",
		transactions: list(transactions).map(text),
	}),
	bodies: ([bodies]) => ({
		type: "bodies",
		bodies: decodeRefs(bodies),
	}),
};
