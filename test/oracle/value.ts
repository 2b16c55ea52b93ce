/** Reads the values of a FETCH response, so that a quoted string and a literal with the same octets are the same. */
import type { Line } from "../harness/imap-client.ts";

/** An atom is `{ atom }`, NIL null, strings are strings. */
export type Value =
	| null
	| string
	| { readonly atom: string }
	| readonly Value[];

class Reader {
	readonly #text: string;
	readonly #literals: Buffer[];
	#at = 0;
	constructor({ text, literals }: Line) {
		this.#text = text;
		this.#literals = [...literals];
	}
	goTo(text: string): void {
		this.#at = this.#text.indexOf(text) + text.length;
	}
	get done(): boolean {
		return this.#at >= this.#text.length;
	}
	#rest(pattern: RegExp): RegExpExecArray {
		pattern.lastIndex = this.#at;
		const found = pattern.exec(this.#text);
		if (found === null)
			throw new Error(
				`cannot read ${this.#text.slice(this.#at, this.#at + 80)}`,
			);
		this.#at = pattern.lastIndex;
		return found;
	}
	/** Items of a list up to its end, the opening parenthesis being passed. */
	list(): Value[] {
		const values: Value[] = [];
		for (;;) {
			while (this.#text[this.#at] === " ") this.#at++;
			if (this.#text[this.#at] === ")" || this.done) {
				this.#at++;
				return values;
			}
			values.push(this.#value());
		}
	}
	#value(): Value {
		const first = this.#text[this.#at];
		if (first === "(") {
			this.#at++;
			return this.list();
		}
		if (first === '"')
			return (this.#rest(/"((?:[^"\\]|\\.)*)"/gsy)[1] ?? "").replace(
				/\\(.)/gs,
				"$1",
			);
		if (first === "{" || this.#text.startsWith("~{", this.#at)) {
			this.#rest(/~?\{\d+\}/gy);
			return this.#literals.shift()?.toString("latin1") ?? "";
		}
		const [atom] = this.#rest(/(?:\[[^\]]*\]|[^ ()"{])+/gy);
		return atom.toUpperCase() === "NIL" ? null : { atom };
	}
}

/** Items of `n FETCH (…)` by their names in upper case. */
export function fetched(line: Line): Map<string, Value> {
	const reader = new Reader(line);
	reader.goTo("FETCH (");
	const values = reader.list();
	const items = new Map<string, Value>();
	for (let i = 0; i + 1 < values.length; i += 2) {
		const name = values[i];
		if (name === null || typeof name !== "object" || !("atom" in name))
			throw new Error(`no name of an item: ${JSON.stringify(name)}`);
		items.set(name.atom.toUpperCase(), values[i + 1] as Value);
	}
	return items;
}
