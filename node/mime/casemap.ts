/** i;unicode-casemap (RFC 5051): the collation of SEARCH, SORT and THREAD (RFC 5256 §2, RFC 9051 §6.4.4). */

/** Mapped characters kept; letters of all scripts in common use are a fraction of it. */
const KEPT_MAX = 8_192;
const kept = new Map<number, string>();

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

/**
 * The text as the collation compares it (RFC 5051 §2): each character in titlecase by its simple mapping, then decomposed.
 * Two texts are equal if their maps are, and one holds the other if its map does.
 */
export function casemap(text: string): string {
	if (isAscii(text)) return text.toUpperCase();
	const pieces: string[] = [];
	let end = 0;
	for (let at = 0; at < text.length; at++) {
		if (end > UNITS_MAX - MAPPED_UNITS_MAX) {
			pieces.push(textOf(end));
			end = 0;
		}
		const unit = text.charCodeAt(at);
		if (unit < 0x80) {
			units[end++] = unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit;
			continue;
		}
		const code = text.codePointAt(at) as number;
		if (code > 0xffff) at++;
		const one = kept.get(code) ?? mappedCharacter(code);
		for (let index = 0; index < one.length; index++)
			units[end++] = one.charCodeAt(index);
	}
	pieces.push(textOf(end));
	return pieces.join("");
}

/** What is mapped waits here, so that a text of many megabytes is no tree of as many strings. */
const UNITS_MAX = 8_192;
const units = new Uint16Array(UNITS_MAX);
/** The same memory. Native modules of a node exist for little-endian machines only. */
const octets = Buffer.from(units.buffer);
const textOf = (end: number): string => octets.toString("utf16le", 0, 2 * end);
/** No character is decomposed into more (U+FDFA: 18). */
const MAPPED_UNITS_MAX = 32;

function mappedCharacter(code: number): string {
	const one = titlecase(String.fromCodePoint(code)).normalize("NFKD");
	if (kept.size < KEPT_MAX) kept.set(code, one);
	return one;
}

/** Simple_Titlecase_Mapping: of one character to one, or none. */
function titlecase(character: string): string {
	const code = character.codePointAt(0) ?? 0;
	if (code >= 0x1c4 && code <= 0x1cc)
		return String.fromCharCode(0x1c5 + 3 * Math.trunc((code - 0x1c4) / 3));
	if (code >= 0x1f1 && code <= 0x1f3) return "\u01f2";
	// Georgian has capitals, but its titlecase is itself.
	if (code >= 0x10d0 && code <= 0x10ff) return character;
	const upper = character.toUpperCase();
	return upper.length === character.length ? upper : character;
}

/** Order of mapped texts: as i;octet orders their UTF-8 (RFC 5051 §2 step 3). */
export function compareMapped(a: string, b: string): number {
	if (a === b) return 0;
	const length = Math.min(a.length, b.length);
	for (let at = 0; at < length; at++) {
		const x = a.charCodeAt(at);
		const y = b.charCodeAt(at);
		if (x !== y) return inUtf8(x) - inUtf8(y);
	}
	return a.length - b.length;
}

/** Halves of surrogate pairs stand for characters above all others. */
const inUtf8 = (unit: number): number =>
	unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
