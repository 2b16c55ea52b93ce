/** Content-Type and Content-Disposition with their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231). */
import { MIME_PARAMETERS_MAX } from "../../sync/limits.ts";
import { decodeOctets } from "./charset.ts";
import { isSpace, Lexer } from "./lexer.ts";
import type { Disposition, Parameters } from "./types.ts";
import { decodeWords } from "./words.ts";

const QUOTE = 34;
const OPEN = 40;
const SLASH = 47;
const SEMICOLON = 59;
const EQUALS = 61;

const endsToken = (code: number): boolean =>
	code === SEMICOLON || code === QUOTE || code === OPEN || isSpace(code);
const endsName = (code: number): boolean =>
	endsToken(code) || code === EQUALS || code === SLASH;

/** A token, or a quoted string where there should be a token; empty when there is neither. */
function readToken(lexer: Lexer, ends: (code: number) => boolean): string {
	lexer.skip();
	if (lexer.code === QUOTE) return lexer.quoted() ?? lexer.until(ends);
	return lexer.until(ends);
}

/** `;name=value…`, leniently: semicolons may be missing, values may hold characters that a token may not. */
function readParameters(lexer: Lexer): Parameters {
	const found: string[] = [];
	while (found.length < 2 * MIME_PARAMETERS_MAX) {
		lexer.skip();
		if (lexer.done) break;
		if (lexer.take(SEMICOLON)) continue;
		const name = lexer.until(endsName);
		lexer.skip();
		if (name !== "" && lexer.take(EQUALS))
			found.push(name, readToken(lexer, endsToken));
		// Something that is no parameter: pass at least one character, so that this ends.
		else if (name === "") lexer.at++;
	}
	return joinContinuations(found);
}

/** One parameter whose value came in pieces, or in RFC 2231's extended form. */
interface Pieces {
	/** Where in the result its value stands. */
	readonly at: number;
	extended: boolean;
	readonly values: { order: number; text: string; extended: boolean }[];
}

/** RFC 2231 §3 and §4.1: `name*0`, `name*1*` … as one `name` or, when any piece is extended, one `name*`. */
function joinContinuations(raw: readonly string[]): Parameters {
	if (!raw.some((text, index) => index % 2 === 0 && text.includes("*")))
		return raw;
	const joined: string[] = [];
	const continued = new Map<string, Pieces>();
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		const text = raw[i + 1] as string;
		const numbered = /^([^*]+)\*(\d{1,4})(\*?)$/.exec(name);
		if (numbered === null) {
			joined.push(name, text);
			continue;
		}
		const [, base = "", order = "", star] = numbered;
		let pieces = continued.get(base.toLowerCase());
		if (pieces === undefined) {
			pieces = { at: joined.length, extended: false, values: [] };
			continued.set(base.toLowerCase(), pieces);
			joined.push(base, "");
		}
		const extended = star === "*";
		pieces.extended ||= extended;
		pieces.values.push({ order: Number(order), text, extended });
	}
	for (const { at, extended, values } of continued.values()) {
		values.sort((a, b) => a.order - b.order);
		if (extended) joined[at] += "*";
		joined[at + 1] = values
			.map((piece) =>
				extended && !piece.extended
					? piece.text.replaceAll("%", "%25")
					: piece.text,
			)
			.join("");
	}
	return joined;
}

/** Content-Type's value. Undefined when it is syntactically wrong: the default type holds then (RFC 2045 §5.2). */
export function parseContentType(
	text: string,
): { type: string; subtype: string; parameters: Parameters } | undefined {
	const lexer = new Lexer(text);
	const type = readToken(lexer, endsName);
	lexer.skip();
	if (type === "" || !lexer.take(SLASH)) return undefined;
	const subtype = readToken(lexer, endsName);
	if (subtype === "") return undefined;
	return { type, subtype, parameters: readParameters(lexer) };
}

export function parseDisposition(text: string): Disposition | undefined {
	const lexer = new Lexer(text);
	const type = readToken(lexer, endsName);
	if (type === "") return undefined;
	return { type, parameters: readParameters(lexer) };
}

/** The one token of Content-Transfer-Encoding. */
export function parseToken(text: string): string | undefined {
	return readToken(new Lexer(text), endsToken) || undefined;
}

/** Content-Language: tokens between commas (RFC 3282). */
export function parseLanguages(text: string): readonly string[] | undefined {
	const found = text
		.replace(/\([^()]*\)/g, " ")
		.split(/[\s,]+/, MIME_PARAMETERS_MAX)
		.filter((tag) => tag !== "");
	return found.length === 0 ? undefined : found;
}

/** The octets of a parameter, by its name in lower case: as it stands, or the extended form percent-decoded. */
export function rawParameter(
	parameters: Parameters,
	name: string,
): { text: string; charset: string | undefined } | undefined {
	let plain: string | undefined;
	for (let i = 0; i < parameters.length; i += 2) {
		const found = parameters[i]?.toLowerCase();
		const text = parameters[i + 1] ?? "";
		if (found === `${name}*`) return extendedValue(text);
		if (found === name) plain ??= text;
	}
	return plain === undefined ? undefined : { text: plain, charset: undefined };
}

/** RFC 2231 §4: charset'language'percent-encoded octets. */
function extendedValue(text: string): {
	text: string;
	charset: string | undefined;
} {
	const first = text.indexOf("'");
	const second = text.indexOf("'", first + 1);
	const charset = first > 0 && second > 0 ? text.slice(0, first) : undefined;
	const octets = text
		.slice(first >= 0 && second > 0 ? second + 1 : 0)
		.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
			String.fromCharCode(Number.parseInt(hex, 16)),
		);
	return { text: octets, charset };
}

/**
 * A parameter for use, e.g. `parameter(disposition.parameters, "filename")`: decoded by RFC 2231, or else, as is wrong
 * but common, by RFC 2047. `name` in lower case.
 */
export function parameter(
	parameters: Parameters,
	name: string,
): string | undefined {
	const raw = rawParameter(parameters, name);
	if (raw === undefined) return undefined;
	const text = decodeOctets(Buffer.from(raw.text, "latin1"), raw.charset);
	return raw.charset === undefined ? decodeWords(text) : text;
}
