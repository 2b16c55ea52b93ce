/**
 * From the bytes of a message to its tree of parts, in one pass, chunk by chunk: memory follows the number of parts and
 * the size of headers, never that of bodies. Lines end with LF; whether a CR stands before it is kept, not judged.
 */
import {
	MIME_ADDRESSES_MAX,
	MIME_DEPTH_MAX,
	MIME_HEADER_BYTES_MAX,
	MIME_HEADERS_BYTES_MAX,
	MIME_PARTS_MAX,
} from "../../sync/limits.ts";
import { BOUNDARY_BYTES_MAX, Boundaries } from "./boundaries.ts";
import { asBuffer } from "./header.ts";
import { rawParameter } from "./parameters.ts";
import { type Budget, type Content, readPart } from "./part.ts";
import type { Envelope, Parsed, Structure } from "./types.ts";

const LF = 10;
const CR = 13;
const DASH = 45;
/** What must be seen of a line to know what it is: "--", boundary, "--". */
const LOOK_AHEAD_BYTES = BOUNDARY_BYTES_MAX + 4;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A part that is not finished. Its level is its index in the stack. */
interface OpenPart {
	readonly structure: Writable<Structure>;
	/** Undefined for a part of a multipart. */
	envelope: Envelope | undefined;
	readonly children: Structure[];
	/** Default type within multipart/digest (RFC 2046 §5.1.5). */
	readonly inDigest: boolean;
	linesBefore: number;
}

/** `header` and `body`: of the innermost open part. `delimiter`: in the rest of a boundary line that begins a part. */
type State = "header" | "body" | "delimiter";

export class StructureParser {
	readonly #stack: OpenPart[] = [];
	readonly #boundaries = new Boundaries();
	readonly #budget: Budget = { addresses: MIME_ADDRESSES_MAX };
	#headersBytesLeft = MIME_HEADERS_BYTES_MAX;
	#parts = 0;
	#state: State = "header";
	/** Bytes of this header in earlier chunks, as much of it as is interpreted. */
	#headerPieces: Buffer[] = [];
	#headerPiecesBytes = 0;
	/** Bytes seen and not yet used up: the start of a line. */
	#carry: Buffer = Buffer.alloc(0);
	/** Offset in the message of the first byte in the current buffer. */
	#base = 0;
	#atLineStart = true;
	#lines = 0;
	/** Length of the line break before the current line. */
	#breakBytes = 0;
	#lastByte = 0;

	constructor() {
		this.#openPart(0, {}, false);
	}

