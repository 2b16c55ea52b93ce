/** Octets to text by the name of a charset; whatever the octets and the name, there is an answer. */
import iconv from "iconv-lite";

/** Valid UTF-8 as such, anything else as Windows-1252: what unlabelled 8-bit text most likely is. */
export function decodeUnlabelled(octets: Buffer): string {
	try {
		return strictUtf8.decode(octets);
	} catch {
		return windows1252.decode(octets);
	}
}
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const windows1252 = new TextDecoder("windows-1252");

/** Names that say nothing about octets above 127. */
const unlabelled = new Set(["", "us-ascii", "ascii", "unknown-8bit", "8bit"]);

/**
 * The text of `octets`. An unknown or missing charset, or ASCII with 8-bit octets in it, is guessed; octets that the
 * charset does not have become U+FFFD.
 */
export function decodeOctets(
	octets: Buffer,
	charset: string | undefined,
): string {
	const name = (charset ?? "").toLowerCase();
	if (unlabelled.has(name)) return decodeUnlabelled(octets);
	if (name === "utf-8" || name === "utf8") return octets.toString("utf8");
	try {
		if (iconv.encodingExists(name)) return iconv.decode(octets, name);
		// What iconv-lite lacks, ISO-2022-JP above all.
		return new TextDecoder(name).decode(octets);
	} catch {
		return decodeUnlabelled(octets);
	}
}
