/** Writes what FETCH has prepared, with back-pressure within large literals. */
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
	{ body, range }: Streamed,
): Promise<void> {
	let leftBytes = range.end - range.start;
	try {
		const chunks = surroundings.bodies.stream(body, range.start, range.end);
		for await (const chunk of chunks) {
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
