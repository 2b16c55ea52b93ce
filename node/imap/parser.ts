/**
 * Parses one complete command: synchronous, over bytes, no regular expressions. Texts come out as latin1 strings (one
 * character an octet); `utf8()` decodes one. Whatever the bytes, nothing but ParseFault is thrown, and time is linear.
 */
import { UID_MAX } from "../../sync/ids.ts";
import {
	SAVED,
	type SequenceRange,
	type SequenceSet,
	STAR,
} from "./sequence-set.ts";

/** The client broke the grammar: BAD. The message is one line for whoever reads the client's log. */
export class ParseFault extends Error {
	override name = "ParseFault";
}

const ATOM = 1;
const ASTRING = 2;
const TAG = 4;
const LIST = 8;
const kinds = new Uint8Array(256);
for (let octet = 0x21; octet < 0x7f; octet++) {
	// RFC 3501 §9 atom-specials, ASTRING-CHAR, tag, list-char
	const character = String.fromCharCode(octet);
	if ('(){"\\'.includes(character)) continue;
	const wildcard = "%*".includes(character);
	if (!wildcard && character !== "]") kinds[octet] = ATOM;
	if (!wildcard) kinds[octet] = (kinds[octet] ?? 0) | ASTRING;
	if (!wildcard && character !== "+") kinds[octet] = (kinds[octet] ?? 0) | TAG;
	kinds[octet] = (kinds[octet] ?? 0) | LIST;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;
const BRACE = 0x7b;
const CR = 0x0d;
const LF = 0x0a;

/** True when `text` (latin1) can be sent as an atom (RFC 3501 §9), so that it needs no quotes. */
export function isAtom(text: string): boolean {
	for (let index = 0; index < text.length; index++)
		if (((kinds[text.charCodeAt(index)] ?? 0) & ATOM) === 0) return false;
	return text.length > 0 && text.toUpperCase() !== "NIL";
}

/** Decodes octets that must be UTF-8; ParseFault if they are not. */
export function utf8(octets: string): string {
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
			Buffer.from(octets, "latin1"),
		);
	} catch {
		throw new ParseFault("text is not UTF-8");
	}
}

export class Parser {
	readonly bytes: Buffer;
	at = 0;

	/** `bytes`: a command without its final CRLF; literals stand in it as they came, `{3}` CRLF and the octets. */
	constructor(bytes: Buffer) {
		this.bytes = bytes;
	}

	get atEnd(): boolean {
		return this.at >= this.bytes.length;
	}

	/** The next octet, or -1 at the end. */
	peek(): number {
		return this.bytes[this.at] ?? -1;
	}

	/** Takes `character` if it is next. */
	take(character: string): boolean {
		if (this.peek() !== character.charCodeAt(0)) return false;
		this.at++;
		return true;
	}

	expect(character: string, what: string): void {
		if (!this.take(character)) throw new ParseFault(`expected ${what}`);
	}

	space(): void {
		if (this.peek() !== SPACE) throw new ParseFault("expected a space");
		this.at++;
	}

	/** Nothing but spaces may follow: some clients leave one. */
	end(): void {
		while (this.peek() === SPACE) this.at++;
		if (!this.atEnd) throw new ParseFault("unexpected text after the command");
	}

