/** Encoded words in header fields (RFC 2047). */
import { decodeOctets, decodeUnlabelled } from "./charset.ts";
import { rawFields } from "./header.ts";
import { isSpace } from "./lexer.ts";
import { decodeQuotedPrintable } from "./transfer.ts";

/** RFC 2978 §2.3 allows 40; longer is no charset, and the text stays as it is. */
const CHARSET_LENGTH_MAX = 60;

interface EncodedWord {
	readonly charset: string;
	readonly octets: Buffer;
	/** After the final "?=". */
	readonly end: number;
}

/** The encoded word that starts with the "=?" at `at`, or undefined. */
function wordAt(text: string, at: number): EncodedWord | undefined {
	const charsetEnd = text
		.slice(at + 2, at + 3 + CHARSET_LENGTH_MAX)
		.indexOf("?");
	if (charsetEnd < 1) return undefined;
	const encodingAt = at + 2 + charsetEnd + 1;
	if (text[encodingAt + 1] !== "?") return undefined;
	const from = encodingAt + 2;
	const to = text.indexOf("?", from);
	if (to === -1 || text[to + 1] !== "=") return undefined;
	const octets = decodeEncoded(
		text.charCodeAt(encodingAt) | 32,
		text.slice(from, to),
	);
	if (octets === undefined) return undefined;
	// RFC 2231 §5: the charset may carry a language, `us-ascii*en`.
	const [charset = ""] = text.slice(at + 2, at + 2 + charsetEnd).split("*", 1);
	return { charset, octets, end: to + 2 };
}

/** `encoding` as a lower-case character code. */
function decodeEncoded(encoding: number, encoded: string): Buffer | undefined {
	if (encoding === 98)
		return /^[A-Za-z0-9+/=\s]*$/.test(encoded)
			? Buffer.from(encoded, "base64")
			: undefined;
	if (encoding === 113)
		return decodeQuotedPrintable(
			Buffer.from(encoded.replaceAll("_", "=20"), "utf8"),
		);
	return undefined;
}

const onlySpace = (text: string, from: number, to: number): boolean => {
	for (let i = from; i < to; i++)
		if (!isSpace(text.charCodeAt(i))) return false;
	return true;
};

/**
 * The text with its encoded words decoded. White space between two of them goes (RFC 2047 §6.2), and the octets of
 * neighbours in one charset are joined before they are decoded, since many programs cut characters in two. What is not
 * a sound encoded word stays as it is.
 */
export function decodeWords(text: string): string {
	if (!text.includes("=?")) return text;
	let decoded = "";
	let copied = 0;
	let run: EncodedWord[] = [];
	const flush = (): void => {
		if (run.length > 0)
			decoded += decodeOctets(
				Buffer.concat(run.map((word) => word.octets)),
				run[0]?.charset,
			);
		run = [];
	};
	let at = text.indexOf("=?");
	while (at !== -1) {
		const word = wordAt(text, at);
		if (word === undefined) {
			at = text.indexOf("=?", at + 2);
			continue;
		}
		const adjacent =
			copied > 0 && run.length > 0 && onlySpace(text, copied, at);
		if (!adjacent) {
			flush();
			decoded += text.slice(copied, at);
		} else if (run[0]?.charset.toLowerCase() !== word.charset.toLowerCase()) {
			flush();
		}
		run.push(word);
		copied = word.end;
		at = text.indexOf("=?", copied);
	}
	flush();
	return decoded + text.slice(copied);
}

/** Raw octets of a field's value (one character an octet) as text: UTF-8 or else Windows-1252, then encoded words. */
export const decodeValue = (raw: string): string =>
	decodeWords(
		isAscii(raw) ? raw : decodeUnlabelled(Buffer.from(raw, "latin1")),
	);

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

/**
 * Each occurrence of a field in a header block as people read it: unfolded, encoded words decoded, raw 8-bit octets
 * as UTF-8 or else Windows-1252. Broken encoded words are kept as they are. The name matches in any case.
 */
export const decodedHeader = (
	headerBytes: Uint8Array,
	fieldName: string,
): readonly string[] => rawFields(headerBytes, fieldName).map(decodeValue);
