/**
 * Where the rows of a file lie, by hash: records of a fixed size as they stand on the disk, and a table of them in memory
 * (some 72 bytes a row). The last record of a hash counts.
 */
import { crc32 } from "node:zlib";

export const HEAD_BYTES = 64;
const HASH_BYTES = 32;
const NOTE_AT = 32;
const NOTE_BYTES_AT = 38;
const ROW_BYTES_AT = 42;
const NOTE_CRC_AT = 46;
const ROW_CRC_AT = 50;
const ROW_AT = 54;
const CRC_AT = 60;
/** As the offset of a note: there is no such row any more. */
const GONE = 2 ** 48 - 1;
const ROWS_AT_FIRST = 64;

/** What is said of a row and its note: where they lie, how long they are, and checksum() of each. */
export interface Head {
	readonly noteOffset: number;
	readonly rowOffset: number;
	readonly noteBytes: number;
	readonly rowBytes: number;
	readonly noteCrc: number;
	readonly rowCrc: number;
}

/** A note or a row in its file. */
export interface Part {
	readonly start: number;
	readonly length: number;
	readonly crc: number;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
	new DataView(buffer, byteOffset, byteLength);
/** A number of six bytes. */
const offsetAt = (view: DataView, at: number): number =>
	view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;

function isSameHash(a: DataView, from: number, b: DataView, at: number) {
	for (let word = 0; word < HASH_BYTES; word += 4)
		if (a.getUint32(from + word, true) !== b.getUint32(at + word, true))
			return false;
	return true;
}

/** Of a note or row, and whose it is. */
export const checksum = (hash: string, bytes: Uint8Array): number =>
	crc32(bytes, Number.parseInt(hash.slice(0, 8), 16));

export function encodeHead(hash: string, head: Head): Buffer {
	const bytes = Buffer.alloc(HEAD_BYTES);
	bytes.write(hash, "hex");
	bytes.writeUIntLE(head.noteOffset, NOTE_AT, 6);
	bytes.writeUIntLE(head.rowOffset, ROW_AT, 6);
	bytes.writeUInt32LE(head.noteBytes, NOTE_BYTES_AT);
	bytes.writeUInt32LE(head.rowBytes, ROW_BYTES_AT);
	bytes.writeUInt32LE(head.noteCrc, NOTE_CRC_AT);
	bytes.writeUInt32LE(head.rowCrc, ROW_CRC_AT);
	return seal(bytes);
}

/** Says that the row of this hash is no more. */
export const encodeGone = (hash: string): Buffer =>
	encodeHead(hash, {
		noteOffset: GONE,
		rowOffset: 0,
		noteBytes: 0,
		rowBytes: 0,
		noteCrc: 0,
		rowCrc: 0,
	});

/** Writes the checksum of a record of HEAD_BYTES into it. */
export function seal(bytes: Buffer): Buffer {
	bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
	return bytes;
}
export const isSound = (bytes: Buffer): boolean =>
	bytes.length === HEAD_BYTES &&
	crc32(bytes.subarray(0, CRC_AT)) === bytes.readUInt32LE(CRC_AT);

export class HeadTable {
	#heads: Buffer;
	/** Of the same bytes: a list of a whole mailbox reads some numbers of each row, and this is the quickest way to. */
	#view: DataView;
	#count = 0;
	/** Number of a record plus one, 0 where there is none; at most half full. */
	#slots: Uint32Array;
	#live = 0;
	#liveBytes = 0;
	#notesBytes = 0;
	readonly #sought = Buffer.alloc(HASH_BYTES);
	readonly #soughtView = viewOf(this.#sought);

	/** With room for so many records at first. */
	constructor(records = 0) {
		let room = ROWS_AT_FIRST;
		while (room < records) room *= 2;
		this.#heads = Buffer.alloc(room * HEAD_BYTES);
		this.#view = viewOf(this.#heads);
		this.#slots = new Uint32Array(room * 2);
	}

	/** Rows that are there. */
	get size(): number {
		return this.#live;
	}
	/** Bytes of these. */
	get liveBytes(): number {
		return this.#liveBytes;
	}

	get notesBytes(): number {
		return this.#notesBytes;
	}

