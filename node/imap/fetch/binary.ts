/** BINARY and BINARY.SIZE (RFC 3516 §4): sections without their transfer encoding. */
import type { Message } from "../../../sync/api.ts";
import { BODY_MEMORY_BYTES_MAX } from "../../../sync/limits.ts";
import type { Bodies, BodyRef } from "../../../sync/ports/bodies.ts";
import {
	binaryHeader,
	decodedStretches,
	type Parsed,
	partAt,
	type Stretch,
	transferDecoder,
} from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import type { Surroundings } from "../session.ts";
import type { SectionItem } from "./items.ts";
import { cutTo, type Piece } from "./render.ts";

/**
 * The octets of a part as they were before they were encoded, or their number. Of the whole message all parts that have an
 * encoding are decoded; of a multipart and an embedded message the octets come as they are: these have no encoding of their
 * own (RFC 2045 §6.4). Refusal UNKNOWN-CTE (RFC 3516 §4.3).
 */
export async function renderBinary(
	{ bodies, structures }: Surroundings,
	{ binary, section, partial }: SectionItem,
	message: Message,
	holdBytesMax: number,
): Promise<Piece> {
	const { body } = message;
	const parsed = await structures.parsed(message);
	const stretches = stretchesOf(parsed, section.part, body);
	if (stretches === undefined) return binary === "size" ? "0" : "NIL";
	const octets = () => decoded(bodies, body, stretches);
	if (sentBytes(stretches) <= holdBytesMax) {
		const held = await collected(octets());
		if (binary === "size") return `${held.length}`;
		const { start, end } = cutTo({ start: 0, end: held.length }, partial);
		return held.subarray(start, end);
	}
	// How many they are must be said before they are sent.
	let sizeBytes = 0;
	for await (const chunk of octets()) sizeBytes += chunk.length;
	if (binary === "size") return `${sizeBytes}`;
	const { start: from, end: to } = cutTo({ start: 0, end: sizeBytes }, partial);
	return { from, to, octets };
}

/** Undefined: there is no such part. */
function stretchesOf(
	parsed: Pick<Parsed, "structure">,
	numbers: readonly number[],
	{ sizeBytes }: BodyRef,
): readonly Stretch[] | undefined {
	const part = partAt(parsed, numbers);
	if (part === undefined) return undefined;
	if (numbers.length === 0) {
		const all = decodedStretches(parsed, sizeBytes, BODY_MEMORY_BYTES_MAX);
		return all ?? refuse();
	}
	const { bodyStart: start, end } = part;
	const isComposite = part.children !== undefined || part.message !== undefined;
	const encoding = isComposite ? undefined : part.encoding;
	if (transferDecoder(encoding) === undefined) refuse();
	return [{ kind: "body", start, end, encoding }];
}

function refuse(): never {
	throw new Refusal(
		"NO",
		"UNKNOWN-CTE",
		"The part has a transfer encoding that is not known here",
	);
}

/** What is read of the body for them. */
const sentBytes = (stretches: readonly Stretch[]): number =>
	stretches.reduce((sum, { start, end }) => sum + end - start, 0);

async function* decoded(
	bodies: Pick<Bodies, "read" | "stream">,
	body: BodyRef,
	stretches: readonly Stretch[],
): AsyncGenerator<Uint8Array> {
	for (const { kind, start, end, encoding } of stretches) {
		if (kind === "header") {
			yield binaryHeader(await bodies.read(body, start, end));
			continue;
		}
		const decoder = transferDecoder(kind === "raw" ? undefined : encoding);
		if (decoder === undefined) refuse();
		for await (const chunk of bodies.stream(body, start, end))
			yield decoder.push(chunk);
		yield decoder.end();
	}
}

async function collected(octets: AsyncIterable<Uint8Array>): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of octets) chunks.push(chunk);
	return Buffer.concat(chunks);
}
