/** The start of a message's text, for lists of messages (RFC 8970). */
import {
	PREVIEW_CHARACTERS_MAX,
	PREVIEW_SOURCE_BYTES_MAX,
} from "../../sync/limits.ts";
import { decodeOctets } from "./charset.ts";
import { parameter } from "./parameters.ts";
import { decodeTransfer } from "./transfer.ts";
import type { HasStructure, Range, Structure } from "./types.ts";

/** Where the bytes lie that a preview is made of. Undefined: there is no text, and the preview is empty. */
export function previewSource({
	structure,
}: HasStructure):
	| { readonly part: Structure; readonly range: Range }
	| undefined {
	const part = textPart(structure);
	if (part === undefined) return undefined;
	const { bodyStart: start, end } = part;
	return {
		part,
		range: { start, end: Math.min(end, start + PREVIEW_SOURCE_BYTES_MAX) },
	};
}

/** The first text that is shown; of alternatives plain text rather than HTML. */
function textPart(of: Structure): Structure | undefined {
	if (of.disposition?.type.toLowerCase() === "attachment") return undefined;
	if (of.children !== undefined) {
		const parts = of.children.flatMap((child) => textPart(child) ?? []);
		if (of.subtype.toLowerCase() !== "alternative") return parts[0];
		return parts.find((part) => !isHtml(part)) ?? parts[0];
	}
	if (of.message !== undefined) return textPart(of.message.structure);
	return of.type.toLowerCase() === "text" ? of : undefined;
}

const isHtml = ({ subtype }: Structure): boolean =>
	subtype.toLowerCase() === "html";

/** `bytes`: those of the source's range. At most PREVIEW_CHARACTERS_MAX characters, of one line. */
export function previewOf(part: Structure, bytes: Uint8Array): string {
	const octets = decodeTransfer(bytes, part.encoding);
	if (octets === undefined) return "";
	const text = decodeOctets(octets, parameter(part.parameters, "charset"));
	const line = (isHtml(part) ? withoutMarkup(text) : withoutQuotes(text))
		.replace(/[\p{White_Space}\p{Cc}\u200b\ufeff\ufffd]+/gu, " ")
		.trim();
	return [...line.slice(0, 2 * PREVIEW_CHARACTERS_MAX)]
		.slice(0, PREVIEW_CHARACTERS_MAX)
		.join("")
		.toWellFormed();
}

/** Lines that quote what is answered say nothing new. */
const withoutQuotes = (text: string): string =>
	text
		.split("\n")
		.filter((line) => !line.startsWith(">"))
		.join("\n");

/** Elements whose content is not shown. */
const hidden = ["script", "style", "head", "title"];
const entities: Readonly<Record<string, string>> = {
	amp: "&",
	lt: "<",
	gt: ">",
	quot: '"',
	apos: "'",
	nbsp: " ",
};

/** One pass over the text, whatever stands in it. */
function withoutMarkup(html: string): string {
	const lower = html.toLowerCase();
	let text = "";
	let at = 0;
	while (at < html.length) {
		const open = html.indexOf("<", at);
		text += html.slice(at, open === -1 ? html.length : open);
		if (open === -1) break;
		const name = hidden.find((one) => lower.startsWith(one, open + 1));
		const isComment = html.startsWith("<!--", open);
		const ending = isComment ? "-->" : name === undefined ? ">" : `</${name}`;
		const close = lower.indexOf(ending, open + 1);
		if (close === -1) break;
		at = name === undefined ? close + ending.length : afterTag(html, close);
		text += " ";
	}
	return text.replace(/&(#?[a-z0-9]{1,8});/gi, (whole, name: string) =>
		entity(whole, name),
	);
}

function afterTag(html: string, at: number): number {
	const close = html.indexOf(">", at);
	return close === -1 ? html.length : close + 1;
}

function entity(whole: string, name: string): string {
	if (!name.startsWith("#")) return entities[name.toLowerCase()] ?? whole;
	const isHex = name[1] === "x" || name[1] === "X";
	const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
	return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}
