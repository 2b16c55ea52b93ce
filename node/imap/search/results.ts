/** How SEARCH and SORT answer: the old list, or an ESEARCH response with what was asked for (RFC 4731, RFC 5267 §3). */
import { Refusal } from "../answer.ts";
import { nameToken } from "../condstore.ts";
import { ParseFault, type Parser } from "../parser.ts";
import type { Selected } from "../selected.ts";
import { format, largestNamed, SAVED } from "../sequence-set.ts";
import type { Invocation, Session } from "../session.ts";
import type { Key } from "./keys.ts";
import type { Hit } from "./match.ts";

/** Places 1 … in a list of results, or -1 … from its end (RFC 9394 §3.1). */
export interface PartialRange {
	/** As the client wrote it. */
	readonly label: string;
	readonly low: number;
	readonly high: number;
	readonly fromEnd: boolean;
}

export interface Returns {
	readonly options: ReadonlySet<string>;
	readonly partial: PartialRange | undefined;
}

const simpleOptions = new Set(["MIN", "MAX", "ALL", "COUNT", "SAVE"]);

/** `RETURN (MIN COUNT) `; an empty list means ALL. Undefined: there is none. */
export function parseReturns(parser: Parser): Returns | undefined {
	const at = parser.at;
	if (parser.atEnd) throw new ParseFault("expected search keys");
	const octet = parser.peek() & ~0x20;
	if (octet !== 0x52 || parser.word("a key") !== "RETURN") {
		parser.at = at;
		return undefined;
	}
	parser.space();
	const options = new Set<string>();
	let partial: PartialRange | undefined;
	const take = () => {
		const option = parser.word("a return option");
		if (option === "PARTIAL") {
			// RFC 9394 §3.1: only one, and not with ALL.
			if (partial !== undefined) throw new ParseFault("PARTIAL comes once");
			parser.space();
			partial = parsePartial(parser);
		} else if (simpleOptions.has(option)) options.add(option);
		else throw new ParseFault("unknown return option");
	};
	parser.list("return options", take, true);
	parser.space();
	if (partial !== undefined && options.has("ALL"))
		throw new ParseFault("PARTIAL and ALL exclude each other");
	if (options.size === 0 && partial === undefined) options.add("ALL");
	return { options, partial };
}

/** `1:100` or `-1:-100`, RFC 9394 §4. */
export function parsePartial(parser: Parser): PartialRange {
	const start = parser.at;
	const fromEnd = parser.take("-");
	const a = parser.number("a place");
	parser.expect(":", '":"');
	if (parser.take("-") !== fromEnd)
		throw new ParseFault("both places count from the same end");
	const b = parser.number("a place");
	if (a === 0 || b === 0) throw new ParseFault("places begin at 1");
	const label = parser.bytes.toString("latin1", start, parser.at);
	return { label, low: Math.min(a, b), high: Math.max(a, b), fromEnd };
}

/** What of the list lies in the range. */
export const cut = <T>(
	list: readonly T[],
	{ low, high, fromEnd }: PartialRange,
): readonly T[] =>
	fromEnd
		? list.slice(Math.max(0, list.length - high), list.length - low + 1)
		: list.slice(low - 1, high);

/** All keys that are no combination of others. */
function* leaves(key: Key): Generator<Key> {
	if (key.kind === "not") yield* leaves(key.key);
	else if (key.kind === "and" || key.kind === "or")
		for (const one of key.keys) yield* leaves(one);
	else yield key;
}

/**
 * Before a search runs: takes note of what its keys say of the client (rule 8, RFC 7162 §3.1). Refusal where they name
 * message numbers and those are not in use (RFC 9586 §3.5).
 */
export async function noteKeys(
	session: Session,
	selected: Selected,
	key: Key,
): Promise<void> {
	for (const one of leaves(key))
		if (one.kind === "modseq") await nameToken(session, selected, one.modSeq);
		else if (one.kind === "numbers" && one.set !== SAVED && session.uidOnly)
			throw new Refusal("BAD", "UIDREQUIRED", "Name messages by their UIDs");
		else if (one.kind === "uids") {
			const largest = largestNamed(one.set);
			if (largest > 0) await selected.mailbox.named(largest);
		}
}

