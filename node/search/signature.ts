/**
 * What trigrams a text has, as a bitmap that may say yes too often but never no: one bit for each trigram, by its hash, in
 * about as many bits as the text has characters, of which a third are set then. A text that lacks one of the bits of what is sought does not hold it.
 *
 * Measured beside SQLite's FTS5 with the trigram tokenizer (without positions), for mails of 4 kB: 0.02 ms of CPU a mail
 * instead of 1.5 ms, half a kB on disk instead of 3; a question about 10,000 of them takes some 20 ms instead of 1. A node
 * takes in more mail a second than FTS5 would index.
 */
import { SEARCH_SIGNATURE_BYTES_MAX } from "../../sync/limits.ts";

const SIGNATURE_BYTES_MIN = 64;
/** And half of it at least: sizes are powers of two. */
const CHARACTERS_PER_BYTE_MAX = 12;

/** Bit number (before it is reduced to the size of a signature) of the trigram that ends at `at`. */
function hashAt(bytes: Uint8Array, at: number): number {
	let hash =
		((bytes[at - 2] as number) << 16) |
		((bytes[at - 1] as number) << 8) |
		(bytes[at] as number);
	hash = Math.imul(hash ^ (hash >>> 13), 0x9e3779b1);
	hash ^= hash >>> 15;
	hash = Math.imul(hash, 0x2c1b3c6d);
	return hash ^ (hash >>> 12);
}

/** Of a text in UTF-8; the size follows its length. */
export function signatureOf(text: Uint8Array): Uint8Array {
	let sizeBytes = SIGNATURE_BYTES_MIN;
	while (
		sizeBytes * CHARACTERS_PER_BYTE_MAX < text.length &&
		sizeBytes < SEARCH_SIGNATURE_BYTES_MAX
	)
		sizeBytes *= 2;
	const signature = new Uint8Array(sizeBytes);
	const mask = sizeBytes * 8 - 1;
	for (let at = 2; at < text.length; at++) {
		const bit = hashAt(text, at) & mask;
		signature[bit >> 3] = (signature[bit >> 3] as number) | (1 << (bit & 7));
	}
	return signature;
}

/** The trigrams of what is sought, to be asked of many signatures; none of a text that is shorter than three octets. */
export const trigramsOf = (sought: Uint8Array): Uint32Array =>
	Uint32Array.from({ length: Math.max(0, sought.length - 2) }, (_, index) =>
		hashAt(sought, index + 2),
	);

/** False: the text does not hold what is sought. Its signature is the `length` bytes from `start` on. */
export function mayHold(
	bytes: Uint8Array,
	trigrams: Uint32Array,
	start = 0,
	length = bytes.length,
): boolean {
	const mask = length * 8 - 1;
	for (let index = 0; index < trigrams.length; index++) {
		const bit = (trigrams[index] as number) & mask;
		if (((bytes[start + (bit >> 3)] as number) & (1 << (bit & 7))) === 0)
			return false;
	}
	return true;
}
