/** Mailbox names between wire and account: modified UTF-7 or UTF-8 in, atoms or quoted strings out. */
import { ClientFault } from "../../sync/faults.ts";
import { decodeModifiedUtf7, encodeModifiedUtf7 } from "./mutf7.ts";
import { isAtom } from "./parser.ts";

/** The hierarchy separator; RFC 3501 §6.3.8. */
export const SEPARATOR = "/";

/**
 * Octets from the parser → Unicode name, NFC. Plain UTF-8 is taken too, as some clients send it; ClientFault CANNOT
 * when the octets are neither. A trailing separator (RFC 3501 §6.3.3) is left to the command.
 */
export function decodeName(octets: string): string {
	const name = Buffer.from(octets, "latin1").some((octet) => octet > 0x7f)
		? decodeUtf8(octets)
		: decodeModifiedUtf7(octets);
	if (name === undefined)
		throw new ClientFault(
			"CANNOT",
			"the mailbox name is neither modified UTF-7 nor UTF-8",
		);
	const normal = name.normalize("NFC");
	return normal.toUpperCase() === "INBOX" ? "INBOX" : normal;
}

function decodeUtf8(octets: string): string | undefined {
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
			Buffer.from(octets, "latin1"),
		);
	} catch {
		return undefined;
	}
}

/** Unicode name → atom or quoted string as it goes on the wire. */
export function encodeName(name: string): string {
	return astring(encodeModifiedUtf7(name));
}

/** An atom where that is possible, as most servers write names; else a quoted string. `text` has no line breaks. */
export const astring = (text: string): string =>
	isAtom(text) ? text : quoted(text);

/** Quoted string of latin1 text without NUL, CR and LF. */
export const quoted = (text: string): string =>
	`"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
