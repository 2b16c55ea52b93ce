/** Fields of a header block: where each starts and ends, unfolding, picking some (RFC 5322 §2.2). */

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const COLON = 58;

/** The same memory as a Buffer, for its fast searches. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
	Buffer.isBuffer(bytes)
		? bytes
		: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Walks over the fields of a header block, up to its blank line. Lines without a colon are fields whose name is the line and whose value
 * is empty; they end nothing. Offsets are within the block.
 */
export class FieldCursor {
	readonly #bytes: Buffer;
	/** First byte of the field. */
	start = 0;
	/** After the name, without white space before the colon. */
	nameEnd = 0;
	/** After the colon. */
	valueStart = 0;
	/** After the last byte of the last continuation line, its line break included. */
	end = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = asBuffer(bytes);
	}

	/** Goes to the next field; false at the end of the header. */
	next(): boolean {
		const bytes = this.#bytes;
		this.start = this.end;
		if (this.start >= bytes.length || this.#blank()) return false;
		let lineEnd = this.#lineEnd(this.start);
		let at = this.start;
		while (at < lineEnd && bytes[at] !== COLON) at++;
		this.valueStart = Math.min(at + 1, lineEnd);
		while (at > this.start && isSpaceOrBreak(bytes[at - 1])) at--;
		this.nameEnd = at;
		while (
			lineEnd < bytes.length &&
			(bytes[lineEnd] === SPACE || bytes[lineEnd] === TAB)
		)
			lineEnd = this.#lineEnd(lineEnd);
		this.end = lineEnd;
		return true;
	}

	/** Of the name, in lower case. */
	name(): string {
		return this.#bytes
			.toString("latin1", this.start, this.nameEnd)
			.toLowerCase();
	}

	/** Whether the name is this one, whatever its case. `lower`: of the same length, in lower case. */
	isNamed(lower: Uint8Array): boolean {
		const bytes = this.#bytes;
		for (let i = 0; i < lower.length; i++) {
			const wanted = lower[i] as number;
			const byte = bytes[this.start + i] as number;
			if (byte !== wanted && !(isUpper(byte) && byte + CASE === wanted))
				return false;
		}
		return true;
	}

	/** Unfolded (line breaks taken out, RFC 5322 §2.2.3) and trimmed, one character an octet. */
	value(): string {
		return unfold(this.#bytes, this.valueStart, this.end);
	}

	#blank(): boolean {
		const first = this.#bytes[this.start];
		return first === LF || (first === CR && this.#bytes[this.start + 1] === LF);
	}

	#lineEnd(from: number): number {
		const feed = this.#bytes.indexOf(LF, from);
		return feed === -1 ? this.#bytes.length : feed + 1;
	}
}

/** From an upper case letter of ASCII to its lower case. */
const CASE = 32;
const isUpper = (byte: number): boolean => byte >= 65 && byte <= 90;

const isSpaceOrBreak = (byte: number | undefined): boolean =>
	byte === SPACE || byte === TAB || byte === CR || byte === LF;

function unfold(bytes: Buffer, from: number, to: number): string {
	let start = from;
	let end = to;
	while (start < end && isSpaceOrBreak(bytes[start])) start++;
	while (end > start && isSpaceOrBreak(bytes[end - 1])) end--;
	const text = bytes.toString("latin1", start, end);
	return text.includes("\n") ? text.replace(/\r?\n/g, "") : text;
}

/** Lists of names are few and used for many messages. */
const nameSets = new WeakMap<readonly string[], NameSet>();
function nameSet(fields: readonly string[]): NameSet {
	let names = nameSets.get(fields);
	if (names === undefined) {
		names = new NameSet(fields);
		nameSets.set(fields, names);
	}
	return names;
}

class NameSet {
	/** By length, in lower case: fields are told apart without making a string of any. */
	readonly #names: (Uint8Array[] | undefined)[] = [];
	constructor(fields: readonly string[]) {
		for (const field of fields) {
			this.#names[field.length] ??= [];
			const name = Buffer.from(field, "latin1");
			this.#names[field.length]?.push(
				name.map((byte) => (isUpper(byte) ? byte + CASE : byte)),
			);
		}
	}
	has(cursor: FieldCursor): boolean {
		const candidates = this.#names[cursor.nameEnd - cursor.start];
		if (candidates === undefined) return false;
		for (const name of candidates) if (cursor.isNamed(name)) return true;
		return false;
	}
}

/**
 * What HEADER.FIELDS (or, with `not`, HEADER.FIELDS.NOT) answers: the fields with these names, their bytes unchanged and
 * in their order, and the blank line (RFC 9051 §6.4.5.1). Names match in any case. `fields` must not be changed later.
 */
export const headerFields = (
	headerBytes: Uint8Array,
	fields: readonly string[],
	not: boolean,
): Uint8Array =>
	Buffer.from(headerFieldsText(headerBytes, fields, not), "latin1");

/** The same, one character an octet. */
export function headerFieldsText(
	headerBytes: Uint8Array,
	fields: readonly string[],
	not: boolean,
): string {
	const bytes = asBuffer(headerBytes);
	const names = nameSet(fields);
	const cursor = new FieldCursor(bytes);
	let chosen = "";
	let from = -1;
	while (cursor.next()) {
		const take = names.has(cursor) !== not;
		if (take && from === -1) from = cursor.start;
		if (!take && from !== -1) {
			chosen += bytes.toString("latin1", from, cursor.start);
			from = -1;
		}
	}
	if (from !== -1) {
		chosen += bytes.toString("latin1", from, cursor.start);
		if (bytes[cursor.start - 1] !== LF) chosen += "\r\n";
	}
	return `${chosen}\r\n`;
}

/** The raw values of each occurrence of a field, unfolded, one character an octet. */
export function rawFields(
	headerBytes: Uint8Array,
	fieldName: string,
): readonly string[] {
	const wanted = fieldName.toLowerCase();
	const cursor = new FieldCursor(headerBytes);
	const values: string[] = [];
	while (cursor.next())
		if (
			cursor.nameEnd - cursor.start === wanted.length &&
			cursor.name() === wanted
		)
			values.push(cursor.value());
	return values;
}
