/**
 * Line ends of a message in transit: every bare CR and every bare LF becomes CRLF, as `text.replace(/\r\n|\r|\n/g,
 * "\r\n")` would do on the whole, however the bytes are cut into chunks. So no reader further on can take a bare LF for
 * the end of a line that this host did not see (SMTP smuggling). What is proper already passes uncopied.
 */
const CR = 13;
const LF = 10;
const CRLF = Buffer.from("\r\n");

export class LineEnds {
	/** The last chunk ended in CR, which is not out yet: it may be half of a CRLF. */
	#heldCr = false;

	/** Appends to `out` what can be told by now. Buffers in `out` may share memory with `chunk`. */
	write(chunk: Buffer, out: Buffer[]): void {
		let start = 0;
		if (this.#heldCr && chunk.length > 0) {
			out.push(CRLF);
			if (chunk[0] === LF) start = 1;
			this.#heldCr = false;
		}
		let end = chunk.length;
		if (end > start && chunk[end - 1] === CR) {
			this.#heldCr = true;
			end--;
		}
		if (end === start) return;
		const rest = chunk.subarray(start, end);
		out.push(isProper(rest) ? rest : repaired(rest));
	}

	/** Call once after the last chunk. */
	end(out: Buffer[]): void {
		if (this.#heldCr) out.push(CRLF);
		this.#heldCr = false;
	}
}

/** Whether CR and LF occur as CRLF only. Two native scans a line, and no copy. */
function isProper(bytes: Buffer): boolean {
	for (let at = 0; ; ) {
		const lf = bytes.indexOf(LF, at);
		const cr = bytes.indexOf(CR, at);
		if (lf === -1) return cr === -1;
		if (cr === -1 || cr !== lf - 1) return false;
		at = lf + 1;
	}
}

/** One pass, byte by byte: only for chunks that have something to repair. */
function repaired(bytes: Buffer): Buffer {
	const out = Buffer.allocUnsafe(bytes.length * 2);
	let length = 0;
	for (let at = 0; at < bytes.length; at++) {
		const byte = bytes[at] ?? 0;
		if (byte === CR || byte === LF) {
			out[length++] = CR;
			out[length++] = LF;
			if (byte === CR && bytes[at + 1] === LF) at++;
		} else out[length++] = byte;
	}
	return out.subarray(0, length);
}