/** RFC 7162 §3.1.5: then the answer names the highest mod-sequence. */
const asksModSeq = (key: Key): boolean =>
	[...leaves(key)].some(({ kind }) => kind === "modseq");

/** Message numbers in the keys must keep their meaning, also in a command that acts by UID (RFC 7162 §3.2.10.2). */
export const namesNumbers = (key: Key): boolean =>
	[...leaves(key)].some(({ kind }) => kind === "numbers");

export interface Results {
	/** `SEARCH` or `SORT`: how the old answer begins. */
	readonly name: "SEARCH" | "SORT";
	readonly key: Key;
	/** In the order of the answer. */
	readonly found: readonly Hit[];
	readonly returns: Returns | undefined;
}

/** Writes the answer, and keeps what SAVE asks for. */
export function tellResults(
	{ session, tag, byUid }: Invocation,
	selected: Selected,
	{ name, key, found, returns }: Results,
): void {
	const numberOf = ({ uid, number }: Hit): number => (byUid ? uid : number);
	const numbersOf = (hits: readonly Hit[]): number[] => hits.map(numberOf);
	const highest = (hits: readonly Hit[]): number =>
		hits.reduce((highest, { uid }) => {
			const message = selected.mailbox.get(uid);
			return message === undefined
				? highest
				: Math.max(highest, selected.tellable(message));
		}, 0);
	const withModSeq = asksModSeq(key) && found.length > 0;
	if (returns === undefined) {
		const modSeq = withModSeq ? ` (MODSEQ ${highest(found)})` : "";
		session.output.text(
			`* ${name}${found.map((hit) => ` ${numberOf(hit)}`).join("")}${modSeq}\r\n`,
		);
		return;
	}
	const { options, partial } = returns;
	const part = partial === undefined ? undefined : cut(found, partial);
	const named = namedBy(returns, found, part);
	if (options.has("SAVE")) selected.save(named.map(({ uid }) => uid));
	const items: string[] = [];
	const [first] = found;
	const last = found.at(-1);
	if (options.has("MIN") && first !== undefined)
		items.push(`MIN ${numberOf(first)}`);
	if (options.has("MAX") && last !== undefined)
		items.push(`MAX ${numberOf(last)}`);
	if (options.has("COUNT")) items.push(`COUNT ${found.length}`);
	if (options.has("ALL") && found.length > 0)
		items.push(`ALL ${format(numbersOf(found))}`);
	if (partial !== undefined && part !== undefined)
		items.push(
			`PARTIAL (${partial.label} ${part.length === 0 ? "NIL" : format(numbersOf(part))})`,
		);
	// RFC 4731 §3.2: of the messages that the answer names.
	if (withModSeq && named.length > 0) items.push(`MODSEQ ${highest(named)}`);
	// RFC 5182 §2.1: SAVE alone is answered with nothing.
	if (options.size === 1 && options.has("SAVE") && partial === undefined)
		return;
	session.output.text(
		`* ESEARCH (TAG "${tag}")${byUid ? " UID" : ""}${items.map((item) => ` ${item}`).join("")}\r\n`,
	);
}

/** The messages that the options are about: what SAVE keeps (RFC 5182 §2.4, RFC 9394 §3.2). */
function namedBy(
	{ options }: Returns,
	found: readonly Hit[],
	part: readonly Hit[] | undefined,
): readonly Hit[] {
	const ends = [
		...(options.has("MIN") ? found.slice(0, 1) : []),
		...(options.has("MAX") ? found.slice(-1) : []),
	];
	const all =
		options.has("ALL") ||
		options.has("COUNT") ||
		(ends.length === 0 && part === undefined);
	return all ? found : [...ends, ...(part ?? [])];
}
