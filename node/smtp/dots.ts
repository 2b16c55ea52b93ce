/**
 * The content of DATA: takes the stuffed dots out and finds the end (RFC 5321 §4.5.2). A line here ends with CRLF and
 * nothing else, so only CRLF.CRLF ends DATA; to be less strict is what SMTP smuggling lives on. smtp-server's own decoder
 * is as strict, but takes dots away after bare LF too, and needs a turn of the event loop for each dot.
 */
const CR = 13;
const LF = 10;
const DOT = 46;
const CRLF_DOT = Buffer.from("\r\n.");
const HELD_CR = Buffer.of(CR);

type State =
	| "line"
	| "CR"
	/** Right after CRLF, or at the very start. */
	| "line start"
	/** A dot at the start of a line: not content, whatever follows. */
	| "dot"
	/** That dot and CR, which is content unless LF follows. */
	| "dot CR";

export class DotDecoder {
	#state: State = "line start";

	/** Appends content to `out` (sharing memory with `chunk`). Answers where the rest begins, once DATA has ended; else -1. */
	feed(chunk: Buffer, out: Buffer[]): number {
		/** Content that is not in `out` yet begins here. */
		let from = 0;
		if (this.#state === "dot CR" && chunk.length > 0 && chunk[0] !== LF)
			out.push(HELD_CR);
		for (let at = 0; at < chunk.length; ) {
			if (this.#state === "line") {
				const found = chunk.indexOf(CRLF_DOT, at);
				if (found === -1) {
					this.#state = stateAfter(chunk, at);
					break;
				}
				at = found + 2;
				this.#state = "line start";
			}
			const byte = chunk[at++];
			if (this.#state === "dot CR" && byte === LF) return at;
			if (this.#state === "line start" && byte === DOT) {
				out.push(chunk.subarray(from, at - 1));
				from = at;
			}
			this.#state = nextState(this.#state, byte);
		}
		const end = chunk.length - (this.#state === "dot CR" ? 1 : 0);
		if (end > from) out.push(chunk.subarray(from, end));
		return -1;
	}
}

function nextState(state: State, byte: number | undefined): State {
	if (state === "line start" && byte === DOT) return "dot";
	if (byte === CR) return state === "dot" ? "dot CR" : "CR";
	return state === "CR" && byte === LF ? "line start" : "line";
}

/** The state after the rest of a chunk that has no CRLF and dot in it and begins within a line. */
function stateAfter(chunk: Buffer, at: number): State {
	const last = chunk[chunk.length - 1];
	if (last === CR) return "CR";
	const proper = last === LF && chunk.length - 2 >= at;
	return proper && chunk[chunk.length - 2] === CR ? "line start" : "line";
}
