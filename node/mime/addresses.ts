/** Address lists (RFC 5322 §3.4 with the obsolete forms of §4.4), as ENVELOPE shows them (RFC 9051 §7.5.2). */
import { isSpace, Lexer } from "./lexer.ts";
import type { EnvelopeAddress, Mailbox } from "./types.ts";

const QUOTE = 34;
const OPEN = 40;
const COMMA = 44;
const COLON = 58;
const SEMICOLON = 59;
const LESS = 60;
const GREATER = 62;
const AT = 64;
const BRACKET = 91;
const BRACKET_END = 93;

const isSpecial = (code: number): boolean =>
	code === QUOTE ||
	code === OPEN ||
	code === COMMA ||
	code === COLON ||
	code === SEMICOLON ||
	code === LESS ||
	code === GREATER ||
	code === AT ||
	code === BRACKET ||
	isSpace(code);
const isBracketEnd = (code: number): boolean => code === BRACKET_END;

/** A word, or an "@" (then `at` is true); `apart` when white space or a comment stood before it. */
interface Word {
	readonly text: string;
	readonly apart: boolean;
	readonly at: boolean;
}

/** Words up to a character of structure (`,` `;` `:` `<` `>`) or the end. */
function readWords(lexer: Lexer): Word[] {
	const words: Word[] = [];
	for (;;) {
		const apart = lexer.skip();
		const code = lexer.code;
		if (code === QUOTE) {
			const text = lexer.quoted();
			if (text !== undefined) words.push({ text, apart, at: false });
		} else if (code === BRACKET) {
			const text = lexer.until(isBracketEnd);
			const closed = lexer.take(BRACKET_END);
			words.push({ text: closed ? `${text}]` : text, apart, at: false });
		} else if (lexer.take(AT)) {
			words.push({ text: "@", apart, at: true });
		} else if (Number.isNaN(code) || isSpecial(code)) {
			return words;
		} else {
			words.push({ text: lexer.until(isSpecial), apart, at: false });
		}
	}
}

/** The words with one space where there was any; with `aroundDots` false, none beside a dot (obs-local-part, obs-domain). */
function join(
	words: readonly Word[],
	from: number,
	to: number,
	aroundDots: boolean,
): string {
	let joined = "";
	for (let i = from; i < to; i++) {
		const word = words[i] as Word;
		const space =
			word.apart &&
			joined !== "" &&
			(aroundDots || !(joined.endsWith(".") || word.text.startsWith(".")));
		joined += space ? ` ${word.text}` : word.text;
	}
	return joined;
}

/** local@domain from words; what stands after the domain (`a@b c@d`) is passed over. Undefined without an @. */
function addrSpec(words: readonly Word[]): Mailbox | undefined {
	const at = words.findIndex((word) => word.at);
	if (at === -1) return undefined;
	let end = at + 1;
	let host = "";
	for (; end < words.length; end++) {
		const word = words[end] as Word;
		const joins =
			host === "" ||
			!word.apart ||
			host.endsWith(".") ||
			word.text.startsWith(".");
		if (word.at || !joins) break;
		host += word.text;
	}
	return {
		mailbox: join(words, 0, at, false) || "MISSING_MAILBOX",
		host: host || "MISSING_DOMAIN",
	};
}

/** After "<": the address up to ">", with the source route if there is one. */
function angleAddress(lexer: Lexer): Mailbox {
	let words = readWords(lexer);
	let route: string | undefined;
	// "@a,@b:c@d": the route's commas and colon end runs of words.
	if (words[0]?.at === true) {
		route = join(words, 0, words.length, false);
		while (lexer.take(COMMA)) {
			words = readWords(lexer);
			if (words.length > 0) route += `,${join(words, 0, words.length, false)}`;
		}
		words = lexer.take(COLON) ? readWords(lexer) : [];
	}
	const address = addrSpec(words) ?? {
		mailbox: join(words, 0, words.length, false) || "MISSING_MAILBOX",
		host: "MISSING_DOMAIN",
	};
	lexer.take(GREATER);
	return route === undefined ? address : { route, ...address };
}

/** An address without angle brackets: `a@b (Name)`, a bare local part, or only words. */
function bareAddress(
	words: readonly Word[],
	comment: string | undefined,
): Mailbox {
	const address = addrSpec(words);
	if (address !== undefined)
		return comment ? { name: comment, ...address } : address;
	const text = join(words, 0, words.length, true);
	return words.length === 1
		? { mailbox: text, host: "MISSING_DOMAIN" }
		: { name: text, mailbox: "MISSING_MAILBOX", host: "MISSING_DOMAIN" };
}

/** Passes what is left of an element that already has its address. */
function skipElement(lexer: Lexer): void {
	for (;;) {
		readWords(lexer);
		const code = lexer.code;
		if (code === COMMA || code === SEMICOLON || lexer.done) return;
		lexer.at++;
	}
}

/**
 * The addresses of one field, in order, at most `limit` of them; never fails. Empty elements between commas are passed
 * over (obs-addr-list); an open group is closed at the end.
 */
export function parseAddresses(text: string, limit: number): EnvelopeAddress[] {
	const lexer = new Lexer(text);
	const addresses: EnvelopeAddress[] = [];
	let inGroup = false;
	while (!lexer.done && addresses.length < limit) {
		lexer.comment = undefined;
		const words = readWords(lexer);
		const phrase = join(words, 0, words.length, true);
		if (lexer.take(LESS)) {
			const address = angleAddress(lexer);
			addresses.push(phrase === "" ? address : { name: phrase, ...address });
			skipElement(lexer);
		} else if (!inGroup && lexer.take(COLON)) {
			inGroup = true;
			addresses.push({ group: phrase });
			continue;
		} else if (words.length > 0) {
			addresses.push(bareAddress(words, lexer.comment));
			skipElement(lexer);
		}
		if (lexer.code === SEMICOLON && inGroup) {
			inGroup = false;
			addresses.push({ group: null });
		}
		lexer.at++;
	}
	if (inGroup) addresses.push({ group: null });
	return addresses;
}
