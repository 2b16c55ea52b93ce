/** Where in a message the sections of FETCH lie (RFC 9051 §6.4.5.1). */
import type { HasStructure, Range, Section, Structure } from "./types.ts";

/** The part with these numbers, or undefined. Numbers go through embedded messages as if they were multiparts. */
export function partAt(
	parsed: HasStructure,
	part: readonly number[],
): Structure | undefined {
	/** Of a message, when the next number counts its parts; undefined within a multipart. */
	let message: Structure | undefined = parsed.structure;
	let at: Structure = parsed.structure;
	for (const number of part) {
		const parts = message === undefined ? at.children : partsOf(message);
		const next = parts?.[number - 1];
		if (next === undefined) return undefined;
		at = next;
		message = at.message?.structure;
	}
	return at;
}

/** Every message has at least part 1: of one that is no multipart, the whole body. */
const partsOf = (message: Structure): readonly Structure[] =>
	message.children ?? [message];

const headerOf = (of: Structure): Range => ({
	start: of.headerStart,
	end: of.bodyStart,
});
const bodyOf = (of: Structure): Range => ({ start: of.bodyStart, end: of.end });

/**
 * The bytes that a section names; for HEADER.FIELDS and HEADER.FIELDS.NOT those of the whole header, to be given to
 * `headerFields`. Undefined: there is no such part, or HEADER or TEXT is asked of a part that is no embedded message.
 */
export function sectionRange(
	parsed: HasStructure,
	section: Section,
): Range | undefined {
	const part = partAt(parsed, section.part);
	if (part === undefined) return undefined;
	const whole = section.part.length === 0;
	if (section.kind === "")
		return whole ? { start: part.headerStart, end: part.end } : bodyOf(part);
	if (section.kind === "MIME") return whole ? undefined : headerOf(part);
	const message = whole ? part : part.message?.structure;
	if (message === undefined) return undefined;
	return section.kind === "TEXT" ? bodyOf(message) : headerOf(message);
}
