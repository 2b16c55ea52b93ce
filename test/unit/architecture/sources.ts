/** Just enough reading of TypeScript to check who imports what and who uses which globals; no compiler needed. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface Source {
	/** From the top of the repository, with slashes. */
	readonly path: string;
	readonly text: string;
}
export interface Import {
	/** As written, or for ours the path from the top of the repository. */
	readonly target: string;
	readonly ours: boolean;
	/** Gone when types are stripped. */
	readonly typesOnly: boolean;
	/** Names in braces, without `type` and `as`; empty for other forms. */
	readonly names: readonly string[];
}

/** All .ts files below the folders given. */
export function readSources(top: string, folders: readonly string[]): Source[] {
	const walk = (path: string): Source[] =>
		readdirSync(join(top, path), { withFileTypes: true }).flatMap((entry) => {
			const child = posix.join(path, entry.name);
			if (entry.isDirectory()) return walk(child);
			return entry.name.endsWith(".ts")
				? [{ path: child, text: readFileSync(join(top, child), "utf8") }]
				: [];
		});
	return folders.flatMap(walk);
}

/**
 * The text with comments and the insides of strings, templates and regular expressions replaced by blanks, so that what is left is
 * code; same length, so offsets agree.
 */
export function codeOf(text: string): string {
	const out =
		[...text].length === text.length
			? text.split("")
			: Array.from({ length: text.length }, (_, at) => text[at] ?? "");
	const blank = (from: number, to: number) => {
		for (let at = from; at < to; at++) if (out[at] !== "\n") out[at] = " ";
	};
	/** For each open `${`, how many `{` are open within it. */
	const templates: number[] = [];
	let at = 0;
	while (at < text.length) {
		const end = skip(text, at, out, templates);
		if (end > at) {
			blank(innerStart(text, at), innerEnd(text, at, end));
			at = end;
			continue;
		}
		const depth = templates.length - 1;
		if (text[at] === "{" && depth >= 0)
			templates[depth] = (templates[depth] ?? 0) + 1;
		if (text[at] === "}" && depth >= 0)
			templates[depth] = (templates[depth] ?? 0) - 1;
		at += 1;
	}
	return out.join("");
}

/** Quotes stay, so that an import can be found; comments go whole. */
const innerStart = (text: string, at: number) =>
	text[at] === "/" && (text[at + 1] === "/" || text[at + 1] === "*")
		? at
		: at + 1;
const innerEnd = (text: string, at: number, end: number) =>
	text[at] === "'" || text[at] === '"' ? end - 1 : end;

/** Where the comment, string, template part or regular expression that begins at `at` ends; `at` when none does. */
function skip(
	text: string,
	at: number,
	out: readonly string[],
	templates: number[],
): number {
	const next = text[at + 1];
	switch (text[at]) {
		case "/": {
			if (next === "/") return orEnd(text, text.indexOf("\n", at));
			if (next === "*") return orEnd(text, text.indexOf("*/", at + 2), 2);
			return startsExpression(out, at) ? afterRegExp(text, at) : at;
		}
		case '"':
		case "'":
			return afterString(text, at);
		case "`":
			return afterTemplatePart(text, at + 1, templates);
		case "}":
			if (templates.at(-1) !== 0) return at;
			templates.pop();
			return afterTemplatePart(text, at + 1, templates);
		default:
			return at;
	}
}

const orEnd = (text: string, at: number, plus = 0) =>
	at < 0 ? text.length : at + plus;

function afterString(text: string, start: number): number {
	const quote = text[start];
	for (let at = start + 1; at < text.length; at++) {
		if (text[at] === "\\") at += 1;
		else if (text[at] === quote || text[at] === "\n") return at + 1;
	}
	return text.length;
}

/** Up to and with the closing backquote, or the `${` of an expression, which is code again. */
function afterTemplatePart(
	text: string,
	start: number,
	templates: number[],
): number {
	for (let at = start; at < text.length; at++) {
		if (text[at] === "\\") at += 1;
		else if (text[at] === "`") return at + 1;
		else if (text[at] === "$" && text[at + 1] === "{") {
			templates.push(0);
			return at + 2;
		}
	}
	return text.length;
}

function afterRegExp(text: string, start: number): number {
	let inClass = false;
	for (let at = start + 1; at < text.length; at++) {
		if (text[at] === "\\") at += 1;
		else if (text[at] === "[") inClass = true;
		else if (text[at] === "]") inClass = false;
		else if (text[at] === "/" && !inClass) return at + 1;
		else if (text[at] === "\n") return start;
	}
	return start;
}

/** Whether a slash at `at` begins a regular expression: after an operator or a keyword, not after a value. */
function startsExpression(out: readonly string[], at: number): boolean {
	const before = out
		.slice(Math.max(0, at - 200), at)
		.join("")
		.trimEnd();
	return (
		before === "" ||
		/[(,=:[!&|?{};+\-*%~^<>]$/.test(before) ||
		/\b(return|typeof|case|in|of|do|else|void|delete|await|yield)$/.test(before)
	);
}

const importForms = [
	/\b(?:import|export)\s+(type\s)?([^;"'`()=]*?)\bfrom\s*["']/g,
	/\bimport\s*()()["']/g,
	/\bimport\s*()()\(\s*["']/g,
];

/** What a file imports or re-exports, also dynamically. */
export function importsOf({ path, text }: Source): Import[] {
	const code = codeOf(text);
	return importForms.flatMap((form) =>
		[...code.matchAll(form)].map((match) => {
			const start = match.index + match[0].length;
			const quote = text[start - 1] ?? '"';
			const target = text.slice(start, text.indexOf(quote, start));
			const clause = match[2] ?? "";
			const parts = (/\{([^}]*)\}/.exec(clause)?.[1] ?? "")
				.split(",")
				.map((part) => part.trim())
				.filter(Boolean);
			const ours = target.startsWith(".");
			return {
				target: ours ? posix.join(posix.dirname(path), target) : target,
				ours,
				typesOnly:
					match[1] !== undefined && match[1] !== ""
						? true
						: /^\s*\{[^}]*\}\s*$/.test(clause) &&
							parts.length > 0 &&
							parts.every((part) => part.startsWith("type ")),
				names: parts
					.filter((part) => !part.startsWith("type "))
					.map((part) => part.split(/\s+as\s+/)[0] ?? part),
			};
		}),
	);
}
