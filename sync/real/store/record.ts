/**
 * One commit as it lies in a journal: head (mark, length, number, check sum) and its writes. Layout, little endian:
 * mark u32 · body bytes u32 · number u64 · CRC-32 of all but these four bytes u32 · body. A write is kind u8 · key bytes
 * u32 · value bytes u32 · key · value. A body of more than a page or two is packed, as the mark says: plain bytes u32 ·
 * zstd; what is written for many messages at once shrinks to a fifth. The sum begins with a secret of the store: values hold what users wrote, and what is
 * left of former commits behind the last one must not be taken for a commit that a user made up.
 */
import {
	constants,
	crc32,
	zstdCompressSync,
	zstdDecompressSync,
} from "node:zlib";
import type { StoreValue, StoreWrite } from "../../ports/store.ts";

export const HEAD_BYTES = 20;
const MARKS = { plain: 0x314a_6d70, packed: 0x324a_6d70 } as const;
/** What both marks begin with: `pmJ`. */
const MARK_START = Buffer.from("pmJ");
/** Less saves no page of the disk. */
const PACKED_BYTES_MIN = 6 * 1024;
const PACKED_SHARE_MAX = 0.9;
const PACKING = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const PLAIN_LENGTH_BYTES = 4;
const WRITE_HEAD_BYTES = 9;
const kinds = { remove: 0, text: 1, bytes: 2 } as const;

export interface Commit {
	/** Counts up by one, over both journals. */
	readonly number: number;
	readonly writes: readonly StoreWrite[];
}

/** Encodes commits into one buffer that grows; what encode() gave is valid until the next call. */
export class CommitEncoder {
	readonly #salt: number;
	#buffer = Buffer.allocUnsafe(64 * 1024);

	constructor(salt: number) {
		this.#salt = salt;
	}

	encode({ number, writes }: Commit): Uint8Array {
		this.#reserve(bytesAtMost(writes));
		const buffer = this.#buffer;
		let at = HEAD_BYTES;
		for (let i = 0; i < writes.length; i++) {
			const write = writes[i] as StoreWrite;
			at = this.#write(at, write[0], write[1]);
		}
		const packedEnd = this.#pack(at);
		buffer.writeUInt32LE(packedEnd === at ? MARKS.plain : MARKS.packed, 0);
		at = packedEnd;
		buffer.writeUInt32LE(at - HEAD_BYTES, 4);
		buffer.writeBigUInt64LE(BigInt(number), 8);
		buffer.writeUInt32LE(checkSum(buffer, 0, at, this.#salt), 16);
		return buffer.subarray(0, at);
	}

	/** Where it is worth it, the writes up to `end` are replaced by what they are packed; returns where that ends. */
	#pack(end: number): number {
		const plainLength = end - HEAD_BYTES;
		if (plainLength < PACKED_BYTES_MIN) return end;
		const packed = zstdCompressSync(
			this.#buffer.subarray(HEAD_BYTES, end),
			// In one piece: by default it comes in many, each of which is copied.
			{ ...PACKING, pledgedSrcSize: plainLength, chunkSize: plainLength },
		);
		if (packed.length > plainLength * PACKED_SHARE_MAX) return end;
		const from = HEAD_BYTES + PLAIN_LENGTH_BYTES;
		this.#buffer.writeUInt32LE(plainLength, HEAD_BYTES);
		this.#buffer.set(packed, from);
		return from + packed.length;
	}

	#reserve(bytes: number): void {
		if (bytes > this.#buffer.length)
			this.#buffer = Buffer.allocUnsafe(2 * bytes);
	}

	#write(from: number, key: string, value: StoreValue | undefined): number {
		const buffer = this.#buffer;
		const keyAt = from + WRITE_HEAD_BYTES;
		const valueAt = keyAt + buffer.write(key, keyAt);
		let end = valueAt;
		buffer[from] = kinds.remove;
		if (typeof value === "string") {
			buffer[from] = kinds.text;
			end += buffer.write(value, valueAt);
		} else if (value !== undefined) {
			buffer[from] = kinds.bytes;
			buffer.set(value, valueAt);
			end += value.length;
		}
		buffer.writeUInt32LE(valueAt - keyAt, from + 1);
		buffer.writeUInt32LE(end - valueAt, from + 5);
		return end;
	}
}

