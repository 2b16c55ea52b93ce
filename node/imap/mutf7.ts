/** Modified UTF-7: how IMAP4rev1 spells mailbox names (RFC 3501 §5.1.3). */

const AMPERSAND = 0x26;

const isDirect = (unit: number) => unit >= 0x20 && unit <= 0x7e;

/** Unicode name → octets (latin1 string, all printable ASCII). */
export function encodeModifiedUtf7(name: string): string {
	let text = "";
	for (let index = 0; index < name.length; ) {
		const unit = name.charCodeAt(index);
		if (isDirect(unit)) {
			text += unit === AMPERSAND ? "&-" : String.fromCharCode(unit);
			index++;
			continue;
		}
		const start = index;
		while (index < name.length && !isDirect(name.charCodeAt(index))) index++;
		text += `&${encodeRun(name.slice(start, index))}-`;
	}
	return text;
}

function encodeRun(run: string): string {
	const bytes = Buffer.from(run, "utf16le").swap16();
	return bytes.toString("base64").replaceAll("=", "").replaceAll("/", ",");
}

/** Octets → name; undefined when they are not modified UTF-7, so that no two spellings mean one name. */
export function decodeModifiedUtf7(text: string): string | undefined {
	let name = "";
	for (let index = 0; index < text.length; ) {
		const unit = text.charCodeAt(index);
		if (!isDirect(unit)) return undefined;
		if (unit !== AMPERSAND) {
			name += String.fromCharCode(unit);
			index++;
			continue;
		}
		const end = text.indexOf("-", index);
		if (end < 0) return undefined;
		name += end === index + 1 ? "&" : decodeRun(text.slice(index + 1, end));
		index = end + 1;
	}
	// What does not come out again as it went in was no canonical spelling: "&AGE-" for "a", or "&AOk-&AOk-".
	return encodeModifiedUtf7(name) === text && name.isWellFormed()
		? name
		: undefined;
}

function decodeRun(run: string): string {
	const bytes = Buffer.from(run.replaceAll(",", "/"), "base64");
	return bytes
		.subarray(0, bytes.length - (bytes.length % 2))
		.swap16()
		.toString("utf16le");
}
