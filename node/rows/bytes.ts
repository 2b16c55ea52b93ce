/** Reads and writes of many bytes at a place of an open file. */
import { readSync, writeSync } from "node:fs";
import { READ_BYTES } from "./layout.ts";

/** Also where the system takes less at once. */
export function writeAll(
	file: number,
	bytes: Uint8Array,
	position: number,
): void {
	for (let at = 0; at < bytes.length; )
		at += writeSync(file, bytes, at, bytes.length - at, position + at);
}

/** Of all groups that are read, one after the other. Memory of so many bytes that is new each time costs more than to read them. */
let lent: Buffer | undefined;

/** As readAll(); the bytes are valid until the next call. */
export function readIntoLent(
	file: number,
	position: number,
	length: number,
): Buffer {
	if (length > READ_BYTES) return readAll(file, position, length);
	lent ??= Buffer.allocUnsafeSlow(READ_BYTES);
	return readAll(file, position, length, lent);
}

/** Fewer than `length` where the file ends. */
export function readAll(
	file: number,
	position: number,
	length: number,
	bytes: Buffer = Buffer.allocUnsafe(length),
): Buffer {
	let at = 0;
	while (at < length) {
		const read = readSync(file, bytes, at, length - at, position + at);
		if (read === 0) break;
		at += read;
	}
	return bytes.subarray(0, at);
}
