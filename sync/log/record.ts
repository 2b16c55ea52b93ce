/**
 * One change as it lies in the log and travels: (origin, sequence, what its author had, account, document, keys, bytes).
 * Records of one origin form a hash chain, so a damaged or forged record, and an origin that forked, are seen at once.
 */
import { createHash } from "node:crypto";
import { decode, encode } from "cborg";
import {
	type DocumentId,
	documentId,
	type Milliseconds,
	type Origin,
	type Sequence,
	origin as toOrigin,
	sequence as toSequence,
} from "../ids.ts";
import { LINK_MESSAGE_BYTES_MAX } from "../limits.ts";

/** origin → highest sequence held, without gaps. */
export type Vector = ReadonlyMap<Origin, Sequence>;

export interface ChangeRecord {
	readonly origin: Origin;
	readonly sequence: Sequence;
	/** What the author had of other origins, as far as it is news since its previous record. */
	readonly had: Vector;
	readonly document: DocumentId;
	/** The keys of the document that the change puts or removes. */
	readonly keys: readonly string[];
	/** The Automerge change. */
	readonly change: Uint8Array;
	/** The author's wall clock. */
	readonly madeMilliseconds: Milliseconds;
}

/** Hash of a record, or of an origin's head: 16 bytes as hex. "" before the first record. */
export type ChainHash = string;

export class BadRecord extends Error {
	override name = "BadRecord";
}

export function encodeRecord(record: ChangeRecord): Uint8Array {
	const { origin, sequence, document, keys, change } = record;
	const before = [origin, sequence, [...record.had].flat(), document];
	const after = [change, record.madeMilliseconds];
	if (keys.length < KEYS_MIN) return encode([...before, keys, ...after]);
	return Buffer.concat([
		FIELDS_HEAD,
		...before.map((field) => encode(field)),
		encodeTexts(keys),
		...after.map((field) => encode(field)),
	]);
}

/** An array of seven. */
const FIELDS_HEAD = Uint8Array.of(0x87);
/** The keys of more are laid down here: that takes a fifth of what it takes to encode() them. */
const KEYS_MIN = 16;
const CBOR_TEXT = 0x60;
const CBOR_ARRAY = 0x80;
const CBOR_HEAD_BYTES_MAX = 5;

/** As encode() has an array of texts: each number in the shortest form (RFC 8949 §4.2.1). */
function encodeTexts(texts: readonly string[]): Uint8Array {
	let most = CBOR_HEAD_BYTES_MAX;
	for (let i = 0; i < texts.length; i++)
		most += CBOR_HEAD_BYTES_MAX + 3 * (texts[i] as string).length;
	const buffer = Buffer.allocUnsafe(most);
	let at = writeHead(buffer, 0, CBOR_ARRAY, texts.length);
	for (let i = 0; i < texts.length; i++) {
		const text = texts[i] as string;
		const start = writeHead(buffer, at, CBOR_TEXT, text.length);
		at = writeAscii(buffer, start, text);
		if (at >= 0) continue;
		const from = writeHead(
			buffer,
			start - headBytes(text.length),
			CBOR_TEXT,
			Buffer.byteLength(text),
		);
		at = from + buffer.write(text, from);
	}
	return buffer.subarray(0, at);
}

/** Returns where it ends; -1 where the text has others than ASCII. */
function writeAscii(buffer: Buffer, from: number, text: string): number {
	for (let i = 0; i < text.length; i++) {
		const unit = text.charCodeAt(i);
		if (unit >= 0x80) return -1;
		buffer[from + i] = unit;
	}
	return from + text.length;
}

const headBytes = (value: number): number =>
	value < 24 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : 5;

/** Returns where it ends. */
function writeHead(
	buffer: Buffer,
	at: number,
	major: number,
	value: number,
): number {
	const bytes = headBytes(value);
	if (bytes === 1) buffer[at] = major | value;
	else if (bytes === 2) {
		buffer[at] = major | 24;
		buffer[at + 1] = value;
	} else if (bytes === 3) {
		buffer[at] = major | 25;
		buffer.writeUInt16BE(value, at + 1);
	} else {
		buffer[at] = major | 26;
		buffer.writeUInt32BE(value, at + 1);
	}
	return at + bytes;
}

export function chainHash(previous: ChainHash, encoded: Uint8Array): ChainHash {
	return createHash("sha256")
		.update(previous)
		.update(encoded)
		.digest("hex")
		.slice(0, 32);
}

/** Throws BadRecord for anything that encodeRecord could not have made. */
export function decodeRecord(bytes: Uint8Array): ChangeRecord {
	if (bytes.length > LINK_MESSAGE_BYTES_MAX)
		throw new BadRecord("a change is too large");
	try {
		const fields: unknown = decode(bytes);
		if (!Array.isArray(fields) || fields.length !== 7)
			throw new BadRecord("not seven fields");
		const [origin, sequence, had, document, keys, change, made] = fields;
		if (
			!(change instanceof Uint8Array) ||
			!Array.isArray(keys) ||
			!keys.every((key) => typeof key === "string") ||
			typeof made !== "number"
		)
			throw new BadRecord("a field is of the wrong type");
		return {
			origin: toOrigin(origin),
			sequence: toSequence(sequence),
			had: decodeVector(had),
			document: documentId(document),
			keys,
			change,
			madeMilliseconds: made,
		};
	} catch (error) {
		throw error instanceof BadRecord
			? error
			: new BadRecord(`cannot read a change: ${String(error)}`);
	}
}

/** [origin, sequence, origin, sequence …], as vectors travel. */
export const encodeVector = (vector: Vector): (string | number)[] =>
	[...vector].flat();
export function decodeVector(flat: unknown): Map<Origin, Sequence> {
	if (!Array.isArray(flat) || flat.length % 2 !== 0)
		throw new BadRecord("not a vector");
	const vector = new Map<Origin, Sequence>();
	for (let i = 0; i < flat.length; i += 2)
		vector.set(toOrigin(flat[i]), toSequence(flat[i + 1]));
	return vector;
}

export const covers = (have: Vector, want: Vector): boolean => {
	for (const [origin, sequence] of want)
		if ((have.get(origin) ?? 0) < sequence) return false;
	return true;
};
export const total = (vector: Vector): number => {
	let sum = 0;
	for (const sequence of vector.values()) sum += sequence;
	return sum;
};
/** How many changes `have` lacks of `want`. */
export const missing = (have: Vector, want: Vector): number => {
	let sum = 0;
	for (const [origin, sequence] of want)
		sum += Math.max(0, sequence - (have.get(origin) ?? 0));
	return sum;
};
