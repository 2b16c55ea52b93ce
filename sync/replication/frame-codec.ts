/** Frames as they travel: CBOR arrays, checked when they come in. */
import { decode, encode } from "cborg";
import {
	documentId,
	entryId,
	mailboxId,
	modSeq,
	nodeId,
	type Origin,
	origin as toOrigin,
	sequence as toSequence,
	type UidRange,
	uid,
} from "../ids.ts";
import { REFUSAL_TEXT_MAX } from "../limits.ts";
import type { Head } from "../log/log.ts";
import { decodeVector, encodeVector } from "../log/record.ts";
import { COUNTER_MAX } from "../mailbox/slots.ts";
import { decodeRefs, encodeRefs } from "./body-refs.ts";
import {
	BadFrame,
	type Frame,
	type Holds,
	type Life,
	UnknownFrame,
} from "./frames.ts";
import type { PiecesTold } from "./pushing.ts";

const encodeHeads = (heads: ReadonlyMap<Origin, Head>): unknown =>
	[...heads].map(([origin, { sequence, hash }]) => [origin, sequence, hash]);
const encodeHolds = (holds: Holds): unknown => [
	encodeVector(holds.vector),
	encodeVector(holds.bodies),
	holds.extra,
	holds.missingBodies,
	holds.counter,
	holds.pace,
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
				...(frame.pieces === undefined
					? []
					: [[frame.pieces.dealtWith, frame.pieces.refused]]),
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
		case "refuses":
			return encode([
				"refuses",
				frame.origin,
				frame.sequence,
				frame.reason,
				...(frame.by === undefined ? [] : [frame.by]),
			]);
		case "confirm":
			return encode(["confirm", frame.transactions]);
		case "push": {
			const { drive, start, blocks, signature, bodies } = frame.piece;
			return encode([
				"push",
				drive,
				start,
				blocks,
				signature,
				encodeRefs(bodies),
			]);
		}
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
	// An older release says no pace: nothing more than its counter is known then.
	const [vector, bodies, extra, missingBodies, counter, pace = counter] =
		list(value);
	return {
		vector: decodeVector(vector),
		bodies: decodeVector(bodies),
		extra: list(extra).map((one) => toSequence(number(one))),
		missingBodies: number(missingBodies),
		counter: counterBelow(counter),
		pace: counterBelow(pace),
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

const decodePieces = (value: unknown): PiecesTold => {
	const [dealtWith, refused] = list(value);
	return { dealtWith: number(dealtWith), refused: number(refused) };
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
	holds: ([holds, ready, serves, full, pieces]) => ({
		type: "holds",
		holds: decodeHolds(holds),
		ready: ready === true,
		serves: serves !== false,
		full: full === true,
		...(pieces !== undefined && { pieces: decodePieces(pieces) }),
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
	refuses: ([origin, sequence, reason, by]) => ({
		type: "refuses",
		origin: toOrigin(text(origin)),
		sequence: toSequence(number(sequence)),
		reason: text(reason).slice(0, REFUSAL_TEXT_MAX),
		...(by !== undefined && { by: nodeId(text(by)) }),
	}),
	confirm: ([transactions]) => ({
		type: "confirm",
		transactions: list(transactions).map(text),
	}),
	push: ([drive, start, blocks, signature, bodies]) => ({
		type: "push",
		piece: {
			drive: text(drive),
			start: number(start),
			blocks: list(blocks).map(bytes),
			signature: bytes(signature),
			bodies: decodeRefs(bodies),
		},
	}),
	bodies: ([bodies]) => ({
		type: "bodies",
		bodies: decodeRefs(bodies),
	}),
};
