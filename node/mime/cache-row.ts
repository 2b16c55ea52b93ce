/**
 * What is kept of one message, as bytes: the note holds what a list of messages shows, the row all else. Wire strings hold
 * one character an octet.
 */
import { STRUCTURE_HEADER_BYTES_MAX } from "../../sync/limits.ts";
import { orderingOf, packOrdering } from "./ordering.ts";
import type { Parsed } from "./types.ts";
import { bodyStructureImap, envelopeImap } from "./wire.ts";

/** Raise it when parsing changes its results, or this form does: what is kept is made anew then. */
export const ROW_FORMAT = 5;

export interface StoredStructure {
	readonly hash: string;
	readonly envelope: string;
	readonly bodyStructure: string;
	readonly headerBytes: number;
}
/** Texts of a message that are wanted at other times than its structure. */
export type TextKind = "tree" | "ordering" | "preview";

export interface CacheRow {
	readonly hash: string;
	readonly note: Buffer;
	readonly row: Buffer;
}

/** The note: bytes of the message's header, bytes of the envelope; envelope, body structure. */
const NOTE_START_BYTES = 8;
/** The row: lengths of its four parts; tree (JSON of Parsed), ordering (packOrdering), preview, header. */
const ROW_START_BYTES = 16;
const PARTS = ["tree", "ordering", "preview", "header"] as const;
type Part = (typeof PARTS)[number];
/** As a length: it is not kept. */
const NONE = 0xffff_ffff;

/** `start`: the message, or as much of its start as is at hand. */
export function cacheRow(
	hash: string,
	parsed: Parsed,
	start: Uint8Array,
): CacheRow {
	const headerBytes = parsed.structure.bodyStart;
	const header = start.subarray(0, headerBytes);
	const isKept =
		headerBytes <= Math.min(STRUCTURE_HEADER_BYTES_MAX, start.length);
	return {
		hash,
		note: packNote(
			headerBytes,
			envelopeImap(parsed),
			bodyStructureImap(parsed, true),
		),
		row: packRow({
			tree: Buffer.from(JSON.stringify(parsed)),
			ordering: Buffer.from(packOrdering(orderingOf(parsed.envelope, header))),
			preview: undefined,
			header: isKept ? header : undefined,
		}),
	};
}

function packNote(
	headerBytes: number,
	envelope: string,
	bodyStructure: string,
): Buffer {
	const note = Buffer.allocUnsafe(
		NOTE_START_BYTES + envelope.length + bodyStructure.length,
	);
	note.writeUInt32LE(headerBytes, 0);
	note.writeUInt32LE(envelope.length, 4);
	note.write(envelope, NOTE_START_BYTES, "latin1");
	note.write(bodyStructure, NOTE_START_BYTES + envelope.length, "latin1");
	return note;
}

export function structureIn(hash: string, note: Buffer): StoredStructure {
	const envelopeEnd = NOTE_START_BYTES + note.readUInt32LE(4);
	return {
		hash,
		headerBytes: note.readUInt32LE(0),
		envelope: note.toString("latin1", NOTE_START_BYTES, envelopeEnd),
		bodyStructure: note.toString("latin1", envelopeEnd),
	};
}

function packRow(
	parts: Readonly<Record<Part, Uint8Array | undefined>>,
): Buffer {
	const lengths = Buffer.allocUnsafe(ROW_START_BYTES);
	const pieces: Uint8Array[] = [lengths];
	for (const [index, name] of PARTS.entries()) {
		const part = parts[name];
		lengths.writeUInt32LE(part?.length ?? NONE, index * 4);
		if (part !== undefined) pieces.push(part);
	}
	return Buffer.concat(pieces);
}

/** A view of the row. */
function partIn(row: Buffer, name: Part): Buffer | undefined {
	let at = ROW_START_BYTES;
	for (const [index, one] of PARTS.entries()) {
		const length = row.readUInt32LE(index * 4);
		if (one === name)
			return length === NONE ? undefined : row.subarray(at, at + length);
		if (length !== NONE) at += length;
	}
	return undefined;
}

export const textIn = (row: Buffer, kind: TextKind): string | undefined =>
	partIn(row, kind)?.toString();

/** A view of the row; undefined: the header is large. */
export const headerIn = (row: Buffer): Buffer | undefined =>
	partIn(row, "header");

export const withPreview = (row: Buffer, preview: string): Buffer =>
	packRow({
		tree: partIn(row, "tree"),
		ordering: partIn(row, "ordering"),
		preview: Buffer.from(preview),
		header: partIn(row, "header"),
	});
