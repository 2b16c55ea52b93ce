/** Content-Transfer-Encodings as the octets stream by: the same results as decodeTransfer(), with flat memory. */
import { MIME_DECODE_CARRY_BYTES_MAX } from "../../sync/limits.ts";
import { asBuffer } from "./header.ts";
import { decodeQuotedPrintable } from "./transfer.ts";

const LF = 10;
const SPACE = 32;
const EQUALS = 61;

/** Takes octets and gives decoded ones; `end` gives the last ones. */
export interface TransferDecoder {
	push(chunk: Uint8Array): Uint8Array;
	end(): Uint8Array;
}

const NONE = Buffer.alloc(0);

/** Undefined: an unknown encoding. */
export function transferDecoder(
	encoding: string | undefined,
): TransferDecoder | undefined {
	switch (encoding?.toLowerCase()) {
		case undefined:
		case "7bit":
		case "8bit":
		case "binary":
			return { push: (chunk) => chunk, end: () => NONE };
		case "quoted-printable":
			return new QuotedPrintable();
		case "base64":
			return new Base64();
		default:
			return undefined;
	}
}

/** Whole lines at a time; one without an end is cut where nothing hangs together. */
class QuotedPrintable implements TransferDecoder {
	#carry: Buffer = NONE;

	push(chunk: Uint8Array): Uint8Array {
		const bytes = Buffer.concat([this.#carry, chunk]);
		let cut = bytes.lastIndexOf(LF) + 1;
		if (bytes.length - cut > MIME_DECODE_CARRY_BYTES_MAX)
			cut = Math.max(cut, lastSolid(bytes));
		this.#carry = Buffer.from(bytes.subarray(cut));
		return decodeQuotedPrintable(bytes.subarray(0, cut));
	}

	end(): Uint8Array {
		return decodeQuotedPrintable(this.#carry);
	}
}

/** After the last octet that is neither white space nor near an escape; 0: there is none. */
function lastSolid(bytes: Buffer): number {
	for (let at = bytes.length - 1; at >= 2; at--)
		if (
			(bytes[at] as number) > SPACE &&
			bytes[at] !== EQUALS &&
			bytes[at - 1] !== EQUALS &&
			bytes[at - 2] !== EQUALS
		)
			return at + 1;
	return 0;
}

class Base64 implements TransferDecoder {
	/** Characters of a group of four that is not complete. */
	#carry = "";
	/** After the first padding nothing counts, as in decodeTransfer(). */
	#isOver = false;

	push(chunk: Uint8Array): Uint8Array {
		if (this.#isOver) return NONE;
		let text = asBuffer(chunk).toString("latin1");
		const padding = text.indexOf("=");
		if (padding !== -1) {
			this.#isOver = true;
			text = text.slice(0, padding);
		}
		text = this.#carry + text.replace(/[^A-Za-z0-9+/_-]+/g, "");
		const whole = this.#isOver ? text.length : text.length & ~3;
		this.#carry = text.slice(whole);
		return Buffer.from(text.slice(0, whole), "base64");
	}

	end(): Uint8Array {
		return Buffer.from(this.#carry, "base64");
	}
}
