/**
 * A whole message without its transfer encodings (BINARY[] of RFC 3516 §4.2, RFC 9051 §6.4.5): as its bytes are, but that
 * the bodies of base64 and quoted-printable parts are decoded, at any depth, and their headers say so. So does Dovecot.
 */
import { asBuffer, FieldCursor } from "./header.ts";
import { transferDecoder } from "./transfer-stream.ts";
import type { HasStructure, Range, Structure } from "./types.ts";

/** A stretch of the message, and what is done with it. */
export interface Stretch extends Range {
	/** `header`: to be given to binaryHeader(). */
	readonly kind: "raw" | "header" | "body";
	/** Of a body. */
	readonly encoding?: string | undefined;
}

const CHANGES_NOTHING = new Set(["7bit", "8bit", "binary"]);
const NAME = "content-transfer-encoding";

/**
 * The stretches that a message of `sizeBytes` consists of; undefined where a part has an encoding that is not known. Parts
 * whose header is longer than `headerBytesMax` stay as they are.
 */
export function decodedStretches(
	{ structure }: HasStructure,
	sizeBytes: number,
	headerBytesMax: number,
): Stretch[] | undefined {
	const stretches: Stretch[] = [];
	let at = 0;
	const add = (stretch: Stretch): void => {
		if (stretch.start > at)
			stretches.push({ kind: "raw", start: at, end: stretch.start });
		stretches.push(stretch);
		at = stretch.end;
	};
	for (const leaf of encodedLeaves(structure)) {
		const { headerStart, bodyStart, end, encoding } = leaf;
		if (transferDecoder(encoding) === undefined) return undefined;
		if (bodyStart - headerStart > headerBytesMax) continue;
		add({ kind: "header", start: headerStart, end: bodyStart });
		add({ kind: "body", start: bodyStart, end, encoding });
	}
	if (at < sizeBytes)
		stretches.push({ kind: "raw", start: at, end: sizeBytes });
	return stretches;
}

/** In order. A multipart or an embedded message has no encoding of its own (RFC 2045 §6.4). */
function* encodedLeaves(of: Structure): Generator<Structure> {
	if (of.children !== undefined)
		for (const child of of.children) yield* encodedLeaves(child);
	else if (of.message !== undefined) yield* encodedLeaves(of.message.structure);
	else if (!CHANGES_NOTHING.has(of.encoding?.toLowerCase() ?? "7bit")) yield of;
}

/** The header of a part whose body is sent decoded. */
export function binaryHeader(header: Uint8Array): Buffer {
	const bytes = asBuffer(header);
	const cursor = new FieldCursor(bytes);
	const parts: Buffer[] = [];
	let from = 0;
	let isSaid = false;
	while (cursor.next()) {
		if (cursor.nameEnd - cursor.start !== NAME.length) continue;
		if (cursor.name() !== NAME) continue;
		parts.push(bytes.subarray(from, cursor.start));
		if (!isSaid)
			parts.push(Buffer.from("Content-Transfer-Encoding: binary\r\n"));
		isSaid = true;
		from = cursor.end;
	}
	parts.push(bytes.subarray(from));
	return Buffer.concat(parts);
}
