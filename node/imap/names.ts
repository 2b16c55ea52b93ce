/** Mailbox names between wire and account: modified UTF-7 or UTF-8 in, atoms or quoted strings out. */
import { ClientFault } from "../../sync/faults.ts";
import { decodeModifiedUtf7, encodeModifiedUtf7 } from "./mutf7.ts";
import { isAtom } from "./parser.ts";

/** The hierarchy separator; RFC 3501 §6.3.8. */
export const SEPARATOR = "/";

/** How names go on the wire: as UTF-8 once the client has enabled it (RFC 9051 §5.1, RFC 6855 §3). */
export interface Spelling {
	readonly utf8: boolean;
}

/**
 * Octets from the parser → Unicode name, NFC. Plain UTF-8 is taken too, as some clients send it; ClientFault CANNOT
 * when the octets are neither. A trailing separator (RFC 3501 §6.3.3) is left to the command.
 */
export function decodeName(octets: string, spelling: Spelling): string {
	if (isPlain(octets)) return isInbox(octets) ? "INBOX" : octets;
	const name = decodeOctets(octets, spelling);
	if (name === undefined)
		throw new ClientFault(
			"CANNOT",
			"the mailbox name is neither modified UTF-7 nor UTF-8",
		);
	const normal = name.normalize("NFC");
	return isInbox(normal) ? "INBOX" : normal;
}

const isInbox = (name: string): boolean =>
	name.length === 5 && name.toUpperCase() === "INBOX";

/** It is spelt the same however it is written: so it is with most names, and SELECT and STATUS are to be quick. */
function isPlain(text: string): boolean {
	for (let index = 0; index < text.length; index++) {
		const unit = text.charCodeAt(index);
		if (unit < 0x20 || unit > 0x7e || unit === AMPERSAND) return false;
	}
	return true;
}
const AMPERSAND = 0x26;

/** The same without any form: patterns are decoded so, too. Undefined: the octets mean nothing. */
export const decodeOctets = (
	octets: string,
	{ utf8 }: Spelling,
): string | undefined =>
	utf8 || Buffer.from(octets, "latin1").some((octet) => octet > 0x7f)
		? decodeUtf8(octets)
		: decodeModifiedUtf7(octets);

function decodeUtf8(octets: string): string | undefined {
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
			Buffer.from(octets, "latin1"),
		);
	} catch {
		return undefined;
	}
}

/** Unicode name → octets. */
export const octetsOfName = (name: string, { utf8 }: Spelling): string =>
	isPlain(name)
		? name
		: utf8
			? Buffer.from(name).toString("latin1")
			: encodeModifiedUtf7(name);

/** Unicode name → atom or quoted string as it goes on the wire. */
export const encodeName = (name: string, spelling: Spelling): string =>
	astring(octetsOfName(name, spelling));

/** An atom where that is possible, as most servers write names; else a quoted string. `text` has no line breaks. */
export const astring = (text: string): string =>
	isAtom(text) ? text : quoted(text);

/** A quoted string of octets from anywhere: those that it cannot hold are left out. */
export const octetsOf = (text: string): string =>
	quoted(text.replaceAll(/[^\x20-\x7e]/g, ""));

/** Quoted string of latin1 text without NUL, CR and LF. */
export const quoted = (text: string): string =>
	`"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
