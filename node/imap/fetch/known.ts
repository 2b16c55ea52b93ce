/**
 * FETCH responses that need nothing but the view and the cache: made many at a time, without waiting, as strings that
 * go to the output as they are.
 */
import type { CachedStructure, InTurn } from "../../mime/cache.ts";
import { asBuffer, headerFieldsText, type Ordering } from "../../mime/index.ts";
import type { Target } from "../selected.ts";
import type { Surroundings } from "../session.ts";
import type { FetchItems, SectionItem, StructureItem } from "./items.ts";
import {
	cutTo,
	fetchHead,
	previewImap,
	renderPlain,
	threadIdImap,
	wordOf,
} from "./render.ts";

/** Messages looked up at once: some milliseconds of work when they come from disk. */
export const KNOWN_BATCH = 500;

/** What the cache has of some messages, in their order, as far as the items need it. */
export interface Known {
	readonly structures: InTurn<CachedStructure>;
	readonly headers: InTurn<Uint8Array>;
	readonly orderings: InTurn<Ordering>;
	readonly previews: InTurn<string>;
}

const isHeader = ({ section, binary }: SectionItem): boolean =>
	binary === undefined &&
	section.part.length === 0 &&
	section.kind.startsWith("HEADER");

/** Whether the items can be answered from the cache alone. */
export const fromCache = ({ structure, sections }: FetchItems): boolean =>
	structure.every((item) => item !== "BODY") && sections.every(isHeader);

export function lookUp(
	{ structures }: Surroundings,
	items: FetchItems,
	targets: readonly Target[],
): Known {
	const messages = targets.map(({ message }) => message);
	const asks = (...words: StructureItem[]) =>
		items.structure.some((item) => words.includes(item));
	return {
		structures: asks("ENVELOPE", "BODYSTRUCTURE")
			? structures.cached(messages)
			: [],
		orderings: asks("THREADID") ? structures.cachedOrderings(messages) : [],
		previews: asks("PREVIEW", "PREVIEW (LAZY)")
			? structures.cachedPreviews(messages)
			: [],
		headers:
			items.sections.length > 0 ? structures.cachedHeaders(messages) : [],
	};
}

/** The whole response to the message at this place of those looked up; undefined if the cache lacks something. */
export function renderKnown(
	known: Known,
	items: FetchItems,
	target: Target,
	at: number,
): string | undefined {
	const plain = renderPlain(items.plain, target);
	let text = `${fetchHead(items.uidOnly, target)}${plain}`;
	let separator = plain === "" ? "" : " ";
	for (const item of items.structure) {
		const value = structureValue(known, item, at);
		if (value === undefined) return undefined;
		text += `${separator}${wordOf(item)} ${value}`;
		separator = " ";
	}
	if (items.sections.length > 0) {
		const header = known.headers[at];
		if (header === undefined) return undefined;
		for (const item of items.sections) {
			text += `${separator}${item.label} ${headerLiteral(header, item)}`;
			separator = " ";
		}
	}
	return `${text})\r\n`;
}

function structureValue(
	{ structures, orderings, previews }: Known,
	item: StructureItem,
	at: number,
): string | undefined {
	switch (item) {
		case "ENVELOPE":
			return structures[at]?.envelopeImap;
		case "BODYSTRUCTURE":
			return structures[at]?.bodyStructureImap;
		case "THREADID": {
			const ordering = orderings[at];
			return ordering && threadIdImap(ordering);
		}
		case "PREVIEW":
		case "PREVIEW (LAZY)": {
			const text = previews[at];
			return text === undefined ? undefined : previewImap(text);
		}
		case "BODY":
			return undefined;
	}
}

function headerLiteral(
	header: Uint8Array,
	{ section: { kind, fields }, partial }: SectionItem,
): string {
	const whole =
		fields === undefined
			? asBuffer(header).toString("latin1")
			: headerFieldsText(header, fields, kind === "HEADER.FIELDS.NOT");
	const { start, end } = cutTo({ start: 0, end: whole.length }, partial);
	return `{${end - start}}\r\n${whole.slice(start, end)}`;
}
