/**
 * Where the rows of a file lie, by hash: records of a fixed size as they stand on the disk, and a table of them in memory
 * (some 72 bytes a row). The last record of a hash counts.
 */
import { crc32 } from "node:zlib";

export const HEAD_BYTES = 64;
const HASH_BYTES = 32;
const OFFSET_AT = 32;
const NOTE_BYTES_AT = 38;
const ROW_BYTES_AT = 42;
const NOTE_CRC_AT = 46;
const ROW_CRC_AT = 50;
const CRC_AT = 60;
/** As an offset: there is no such row any more. */
const GONE = 2 ** 48 - 1;
const ROWS_AT_FIRST = 64;

/** What is said of a row: its note lies at `offset`, and the row itself behind it. */
export interface Head {
	readonly offset: number;
	readonly noteBytes: number;
	readonly rowBytes: number;
	readonly noteCrc: number;
	readonly rowCrc: number;
}

/** Of a note or row, and whose it is. */
export const checksum = (hash: string, bytes: Uint8Array): number =>
	crc32(bytes, Number.parseInt(hash.slice(0, 8), 16));

export function encodeHead(hash: string, head: Head): Buffer {
	const bytes = Buffer.alloc(HEAD_BYTES);
	bytes.write(hash, "hex");
	bytes.writeUIntLE(head.offset, OFFSET_AT, 6);
	bytes.writeUInt32LE(head.noteBytes, NOTE_BYTES_AT);
	bytes.writeUInt32LE(head.rowBytes, ROW_BYTES_AT);
	bytes.writeUInt32LE(head.noteCrc, NOTE_CRC_AT);
	bytes.writeUInt32LE(head.rowCrc, ROW_CRC_AT);
	return seal(bytes);
}

/** Says that the row of this hash is no more. */
export const encodeGone = (hash: string): Buffer =>
	encodeHead(hash, {
		offset: GONE,
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
	#heads = Buffer.alloc(ROWS_AT_FIRST * HEAD_BYTES);
	#count = 0;
	/** Number of a record plus one, 0 where there is none; at most half full. */
	#slots = new Uint32Array(ROWS_AT_FIRST * 4);
	#live = 0;
	#liveBytes = 0;
	#notesBytes = 0;
	readonly #sought = Buffer.alloc(HASH_BYTES);

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
		const slot = this.#slotOf(head);
		const former = this.#slots[slot] as number;
		if (former > 0) this.#bury(former - 1);
		this.#slots[slot] = number + 1;
		const { offset, noteBytes, rowBytes } = this.#at(number);
		if (offset === GONE) return;
		this.#live++;
		this.#liveBytes += noteBytes + rowBytes;
		this.#notesBytes += noteBytes;
	}

	get(hash: string): Head | undefined {
		this.#sought.write(hash, "hex");
		const number = (this.#slots[this.#slotOf(this.#sought)] as number) - 1;
		if (number < 0) return undefined;
		const head = this.#at(number);
		return head.offset === GONE ? undefined : head;
	}

	remove(hash: string): void {
		this.#sought.write(hash, "hex");
		const number = (this.#slots[this.#slotOf(this.#sought)] as number) - 1;
		if (number >= 0) this.#bury(number);
	}

	/** Of all rows, in the order in which they came. */
	*hashes(): Generator<string> {
		for (let number = 0; number < this.#count; number++) {
			const at = number * HEAD_BYTES;
			if (this.#heads.readUIntLE(at + OFFSET_AT, 6) !== GONE)
				yield this.#heads.toString("hex", at, at + HASH_BYTES);
		}
	}

	#at(number: number): Head {
		const at = number * HEAD_BYTES;
		const heads = this.#heads;
		return {
			offset: heads.readUIntLE(at + OFFSET_AT, 6),
			noteBytes: heads.readUInt32LE(at + NOTE_BYTES_AT),
			rowBytes: heads.readUInt32LE(at + ROW_BYTES_AT),
			noteCrc: heads.readUInt32LE(at + NOTE_CRC_AT),
			rowCrc: heads.readUInt32LE(at + ROW_CRC_AT),
		};
	}

	#bury(number: number): void {
		const { offset, noteBytes, rowBytes } = this.#at(number);
		if (offset === GONE) return;
		this.#live--;
		this.#liveBytes -= noteBytes + rowBytes;
		this.#notesBytes -= noteBytes;
		this.#heads.writeUIntLE(GONE, number * HEAD_BYTES + OFFSET_AT, 6);
	}

	/** Where the hash that `head` begins with stands, or would stand. */
	#slotOf(head: Buffer): number {
		const mask = this.#slots.length - 1;
		for (let slot = head.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
			const number = (this.#slots[slot] as number) - 1;
			if (number < 0) return slot;
			const at = number * HEAD_BYTES;
			if (this.#heads.compare(head, 0, HASH_BYTES, at, at + HASH_BYTES) === 0)
				return slot;
		}
	}

	#grow(): void {
		const heads = Buffer.alloc(this.#heads.length * 2);
		this.#heads.copy(heads);
		this.#heads = heads;
		const before = this.#slots;
		this.#slots = new Uint32Array(before.length * 2);
		for (const number of before)
			if (number > 0) {
				const at = (number - 1) * HEAD_BYTES;
				this.#slots[this.#slotOf(heads.subarray(at, at + HEAD_BYTES))] = number;
			}
	}
}
