/** Content-Transfer-Encodings (RFC 2045 §6). Decoded output is never longer than the input. */
import { asBuffer } from "./header.ts";

const EQUALS = 61;
const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;

const hexValue = (byte: number | undefined): number => {
	if (byte === undefined) return -1;
	if (byte >= 48 && byte <= 57) return byte - 48;
	const lower = byte | 32;
	return lower >= 97 && lower <= 102 ? lower - 87 : -1;
};

/** RFC 2045 §6.7: soft line breaks go, white space at line ends goes, a broken escape stays as it is. */
export function decodeQuotedPrintable(encoded: Uint8Array): Buffer {
	const decoded = Buffer.allocUnsafe(encoded.length);
	let length = 0;
	/** Length without the white space that would end the line here. */
	let solid = 0;
	for (let i = 0; i < encoded.length; i++) {
		const byte = encoded[i] as number;
		if (byte === EQUALS) {
			const skipped = softBreak(encoded, i);
			if (skipped >= 0) {
				i += skipped;
			} else {
				const high = hexValue(encoded[i + 1]);
				const low = high === -1 ? -1 : hexValue(encoded[i + 2]);
				decoded[length++] = low === -1 ? EQUALS : high * 16 + low;
				if (low !== -1) i += 2;
			}
			solid = length;
			continue;
		}
		if (byte === LF || (byte === CR && encoded[i + 1] === LF)) length = solid;
		decoded[length++] = byte;
		if (byte !== SPACE && byte !== TAB) solid = length;
	}
	return decoded.subarray(0, length);
}

/**
 * How many bytes after the "=" at `at` belong to a soft line break; -1 when it is none. The end counts as one: the line
 * break after it may have gone to a boundary.
 */
function softBreak(bytes: Uint8Array, at: number): number {
	let i = at + 1;
	// Bounded, so that the cost stays linear; encoded lines are at most 76 long.
	while (i < at + 80 && (bytes[i] === SPACE || bytes[i] === TAB)) i++;
	if (bytes[i] === CR && bytes[i + 1] === LF) return i + 1 - at;
	if (bytes[i] === LF) return i - at;
	return i === bytes.length ? i - 1 - at : -1;
}

/**
 * The octets of a part's body by its Content-Transfer-Encoding (undefined: 7bit). An unknown encoding gives undefined:
 * the octets mean nothing then (RFC 2045 §6.4).
 */
export function decodeTransfer(
	body: Uint8Array,
	encoding: string | undefined,
): Buffer | undefined {
	const bytes = asBuffer(body);
	switch (encoding?.toLowerCase()) {
		case undefined:
		case "7bit":
		case "8bit":
		case "binary":
			return bytes;
		case "quoted-printable":
			return decodeQuotedPrintable(bytes);
		case "base64":
			// RFC 2045 §6.8: what is not of the alphabet is passed over.
			return Buffer.from(bytes.toString("latin1"), "base64");
		default:
			return undefined;
	}
}
