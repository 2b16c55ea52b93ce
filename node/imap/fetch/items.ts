/** The items of FETCH (RFC 3501 §6.4.5): from the command to what is asked for. */
import { IMAP_FETCH_SECTIONS_MAX } from "../../../sync/limits.ts";
import type { Section } from "../../mime/index.ts";
import { Refusal } from "../answer.ts";
import { astring } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";

/** Items that need nothing but the mailbox's own view of the message. */
export type PlainItem =
	| "FLAGS"
	| "UID"
	| "INTERNALDATE"
	| "RFC822.SIZE"
	| "MODSEQ"
	| "EMAILID"
	| "SAVEDATE";
/** Items that need the message's structure, or what else the cache has of it. */
export type StructureItem =
	| "ENVELOPE"
	| "BODY"
	| "BODYSTRUCTURE"
	| "THREADID"
	| "PREVIEW"
	| "PREVIEW (LAZY)";

/** Octets [offset, offset + length) of a section. */
export interface Partial {
	readonly offset: number;
	readonly length: number;
}
export interface SectionItem {
	/** As the response names it: `BODY[1.2.MIME]<0>`. */
	readonly label: string;
	readonly section: Section;
	readonly partial: Partial | undefined;
	/** Does not set \Seen. */
	readonly peek: boolean;
	/** BINARY (RFC 3516): without the transfer encoding; or how many octets that are. */
	readonly binary?: "octets" | "size";
}
export interface FetchItems {
	readonly plain: readonly PlainItem[];
	readonly structure: readonly StructureItem[];
	readonly sections: readonly SectionItem[];
	/** Responses name messages by UID alone (RFC 9586). */
	readonly uidOnly?: boolean;
}

const FAST: PlainItem[] = ["FLAGS", "INTERNALDATE", "RFC822.SIZE"];
const macros: Readonly<Record<string, readonly string[]>> = {
	FAST,
	ALL: [...FAST, "ENVELOPE"],
	FULL: [...FAST, "ENVELOPE", "BODY"],
};
const plainItems: readonly string[] = [
	...FAST,
	"UID",
	"MODSEQ",
	"EMAILID",
	"SAVEDATE",
];
const structureItems: readonly string[] = [
	"ENVELOPE",
	"BODY",
	"BODYSTRUCTURE",
	"THREADID",
	"PREVIEW",
	"PREVIEW (LAZY)",
];

/** RFC822 and its kin are old names of sections (RFC 3501 §6.4.5). */
const oldNames: Readonly<Record<string, Omit<SectionItem, "label">>> = {
	RFC822: whole("", false),
	"RFC822.HEADER": whole("HEADER", true),
	"RFC822.TEXT": whole("TEXT", false),
};

function whole(
	kind: Section["kind"],
	peek: boolean,
): Omit<SectionItem, "label"> {
	return { section: { part: [], kind }, partial: undefined, peek };
}

/** A macro, one item, or a list of items. Each comes once, in a fixed order: plain, structure, sections. */
export function parseFetchItems(parser: Parser): FetchItems {
	const words = new Set<string>();
	const sections = new Map<string, SectionItem>();
	const add = () => {
		const item = parseItem(parser);
		if (typeof item === "string") words.add(item);
		else {
			const peek = item.peek && sections.get(item.label)?.peek !== false;
			sections.set(item.label, { ...item, peek });
			if (sections.size > IMAP_FETCH_SECTIONS_MAX)
				throw new Refusal("NO", "LIMIT", "Too many sections in one FETCH");
		}
	};
	if (parser.atList) parser.list("items to fetch", add);
	else {
		const at = parser.at;
		const macro = parser.word("an item to fetch");
		if (Object.hasOwn(macros, macro))
			for (const word of macros[macro] ?? []) words.add(word);
		else {
			parser.at = at;
			add();
		}
	}
	return {
		plain: plainItems.filter((word) => words.has(word)) as PlainItem[],
		structure: structureItems.filter((word) =>
			words.has(word),
		) as StructureItem[],
		sections: [...sections.values()],
	};
}

function parseItem(parser: Parser): string | SectionItem {
	const name = itemName(parser);
	if ((name === "BODY" || name === "BODY.PEEK") && parser.take("["))
		return parseSection(parser, name === "BODY.PEEK");
	if (Object.hasOwn(binaryNames, name) && parser.take("["))
		return parseBinary(parser, name);
	if (name === "PREVIEW") return parsePreview(parser);
	if (plainItems.includes(name) || structureItems.includes(name)) return name;
	const old = Object.hasOwn(oldNames, name) ? oldNames[name] : undefined;
	if (old === undefined) throw new ParseFault("unknown item to fetch");
	return { label: name, ...old };
}

const binaryNames: Readonly<
	Record<string, Pick<SectionItem, "binary" | "peek">>