/** About what a commit of these takes in a journal before it is packed, and in memory. */
export function plainBytes(writes: readonly StoreWrite[]): number {
	let bytes = HEAD_BYTES;
	for (let i = 0; i < writes.length; i++) {
		const write = writes[i] as StoreWrite;
		bytes += WRITE_HEAD_BYTES + write[0].length + (write[1]?.length ?? 0);
	}
	return bytes;
}

/** UTF-8 takes at most three bytes for a code unit. */
function bytesAtMost(writes: readonly StoreWrite[]): number {
	let bytes = HEAD_BYTES;
	for (let i = 0; i < writes.length; i++) {
		const write = writes[i] as StoreWrite;
		const value = write[1];
		const most = typeof value === "string" ? 3 : 1;
		bytes +=
			WRITE_HEAD_BYTES + 3 * write[0].length + most * (value?.length ?? 0);
	}
	return bytes;
}

/** Over all of the record but the sum itself. */
const checkSum = (
	buffer: Uint8Array,
	from: number,
	to: number,
	salt: number,
): number =>
	crc32(
		buffer.subarray(from + HEAD_BYTES, to),
		crc32(buffer.subarray(from, from + HEAD_BYTES - 4), salt),
	);

/** The whole commit that begins at `at`, and where it ends; undefined where there is none. */
export function decodeCommit(
	buffer: Buffer,
	at: number,
	salt: number,
): { commit: Commit; end: number } | undefined {
	if (at + HEAD_BYTES > buffer.length) return undefined;
	const mark = buffer.readUInt32LE(at);
	if (mark !== MARKS.plain && mark !== MARKS.packed) return undefined;
	const end = at + HEAD_BYTES + buffer.readUInt32LE(at + 4);
	if (
		end > buffer.length ||
		buffer.readUInt32LE(at + 16) !== checkSum(buffer, at, end, salt)
	)
		return undefined;
	const number = Number(buffer.readBigUInt64LE(at + 8));
	const body = buffer.subarray(at + HEAD_BYTES, end);
	const plain = mark === MARKS.packed ? unpacked(body) : body;
	return plain && { commit: { number, writes: writesOf(plain) }, end };
}

/** Undefined for what encode() did not pack: a sum without a secret can be made up. */
function unpacked(body: Buffer): Buffer | undefined {
	try {
		return zstdDecompressSync(body.subarray(PLAIN_LENGTH_BYTES), {
			maxOutputLength: body.readUInt32LE(0),
		});
	} catch {
		return undefined;
	}
}

function writesOf(buffer: Buffer): StoreWrite[] {
	const writes: StoreWrite[] = [];
	for (let at = 0; at < buffer.length; ) {
		const kind = buffer[at];
		const keyAt = at + WRITE_HEAD_BYTES;
		const valueAt = keyAt + buffer.readUInt32LE(at + 1);
		at = valueAt + buffer.readUInt32LE(at + 5);
		const key = buffer.toString("utf8", keyAt, valueAt);
		if (kind === kinds.remove) writes.push([key, undefined]);
		else if (kind === kinds.text)
			writes.push([key, buffer.toString("utf8", valueAt, at)]);
		else writes.push([key, Uint8Array.from(buffer.subarray(valueAt, at))]);
	}
	return writes;
}

/** Where the mark of a record stands next, from `at` on; -1: nowhere. */
export function nextMark(buffer: Buffer, at: number): number {
	return buffer.indexOf(MARK_START, at);
}
