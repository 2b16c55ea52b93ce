/** SASLprep (RFC 4013) of passwords and user names, so that the same text typed elsewhere gives the same octets. */

/** RFC 3454 B.1: commonly mapped to nothing. */
const NOTHING =
	/[\u00ad\u1806\u200b\u200c\u2060\ufeff]|\u200d|\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]/gu;
/** RFC 3454 C.1.2: non-ASCII spaces. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454 C.2 to C.9: controls, private use, surrogates, non-characters, what changes the direction; tags. */
const PROHIBITED =
	/[\p{Cc}\p{Co}\p{Cs}\u06dd\u070f\u180e\u2028-\u202e\u2061-\u2063\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb\u200e\u200f\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]|\u0340|\u0341|\p{Noncharacter_Code_Point}/u;

/** Undefined: the text holds what RFC 4013 §2.3 prohibits. Right-to-left texts are not checked for §2.4. */
export function saslPrep(text: string): string | undefined {
	const prepared = text
		.replace(SPACES, " ")
		.replace(NOTHING, "")
		.normalize("NFKC");
	return PROHIBITED.test(prepared) ? undefined : prepared;
}
