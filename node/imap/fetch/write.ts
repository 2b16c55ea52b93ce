/** Writes what FETCH has prepared, with back-pressure within large literals. */
import { Disconnected } from "../answer.ts";
import type { Session } from "../session.ts";
import type { Made, Piece, Streamed } from "./render.ts";

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
	piece: Streamed | Made,
): Promise<void> {
	let leftBytes =
		"range" in piece
			? piece.range.end - piece.range.start
			: piece.to - piece.from;
	try {
		for await (const chunk of octetsOf(surroundings, piece)) {
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
	piece: Streamed | Made,
): AsyncGenerator<Uint8Array> {
	if ("range" in piece) {
		const { body, range } = piece;
		yield* bodies.stream(body, range.start, range.end);
		return;
	}
	let at = 0;
	for await (const octets of piece.octets()) {
		const start = Math.max(0, piece.from - at);
		const end = Math.max(start, piece.to - at);
		at += octets.length;
		yield octets.subarray(start, end);
		if (at >= piece.to) return;
	}
}
