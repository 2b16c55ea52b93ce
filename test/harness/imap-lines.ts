/** IMAP responses cut from a stream of bytes (RFC 9051 §4.3: a literal is part of its line). */
const CRLF = Buffer.from("\r\n");

/** One response line. Literals are taken out of the text and stand in `literals`; the text keeps their `{size}`. */
export interface Line {
	/** Latin-1, without the leading `* ` and the final CRLF. */
	readonly text: string;
	readonly literals: readonly Buffer[];
}
/** Cuts a byte stream into response lines, literals included, without copying a large literal more than twice. */
export class LineCutter {
	#chunks: Buffer[] = [];
	#bytes = 0;
	#needed = 1;
	readonly #line: (line: Buffer, literals: readonly [number, number][]) => void;
	constructor(
		line: (line: Buffer, literals: readonly [number, number][]) => void,
	) {
		this.#line = line;
	}
	push(chunk: Buffer): void {
		this.#chunks.push(chunk);
		this.#bytes += chunk.length;
		if (this.#bytes < this.#needed) return;
		const data =
			this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
		const rest = this.#cut(data);
		this.#chunks = rest.length > 0 ? [rest] : [];
		this.#bytes = rest.length;
	}
	#cut(data: Buffer): Buffer {
		let start = 0;
		let scan = 0;
		let literals: [number, number][] = [];
		for (;;) {
			const end = data.indexOf(CRLF, scan);
			if (end < 0) {
				this.#needed = Math.max(data.length, scan) - start + 1;
				return data.subarray(start);
			}
			const size = literalSize(data, scan, end);
			if (size === undefined) {
				this.#line(data.subarray(start, end), literals);
				start = scan = end + 2;
				literals = [];
			} else {
				literals.push([end + 2 - start, size]);
				scan = end + 2 + size;
			}
		}
	}
}

/** The size in a `{123}` that ends the line part, or undefined. */
function literalSize(
	data: Buffer,
	from: number,
	end: number,
): number | undefined {
	if (data[end - 1] !== 0x7d) return undefined;
	const open = data.lastIndexOf(0x7b, end - 1);
	if (open < from) return undefined;
	const digits = data.toString("latin1", open + 1, end - 1);
	return /^\d{1,10}$/.test(digits) ? Number(digits) : undefined;
}

/** The line with its literals, whose places are (offset, length); `from` leaves out what precedes the text. */
export function toLine(
	data: Buffer,
	literals: readonly [number, number][],
	from: number,
): Line {
	let text = "";
	let at = from;
	for (const [start, size] of literals) {
		text += data.toString("latin1", at, start - 2);
		at = start + size;
	}
	return {
		text: text + data.toString("latin1", at),
		literals: literals.map(([start, size]) =>
			Buffer.from(data.subarray(start, start + size)),
		),
	};
}
