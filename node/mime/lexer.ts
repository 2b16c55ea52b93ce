/**
 * Tokens of structured header fields (RFC 5322 §3.2, RFC 2045 §5.1), read leniently from left to right. Each character is
 * looked at a bounded number of times, whatever the text.
 */
const QUOTE = 34;
const OPEN = 40;
const CLOSE = 41;
const BACKSLASH = 92;

export class Lexer {
	readonly text: string;
	at = 0;
	/** Content of the last comment passed by skip(), trimmed; undefined when there was none. */
	comment: string | undefined;
	/** A quote without its partner: from then on quotes are ordinary characters, which also keeps this linear. */
	#quotesBroken = false;

	constructor(text: string) {
		this.text = text;
	}

	get done(): boolean {
		return this.at >= this.text.length;
	}
	/** Code of the next character; NaN at the end. */
	get code(): number {
		return this.text.charCodeAt(this.at);
	}

	/** Passes white space and comments (CFWS); true when there was any. */
	skip(): boolean {
		const from = this.at;
		for (;;) {
			const code = this.code;
			if (code === OPEN) this.#skipComment();
			else if (isSpace(code)) this.at++;
			else return this.at > from;
		}
	}

	/** Passes `character` if it comes next. */
	take(character: number): boolean {
		if (this.code !== character) return false;
		this.at++;
		return true;
	}

	/** Text up to a character of which `stops` is true. */
	until(stops: (code: number) => boolean): string {
		const from = this.at;
		while (!this.done && !stops(this.code)) this.at++;
		return this.text.slice(from, this.at);
	}

	/** At a quote: the content of the quoted string, unescaped; undefined if it never ends (the quote is passed then). */
	quoted(): string | undefined {
		const from = ++this.at;
		if (this.#quotesBroken) return undefined;
		let escaped = false;
		for (let i = from; i < this.text.length; i++) {
			const code = this.text.charCodeAt(i);
			if (code === BACKSLASH) {
				escaped = true;
				i++;
			} else if (code === QUOTE) {
				this.at = i + 1;
				const content = this.text.slice(from, i);
				return escaped ? content.replace(/\\(.)/gs, "$1") : content;
			}
		}
		this.#quotesBroken = true;
		return undefined;
	}

	#skipComment(): void {
		const from = this.at + 1;
		let depth = 0;
		while (!this.done) {
			const code = this.code;
			this.at += code === BACKSLASH ? 2 : 1;
			if (code === OPEN) depth++;
			if (code === CLOSE && --depth === 0) break;
		}
		const end = depth === 0 ? this.at - 1 : this.at;
		this.comment = trimSpace(this.text.slice(from, end)).replace(
			/\\(.)/gs,
			"$1",
		);
	}
}

export const isSpace = (code: number): boolean =>
	code === 32 || code === 9 || code === 13 || code === 10;

/** Without spaces, tabs and line breaks at both ends. Not trim(): that takes octet A0 as well. */
export function trimSpace(text: string): string {
	let start = 0;
	let end = text.length;
	while (start < end && isSpace(text.charCodeAt(start))) start++;
	while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
	return text.slice(start, end);
}