	/** Takes the next bytes, which must stay unchanged during the call only. */
	push(chunk: Uint8Array): void {
		let bytes = asBuffer(chunk);
		if (this.#carry.length > 0) {
			// Only the line that was broken off is put together: copying it all would leave as much garbage as there is mail.
			const end = bytes.indexOf(LF) + 1 || bytes.length;
			this.#take(Buffer.concat([this.#carry, bytes.subarray(0, end)]));
			bytes = bytes.subarray(end);
		}
		if (bytes.length > 0)
			this.#take(
				this.#carry.length > 0 ? Buffer.concat([this.#carry, bytes]) : bytes,
			);
	}

	#take(bytes: Buffer): void {
		const used = this.#run(bytes, false);
		this.#carry = Buffer.from(bytes.subarray(used));
		this.#forget(bytes, used);
	}

	/** Takes the last bytes and gives the tree. The parser is used up. */
	end(last: Uint8Array = Buffer.alloc(0)): Parsed {
		const bytes =
			this.#carry.length > 0
				? Buffer.concat([this.#carry, last])
				: asBuffer(last);
		this.#run(bytes, true);
		const end = this.#base + bytes.length;
		if (this.#state === "delimiter") this.#nextPart(end);
		// A header that ends the message may be that of an embedded message, which then has an empty header, and so on.
		while (this.#state === "header") this.#endHeader(bytes, bytes.length);
		const root = this.#stack[0] as OpenPart;
		this.#closeFrom(0, end, this.#lines);
		return { envelope: root.envelope ?? {}, structure: root.structure };
	}

	/** Works through the buffer; returns how many bytes are done with. */
	#run(bytes: Buffer, final: boolean): number {
		let at = 0;
		while (at < bytes.length) {
			if (this.#atLineStart) {
				const short = bytes.length - at < LOOK_AHEAD_BYTES;
				if (short && !final && bytes.indexOf(LF, at) === -1) return at;
				at = this.#lineStart(bytes, at);
			} else if (this.#state === "body") {
				at = this.#restOfBody(bytes, at);
			} else {
				at = this.#restOfLine(bytes, at);
			}
		}
		return at;
	}

	/** Before the buffer goes: keep what of it is still needed. */
	#forget(bytes: Buffer, used: number): void {
		if (this.#state === "header") {
			const from = this.#headerFrom();
			const room = MIME_HEADER_BYTES_MAX - this.#headerPiecesBytes;
			const piece = bytes.subarray(from, Math.min(used, from + room));
			if (piece.length > 0) this.#headerPieces.push(Buffer.from(piece));
			this.#headerPiecesBytes += piece.length;
		}
		if (used > 0) this.#lastByte = bytes[used - 1] as number;
		this.#base += used;
	}

	/** Where in the buffer the current header goes on. */
	#headerFrom(): number {
		return Math.max(0, this.#current().structure.headerStart - this.#base);
	}

	#current(): OpenPart {
		return this.#stack[this.#stack.length - 1] as OpenPart;
	}

	/** Decides what the line at `at` is; returns where to go on. */
	#lineStart(bytes: Buffer, at: number): number {
		this.#atLineStart = false;
		if (bytes[at] === DASH && bytes[at + 1] === DASH) {
			const level = this.#boundaries.match(bytes, at + 2);
			if (level >= 0) return this.#boundary(bytes, at, level);
		}
		if (this.#state !== "header") return at;
		const blankBytes =
			bytes[at] === LF ? 1 : bytes[at] === CR && bytes[at + 1] === LF ? 2 : 0;
		if (blankBytes === 0) return at;
		this.#lines++;
		this.#breakBytes = blankBytes;
		this.#atLineStart = true;
		this.#endHeader(bytes, at + blankBytes);
		return at + blankBytes;
	}

	/** A boundary line of the multipart at `level`. */
	#boundary(bytes: Buffer, at: number, level: number): number {
		const after = at + 2 + this.#boundaries.matchedBytes;
		const closing = bytes[after] === DASH && bytes[after + 1] === DASH;
		if (!closing && this.#parts >= MIME_PARTS_MAX) {
			// The part at hand takes all the rest.
			this.#boundaries.clear();
			return at;
		}
		if (this.#state === "header") this.#endHeaderAtBoundary(bytes, at);
		this.#closeFrom(level + 1, this.#base + at, this.#lines);
		if (closing) this.#boundaries.remove(level);
		this.#state = closing ? "body" : "delimiter";
		return after;
	}

	/** A header without its blank line: all of it is header, and the body is empty. */
	#endHeaderAtBoundary(bytes: Buffer, at: number): void {
		do this.#endHeader(bytes, at);
		while (this.#state === "header");
	}

	/** Body lines, up to one that may be a boundary; the only loop over every byte. */
	#restOfBody(bytes: Buffer, from: number): number {
		const length = bytes.length;
		const looking = this.#boundaries.size > 0;
		let lines = this.#lines;
		for (let at = from; at < length; at++) {
			if (bytes[at] !== LF) continue;
			lines++;
			if (at + 1 < length && !(looking && bytes[at + 1] === DASH)) continue;
			this.#lines = lines;
			this.#lineEnded(bytes, at);
			return at + 1;
		}
		this.#lines = lines;
		return length;
	}

	/** The rest of a header line or of a boundary line. */
	#restOfLine(bytes: Buffer, from: number): number {
		// A loop of our own: lines are short, and a call for each costs more.
		let feed = from;
		while (feed < bytes.length && bytes[feed] !== LF) feed++;
		if (feed === bytes.length) return feed;
		this.#lines++;
		this.#lineEnded(bytes, feed);
		if (this.#state === "delimiter") this.#nextPart(this.#base + feed + 1);
		return feed + 1;
	}

	#lineEnded(bytes: Buffer, feed: number): void {
		const before = feed > 0 ? bytes[feed - 1] : this.#lastByte;
		this.#breakBytes = before === CR ? 2 : 1;
		this.#atLineStart = true;
	}

	/** After a boundary line: the next child of the multipart that is innermost now. */
	#nextPart(headerStart: number): void {
		const parent = this.#current();
		const inDigest = parent.structure.subtype.toLowerCase() === "digest";
		parent.children.push(this.#openPart(headerStart, undefined, inDigest));
	}

	#openPart(
		headerStart: number,
		envelope: Envelope | undefined,
		inDigest: boolean,
	): Structure {
		const structure: Writable<Structure> = {
			headerStart,
			bodyStart: headerStart,
			end: headerStart,
			lines: 0,
			type: "text",
			subtype: "plain",
			parameters: [],
		};
		this.#stack.push({
			structure,
			envelope,
			children: [],
			inDigest,
			linesBefore: 0,
		});
		this.#parts++;
		this.#state = "header";
		this.#headerPieces = [];
		this.#headerPiecesBytes = 0;
		return structure;
	}

	/** The header of the innermost part ends before `at` in the buffer: reads it, and begins the body. */
	#endHeader(bytes: Buffer, at: number): void {
		const part = this.#current();
		const header = this.#header(bytes, at);
		const { content, envelope } = readPart(
			header,
			part.envelope !== undefined,
			this.#budget,
		);
		if (part.envelope !== undefined) part.envelope = envelope;
		const bodyStart = this.#base + at;
		describe(part, content, bodyStart);
		part.linesBefore = this.#lines;
		this.#state = "body";
		this.#beginBody(part, bodyStart);
	}

	/** The bytes of the header that are interpreted. */
	#header(bytes: Buffer, at: number): Buffer {
		const last = bytes.subarray(this.#headerFrom(), at);
		const whole =
			this.#headerPieces.length === 0
				? last
				: Buffer.concat([...this.#headerPieces, last]);
		const taken = Math.min(
			whole.length,
			MIME_HEADER_BYTES_MAX,
			this.#headersBytesLeft,
		);
		this.#headersBytesLeft -= taken;
		return whole.subarray(0, taken);
	}

	/** Opens what a body of this type contains. */
	#beginBody(part: OpenPart, bodyStart: number): void {
		const { structure } = part;
		const type = structure.type.toLowerCase();
		const deeper = this.#stack.length < MIME_DEPTH_MAX;
		if (type === "multipart") {
			structure.children = part.children;
			const boundary = rawParameter(
				structure.parameters,
				"boundary",
			)?.text.replace(/[ \t]{1,100}$/, "");
			if (boundary && deeper)
				this.#boundaries.add(this.#stack.length - 1, boundary);
		} else if (
			isMessage(structure) &&
			isIdentity(structure.encoding) &&
			deeper &&
			this.#parts < MIME_PARTS_MAX
		) {
			this.#openPart(bodyStart, {}, false);
		}
	}

	/**
	 * Ends the parts at `level` and within, at a line that starts at `lineStart` (or at the end of the message). The line
	 * break before a boundary is the boundary's, unless it is the one that ended the header.
	 */
	#closeFrom(level: number, lineStart: number, lines: number): void {
		const beforeBreak = level === 0 ? lineStart : lineStart - this.#breakBytes;
		let innerEnd = 0;
		while (this.#stack.length > level) {
			this.#boundaries.remove(this.#stack.length - 1);
			const part = this.#stack.pop() as OpenPart;
			const { structure } = part;
			structure.end = Math.max(beforeBreak, structure.bodyStart, innerEnd);
			innerEnd = structure.end;
			structure.lines =
				lines - part.linesBefore - (structure.end < lineStart ? 1 : 0);
			const outer = this.#stack[this.#stack.length - 1];
			if (part.envelope !== undefined && outer !== undefined)
				outer.structure.message = { envelope: part.envelope, structure };
		}
	}
}

const isMessage = (structure: Structure): boolean =>
	structure.type.toLowerCase() === "message" &&
	/^(rfc822|global)$/i.test(structure.subtype);

/** RFC 2045 §6.2: encodings that leave the octets as they are. */
const isIdentity = (encoding: string | undefined): boolean =>
	encoding === undefined || /^([78]bit|binary)$/i.test(encoding);

/** Enters what the header said. */
function describe(part: OpenPart, content: Content, bodyStart: number): void {
	const { structure } = part;
	const { media, ...rest } = content;
	structure.bodyStart = bodyStart;
	structure.end = bodyStart;
	Object.assign(structure, rest);
	if (media !== undefined) {
		Object.assign(structure, media);
	} else if (part.inDigest) {
		structure.type = "message";
		structure.subtype = "rfc822";
	}
}

/**
 * Takes a message apart. Never fails, whatever the bytes; the cost is linear in their number. Keeps no reference to
 * `bytes`.
 */
export const parseMessage = (bytes: Uint8Array): Parsed =>
	new StructureParser().end(bytes);