	/** A record that is sound. */
	add(head: Buffer): void {
		if ((this.#count + 1) * HEAD_BYTES > this.#heads.length) this.#grow();
		const number = this.#count++;
		head.copy(this.#heads, number * HEAD_BYTES);
		const slot = this.#slotOf(this.#view, number * HEAD_BYTES);
		const former = this.#slots[slot] as number;
		if (former > 0) this.#bury(former - 1);
		this.#slots[slot] = number + 1;
		const { noteOffset, noteBytes, rowBytes } = this.#at(number);
		if (noteOffset === GONE) return;
		this.#live++;
		this.#liveBytes += noteBytes + rowBytes;
		this.#notesBytes += noteBytes;
	}

	get(hash: string): Head | undefined {
		const number = this.#numberOf(hash);
		return number < 0 ? undefined : this.#at(number);
	}
	has(hash: string): boolean {
		return this.#numberOf(hash) >= 0;
	}

	/** Where its note lies, how long it is, and its checksum. */
	note(hash: string): Part | undefined {
		const number = this.#numberOf(hash);
		if (number < 0) return undefined;
		return this.#part(number, NOTE_AT, NOTE_BYTES_AT, NOTE_CRC_AT);
	}
	/** The same of its row. */
	row(hash: string): Part | undefined {
		const number = this.#numberOf(hash);
		if (number < 0) return undefined;
		return this.#part(number, ROW_AT, ROW_BYTES_AT, ROW_CRC_AT);
	}
	#part(number: number, at: number, bytesAt: number, crcAt: number): Part {
		const record = number * HEAD_BYTES;
		const view = this.#view;
		return {
			start: offsetAt(view, record + at),
			length: view.getUint32(record + bytesAt, true),
			crc: view.getUint32(record + crcAt, true),
		};
	}

	remove(hash: string): void {
		const number = this.#numberOf(hash);
		if (number >= 0) this.#bury(number);
	}

	/** Number of its record, or -1. */
	#numberOf(hash: string): number {
		this.#sought.write(hash, "hex");
		const slot = this.#slotOf(this.#soughtView, 0);
		const number = (this.#slots[slot] as number) - 1;
		return number < 0 || this.#isGone(number) ? -1 : number;
	}
	#isGone(number: number): boolean {
		return offsetAt(this.#view, number * HEAD_BYTES + NOTE_AT) === GONE;
	}

	/** Of all rows, in the order in which they came. */
	*hashes(): Generator<string> {
		for (let number = 0; number < this.#count; number++) {
			const at = number * HEAD_BYTES;
			if (!this.#isGone(number))
				yield this.#heads.toString("hex", at, at + HASH_BYTES);
		}
	}

	#at(number: number): Head {
		const at = number * HEAD_BYTES;
		const heads = this.#heads;
		return {
			noteOffset: heads.readUIntLE(at + NOTE_AT, 6),
			rowOffset: heads.readUIntLE(at + ROW_AT, 6),
			noteBytes: heads.readUInt32LE(at + NOTE_BYTES_AT),
			rowBytes: heads.readUInt32LE(at + ROW_BYTES_AT),
			noteCrc: heads.readUInt32LE(at + NOTE_CRC_AT),
			rowCrc: heads.readUInt32LE(at + ROW_CRC_AT),
		};
	}

	#bury(number: number): void {
		const { noteOffset, noteBytes, rowBytes } = this.#at(number);
		if (noteOffset === GONE) return;
		this.#live--;
		this.#liveBytes -= noteBytes + rowBytes;
		this.#notesBytes -= noteBytes;
		this.#heads.writeUIntLE(GONE, number * HEAD_BYTES + NOTE_AT, 6);
	}

	/** Where the hash that stands in `bytes` at `from` has its slot, or would have it. */
	#slotOf(bytes: DataView, from: number): number {
		const mask = this.#slots.length - 1;
		const first = bytes.getUint32(from, true) & mask;
		for (let slot = first; ; slot = (slot + 1) & mask) {
			const number = (this.#slots[slot] as number) - 1;
			if (number < 0) return slot;
			if (isSameHash(bytes, from, this.#view, number * HEAD_BYTES)) return slot;
		}
	}

	#grow(): void {
		const heads = Buffer.alloc(this.#heads.length * 2);
		this.#heads.copy(heads);
		this.#heads = heads;
		this.#view = viewOf(heads);
		const before = this.#slots;
		this.#slots = new Uint32Array(before.length * 2);
		for (const number of before)
			if (number > 0)
				this.#slots[this.#slotOf(this.#view, (number - 1) * HEAD_BYTES)] =
					number;
	}
}