> = {
	BINARY: { binary: "octets", peek: false },
	"BINARY.PEEK": { binary: "octets", peek: true },
	"BINARY.SIZE": { binary: "size", peek: true },
};

/** What follows `BINARY[` (RFC 3516 §4.2): part numbers alone, or nothing. */
function parseBinary(parser: Parser, name: string): SectionItem {
	const options = binaryNames[name] as Pick<SectionItem, "binary" | "peek">;
	const isSize = options.binary === "size";
	const part: number[] = [];
	if (parser.peek() !== 0x5d)
		do {
			const number = parser.number("a part number");
			if (number === 0) throw new ParseFault("part numbers begin at 1");
			part.push(number);
		} while (parser.take("."));
	parser.expect("]", '"]"');
	const partial = isSize ? undefined : parsePartial(parser);
	const origin = partial === undefined ? "" : `<${partial.offset}>`;
	return {
		label: `BINARY${isSize ? ".SIZE" : ""}[${part.join(".")}]${origin}`,
		section: { part, kind: "" },
		partial,
		...options,
	};
}

/** RFC 8970 §4.1: `PREVIEW (LAZY)` takes what is there. */
function parsePreview(parser: Parser): StructureItem {
	const at = parser.at;
	if (!parser.take(" ") || !parser.atList) {
		parser.at = at;
		return "PREVIEW";
	}
	// In a list of modifiers after the items (RFC 4466) there is no LAZY.
	const words = parser.list("modifiers of PREVIEW", () =>
		parser.word("a modifier"),
	);
	if (words.every((word) => word === "LAZY")) return "PREVIEW (LAZY)";
	parser.at = at;
	return "PREVIEW";
}

/** "[" is an atom's character in RFC 3501, but here it ends the name. */
function itemName(parser: Parser): string {
	const start = parser.at;
	const word = parser.word("an item to fetch");
	const bracket = word.indexOf("[");
	if (bracket < 0) return word;
	parser.at = start + bracket;
	return word.slice(0, bracket);
}

/** What follows `BODY[`. */
function parseSection(parser: Parser, peek: boolean): SectionItem {
	const part: number[] = [];
	let kind: Section["kind"] = "";
	for (;;) {
		const octet = parser.peek();
		if (!(octet >= 0x30 && octet <= 0x39)) {
			kind = parseKind(parser, part.length > 0);
			break;
		}
		const number = parser.number("a part number");
		if (number === 0) throw new ParseFault("part numbers begin at 1");
		part.push(number);
		if (!parser.take(".")) break;
		if (parser.peek() === 0x5d) throw new ParseFault("expected a part");
	}
	const fields = kind.startsWith("HEADER.FIELDS")
		? parseFields(parser)
		: undefined;
	parser.expect("]", '"]"');
	const partial = parsePartial(parser);
	const section: Section =
		fields === undefined ? { part, kind } : { part, kind, fields };
	return { label: labelOf(section, partial), section, partial, peek };
}

const kinds: readonly Section["kind"][] = [
	"",
	"HEADER",
	"HEADER.FIELDS",
	"HEADER.FIELDS.NOT",
	"TEXT",
];

function parseKind(parser: Parser, isPart: boolean): Section["kind"] {
	let name = "";
	for (;;) {
		const octet = parser.peek() & ~0x20;
		const isLetter = octet >= 0x41 && octet <= 0x5a;
		if (!isLetter && parser.peek() !== 0x2e) break;
		name += String.fromCharCode(parser.peek()).toUpperCase();
		parser.at++;
	}
	if (name === "MIME" && isPart) return "MIME";
	const kind = kinds.find((one) => one === name);
	if (kind === undefined || (name === "" && isPart))
		throw new ParseFault("unknown section");
	return kind;
}

function parseFields(parser: Parser): string[] {
	parser.space();
	return parser.list("field names", () => parser.astring("a field name"));
}

function parsePartial(parser: Parser): Partial | undefined {
	if (!parser.take("<")) return undefined;
	const offset = parser.number("an offset");
	parser.expect(".", "a length");
	const length = parser.number("a length");
	if (length === 0) throw new ParseFault("a length begins at 1");
	parser.expect(">", '">"');
	return { offset, length };
}

/** A name with octets that no quoted string may hold cannot match any field, and is echoed without them. */
const echo = (field: string): string => {
	let text = "";
	for (const character of field)
		if (character >= " " && character <= "~") text += character;
	return astring(text);
};

function labelOf(
	{ part, kind, fields }: Section,
	partial: Partial | undefined,
): string {
	const path = [...part, ...(kind === "" ? [] : [kind])].join(".");
	const names = fields === undefined ? "" : ` (${fields.map(echo).join(" ")})`;
	const origin = partial === undefined ? "" : `<${partial.offset}>`;
	return `BODY[${path}${names}]${origin}`;
}
