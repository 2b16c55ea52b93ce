/** Base subjects (RFC 5256 §2.1): what is left of a subject without the marks of replies, forwards and lists. */
import { casemap } from "./casemap.ts";
import { decodeValue } from "./words.ts";

export interface BaseSubject {
	/** As the collation compares it. */
	readonly mapped: string;
	/** Marks of a reply or a forward were taken away. */
	readonly isReply: boolean;
}

/** `raw`: the value of the field, unfolded, one character an octet. Time is linear in its length. */
export function baseSubject(raw: string): BaseSubject {
	// Step 1: UTF-8, and every run of white space one space.
	const text = decodeValue(raw).replace(/[ \t\r\n]+/g, " ");
	const base = new Base(text);
	base.run();
	return {
		mapped: casemap(text.slice(base.start, base.end)),
		isReply: base.isReply,
	};
}

/** The part of a text that is still thought to be the subject. */
class Base {
	readonly #text: string;
	start = 0;
	end: number;
	isReply = false;

	constructor(text: string) {
		this.#text = text;
		this.end = text.length;
	}

	run(): void {
		do {
			this.#trailers();
			while (this.#leader() || this.#blobs());
		} while (this.#forwarded());
	}

	#isSpace(at: number): boolean {
		return this.#text.charCodeAt(at) === 0x20;
	}

	#startsWith(word: string, at: number): boolean {
		return (
			at + word.length <= this.end &&
			this.#text.slice(at, at + word.length).toLowerCase() === word
		);
	}

	/** Step 2: subj-trailer, "(fwd)" or white space. */
	#trailers(): void {
		for (;;) {
			if (this.end > this.start && this.#isSpace(this.end - 1)) this.end--;
			else if (
				this.end - this.start >= 5 &&
				this.#startsWith("(fwd)", this.end - 5)
			) {
				this.end -= 5;
				this.isReply = true;
			} else return;
		}
	}

	/** Step 3: subj-leader, `*subj-blob subj-refwd` or white space. */
	#leader(): boolean {
		if (this.start < this.end && this.#isSpace(this.start)) {
			this.start++;
			return true;
		}
		let at = this.start;
		for (let next = this.#blob(at); next > at; next = this.#blob(at)) at = next;
		const after = this.#refwd(at);
		if (after === at) return false;
		this.start = after;
		this.isReply = true;
		return true;
	}

	/** After a subj-blob, `"[" *BLOBCHAR "]" *WSP`, that starts here; `at` if none does. */
	#blob(at: number): number {
		if (at >= this.end || this.#text[at] !== "[") return at;
		let close = at + 1;
		while (close < this.end && !"[]".includes(this.#text[close] ?? "")) close++;
		if (close >= this.end || this.#text[close] !== "]") return at;
		return this.#space(close + 1);
	}

	#space(from: number): number {
		let at = from;
		while (at < this.end && this.#isSpace(at)) at++;
		return at;
	}

	/** After a subj-refwd, `("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`; `at` if none starts here. */
	#refwd(at: number): number {
		const word = ["re", "fwd", "fw"].find((one) => this.#startsWith(one, at));
		if (word === undefined) return at;
		const colon = this.#blob(this.#space(at + word.length));
		return colon < this.end && this.#text[colon] === ":" ? colon + 1 : at;
	}

	/**
	 * Step 4: a blob goes if something is left. As what follows a row of blobs is no subj-refwd (step 3 came first), all
	 * go at once.
	 */
	#blobs(): boolean {
		const from = this.start;
		for (;;) {
			const next = this.#blob(this.start);
			if (next === this.start || next >= this.end) return this.start > from;
			this.start = next;
		}
	}

	/** Step 6: `[fwd: … ]`. */
	#forwarded(): boolean {
		if (
			!this.#startsWith("[fwd:", this.start) ||
			this.#text[this.end - 1] !== "]"
		)
			return false;
		this.start += 5;
		this.end--;
		this.isReply = true;
		return true;
	}
}