	#run(kind: number): string {
		const start = this.at;
		while (((kinds[this.bytes[this.at] ?? 0] ?? 0) & kind) !== 0) this.at++;
		return this.bytes.toString("latin1", start, this.at);
	}

	#some(kind: number, what: string): string {
		const text = this.#run(kind);
		if (text === "") throw new ParseFault(`expected ${what}`);
		return text;
	}

	tag(): string {
		return this.#some(TAG, "a tag");
	}

	atom(what = "an atom"): string {
		return this.#some(ATOM, what);
	}

	/** An atom in upper case: names of commands, items and keys. */
	word(what: string): string {
		return this.atom(what).toUpperCase();
	}

	/** RFC 3501 §9 astring: an atom that may hold "]", or a string. */
	astring(what: string): string {
		const next = this.peek();
		if (next === QUOTE || next === BRACE) return this.string(what);
		return this.#some(ASTRING, what);
	}

	/** RFC 3501 §9 list-mailbox: an astring that may hold wildcards. */
	listMailbox(): string {
		const next = this.peek();
		if (next === QUOTE || next === BRACE) return this.string("a pattern");
		return this.#some(LIST, "a pattern");
	}

	string(what: string): string {
		if (this.peek() === QUOTE) return this.#quoted();
		if (this.peek() === BRACE) return this.#literal();
		throw new ParseFault(`expected ${what}`);
	}

	/** NIL or a string. */
	nstring(what: string): string | undefined {
		const next = this.peek();
		if (next === QUOTE || next === BRACE) return this.string(what);
		if (this.word(what) !== "NIL") throw new ParseFault(`expected ${what}`);
		return undefined;
	}

	/** RFC 5464 §5 value: NIL, a string, or a literal that may hold NUL (RFC 3516 §7 literal8). */
	nstringOrLiteral8(what: string): string | undefined {
		if (!this.take("~")) return this.nstring(what);
		if (this.peek() !== BRACE) throw new ParseFault(`expected ${what}`);
		return this.#literal();
	}

	// 8-bit octets are let through: clients send UTF-8 in quoted strings also where RFC 3501 forbids it.
	#quoted(): string {
		let text = "";
		let start = ++this.at;
		for (; ; this.at++) {
			const octet = this.peek();
			if (octet === QUOTE) break;
			if (octet === BACKSLASH) {
				text += this.bytes.toString("latin1", start, this.at);
				start = ++this.at;
				const next = this.peek();
				if (next !== QUOTE && next !== BACKSLASH)
					throw new ParseFault("bad escape in a quoted string");
			} else if (octet <= 0 || octet === CR || octet === LF)
				throw new ParseFault("quoted string has no end");
		}
		return text + this.bytes.toString("latin1", start, this.at++);
	}

	#literal(): string {
		const header = literalHeader(this.bytes, this.at);
		if (header === undefined) throw new ParseFault("bad literal");
		const start = header.end;
		if (start + header.sizeBytes > this.bytes.length)
			throw new ParseFault("literal is cut off");
		this.at = start + header.sizeBytes;
		return this.bytes.toString("latin1", start, this.at);
	}

	/** Decimal digits, at most `max` (RFC 3501 §9 number: 2^32-1). */
	number(what: string, max = UID_MAX): number {
		const start = this.at;
		let value = 0;
		for (; ; this.at++) {
			const digit = this.peek() - 0x30;
			if (!(digit >= 0 && digit <= 9)) break;
			value = value * 10 + digit;
			if (value > max) throw new ParseFault(`${what} is too large`);
		}
		if (this.at === start) throw new ParseFault(`expected ${what}`);
		return value;
	}

	/** RFC 3501 §9 sequence-set, also `$` (RFC 5182 §3). */
	sequenceSet(): SequenceSet {
		if (this.take("$")) return SAVED;
		const ranges: SequenceRange[] = [];
		do {
			const from = this.#sequenceNumber();
			const to = this.take(":") ? this.#sequenceNumber() : from;
			ranges.push({ from, to });
		} while (this.take(","));
		return ranges;
	}

	#sequenceNumber(): number {
		if (this.take("*")) return STAR;
		const value = this.number("a message number");
		if (value === 0) throw new ParseFault("message numbers begin at 1");
		return value;
	}

	/** `(item item …)`, also empty where `mayBeEmpty`. */
	list<T>(what: string, item: () => T, mayBeEmpty = false): T[] {
		this.expect("(", what);
		const items: T[] = [];
		if (mayBeEmpty && this.take(")")) return items;
		do items.push(item());
		while (this.take(" "));
		this.expect(")", `")" after ${what}`);
		return items;
	}

	get atList(): boolean {
		return this.peek() === OPEN;
	}

	get atClose(): boolean {
		return this.peek() === CLOSE;
	}
}

export interface LiteralHeader {
	readonly sizeBytes: number;
	/** RFC 7888: the client does not wait for a continuation request. */
	readonly nonSynchronizing: boolean;
	/** Offset of the first octet of the literal, or of the end of the line where the CRLF is cut off. */
	readonly end: number;
}

/** Reads `{123}` or `{123+}` and the line break (or the end of `bytes`) from `at`. Undefined: no such thing there. */
export function literalHeader(
	bytes: Uint8Array,
	at: number,
): LiteralHeader | undefined {
	let index = at + 1;
	let sizeBytes = 0;
	if (bytes[at] !== BRACE) return undefined;
	for (; ; index++) {
		const digit = (bytes[index] ?? 0) - 0x30;
		if (!(digit >= 0 && digit <= 9)) break;
		sizeBytes = sizeBytes * 10 + digit;
		if (sizeBytes > Number.MAX_SAFE_INTEGER / 16) return undefined;
	}
	if (index === at + 1) return undefined;
	const nonSynchronizing = bytes[index] === 0x2b;
	if (nonSynchronizing) index++;
	if (bytes[index++] !== 0x7d) return undefined;
	if (index < bytes.length) {
		if (bytes[index] === CR) index++;
		if (bytes[index++] !== LF) return undefined;
	}
	return { sizeBytes, nonSynchronizing, end: index };
}

/** The literal that a line (without its CRLF) announces at its end. */
export function literalAtEnd(line: Uint8Array): LiteralHeader | undefined {
	if (line[line.length - 1] !== 0x7d) return undefined;
	const open = line.lastIndexOf(BRACE);
	const header = open < 0 ? undefined : literalHeader(line, open);
	return header?.end === line.length ? header : undefined;
}
