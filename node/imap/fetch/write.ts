/** Writes what FETCH has prepared, with back-pressure within large literals. */
import { transferDecoder } from "../../mime/index.ts";
import { Disconnected } from "../answer.ts";
import type { Session } from "../session.ts";
import type { Piece, Streamed } from "./render.ts";

/** Disconnected when the client is gone, or when a body ends before the length that was announced. */
export async function writePieces(
	session: Session,
	pieces: readonly Piece[],
): Promise<void> {
	const { output } = session;
	for (const piece of pieces)
		if (typeof piece === "string") output.text(piece);
		else if (piece instanceof Uint8Array) output.bytes(piece);
		else await pump(session, piece);
}

async function pump(
	{ surroundings, output, log }: Session,
	streamed: Streamed,
): Promise<void> {
	const { range, decoded } = streamed;
	let leftBytes =
		decoded === undefined ? range.end - range.start : decoded.to - decoded.from;
	try {
		for await (const chunk of octetsOf(surroundings, streamed)) {
			leftBytes -= chunk.length;
			output.bytes(chunk);
			if (output.crowded) await output.room();
		}
		if (leftBytes !== 0) throw new Error("the body is shorter than its length");
	} catch (error) {
		if (error instanceof Disconnected) throw error;
		// The client waits for octets that cannot be given: it would understand nothing that follows.
		log.error("a message broke off while it was sent", { error });
		throw new Disconnected("a body ended early");
	}
}

async function* octetsOf(
	{ bodies }: Session["surroundings"],
	{ body, range, decoded }: Streamed,
): AsyncGenerator<Uint8Array> {
	const chunks = bodies.stream(body, range.start, range.end);
	const decoder = decoded && transferDecoder(decoded.encoding);
	if (decoded === undefined || decoder === undefined) {
		yield* chunks;
		return;
	}
	let at = 0;
	const cut = (octets: Uint8Array): Uint8Array => {
		const start = Math.max(0, decoded.from - at);
		const end = Math.max(start, decoded.to - at);
		at += octets.length;
		return octets.subarray(start, end);
	};
	for await (const chunk of chunks) {
		yield cut(decoder.push(chunk));
		if (at >= decoded.to) return;
	}
	yield cut(decoder.end());
}
