/** The messages of test/corpus, and helpers for reading answers about them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
	decodedText,
	type Parsed,
	parseMessage,
	type Section,
	sectionRange,
	textPieces,
} from "../../../node/mime/index.ts";

const folder = join(import.meta.dirname, "../../corpus");
export const corpusNames: readonly string[] = readdirSync(folder)
	.filter((name) => name.endsWith(".eml"))
	.map((name) => name.slice(0, -".eml".length));
export const corpus = (name: string): Buffer =>
	readFileSync(join(folder, `${name}.eml`));

/** Text with LF as a message with CRLF. */
export const message = (text: string): Buffer =>
	Buffer.from(text.replace(/\n/g, "\r\n"), "latin1");

/** "2.1.HEADER" as a Section. */
export function section(text: string): Section {
	const [, numbers = "", kind = ""] =
		/^((?:\d+(?:\.(?=\d)|$|(?=\.)))*)\.?(.*)$/.exec(text) ?? [];
	return {
		part: numbers === "" ? [] : numbers.split(".").map(Number),
		kind: kind as Section["kind"],
	};
}

/** What a section holds, with LF for CRLF; undefined when there is no such section. */
export function read(bytes: Buffer, name: string): string | undefined {
	const range = sectionRange(parseMessage(bytes), section(name));
	return range === undefined
		? undefined
		: bytes.toString("latin1", range.start, range.end).replaceAll("\r\n", "\n");
}

/** Every part, embedded messages included. */
export function* everyPart(parsed: Parsed): Generator<Parsed["structure"]> {
	const { structure } = parsed;
	yield structure;
	for (const child of structure.children ?? [])
		yield* everyPart({ envelope: {}, structure: child });
	if (structure.message !== undefined) yield* everyPart(structure.message);
}

/** What BODY of SEARCH looks through, before it is mapped. */
export const textOf = (bytes: Buffer, parsed: Parsed): string =>
	decodedText(textPieces(parsed), ({ start, end }) =>
		bytes.subarray(start, end),
	).body;
