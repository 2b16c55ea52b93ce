import type { SelectedMailbox } from "../../../sync/api.ts";
import { Refusal } from "../answer.ts";
import { enableCondstore } from "../condstore.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { find } from "../search/find.ts";
import { type Key, parseKeys } from "../search/keys.ts";
import { format, largestNamed } from "../sequence-set.ts";
import { type Invocation, selectedOf } from "../session.ts";

/** SEARCH, RFC 3501 §6.4.4, with RETURN options (RFC 4731). */
export async function search({
	parser,
	session,
	byUid,
	tag,
}: Invocation): Promise<undefined> {
	const returns = parseReturn(parser);
	parseCharset(parser);
	const key = parseKeys(parser);
	const selected = selectedOf(session);
	if (asksModSeq(key)) enableCondstore(session);
	tellNamed(selected.mailbox, key);
	const found = await find(session, selected, key);
	const numbers = found.map(({ uid, number }) => (byUid ? uid : number));
	const modSeqs = asksModSeq(key)
		? found.map(({ message }) => selected.tellable(message))
		: undefined;
	session.output.text(
		returns === undefined
			? plain(numbers, modSeqs)
			: extended(tag, byUid, returns, numbers, modSeqs),
	);
}

const returnOptions = new Set(["MIN", "MAX", "ALL", "COUNT"]);

/** `RETURN (MIN COUNT) `; an empty list means ALL. */
function parseReturn(parser: Parser): ReadonlySet<string> | undefined {
	const at = parser.at;
	if (parser.atEnd) throw new ParseFault("expected search keys");
	if (!isWord(parser, "RETURN")) {
		parser.at = at;
		return undefined;
	}
	parser.space();
	const options = parser.list(
		"return options",
		() => {
			const option = parser.word("a return option");
			if (!returnOptions.has(option))
				throw new ParseFault("unknown return option");
			return option;
		},
		true,
	);
	parser.space();
	return new Set(options.length === 0 ? ["ALL"] : options);
}

function parseCharset(parser: Parser): void {
	const at = parser.at;
	if (!isWord(parser, "CHARSET")) {
		parser.at = at;
		return;
	}
	parser.space();
	parseSearchCharset(parser);
	parser.space();
}

/** The name of the charset that texts are in. Refusal BADCHARSET. */
export function parseSearchCharset(parser: Parser): void {
	const charset = parser.astring("a charset").toUpperCase();
	if (charset !== "UTF-8" && charset !== "US-ASCII")
		throw new Refusal(
			"NO",
			"BADCHARSET (UTF-8 US-ASCII)",
			"Only UTF-8 is understood",
		);
}

/** Takes the next word if it is this one; otherwise the caller goes back. */
function isWord(parser: Parser, word: string): boolean {
	const octet = parser.peek() & ~0x20;
	return octet === word.charCodeAt(0) && parser.word("a key") === word;
}

/** Rule 8: the UIDs a client names, some node told it. */
export function tellNamed(mailbox: SelectedMailbox, key: Key): void {
	if (key.kind === "uids") {
		const largest = largestNamed(key.set);
		if (largest > 0) mailbox.named(largest);
	} else if (key.kind === "not") tellNamed(mailbox, key.key);
	else if (key.kind === "and" || key.kind === "or")
		for (const one of key.keys) tellNamed(mailbox, one);
}

/** RFC 7162 §3.1.5: then the answer names the highest mod-sequence, and the client wants such from now on. */
export function asksModSeq(key: Key): boolean {
	if (key.kind === "modseq") return true;
	if (key.kind === "not") return asksModSeq(key.key);
	return (key.kind === "and" || key.kind === "or") && key.keys.some(asksModSeq);
}

/** `* SEARCH 2 5 (MODSEQ 917162500)`, RFC 3501 §7.2.5 and RFC 7162 §3.1.6. */
function plain(
	numbers: readonly number[],
	modSeqs: readonly number[] | undefined,
): string {
	const modSeq =
		modSeqs === undefined || numbers.length === 0
			? ""
			: ` (MODSEQ ${highest(modSeqs)})`;
	return `* SEARCH${numbers.map((number) => ` ${number}`).join("")}${modSeq}\r\n`;
}

const highest = (values: readonly number[]): number =>
	values.reduce((a, b) => Math.max(a, b), 0);

/** The ESEARCH response (RFC 4731 §3.1). */
function extended(
	tag: string,
	byUid: boolean,
	returns: ReadonlySet<string>,
	numbers: readonly number[],
	modSeqs: readonly number[] | undefined,
): string {
	let text = `* ESEARCH (TAG "${tag}")${byUid ? " UID" : ""}`;
	const [first] = numbers;
	const last = numbers.at(-1);
	if (returns.has("MIN") && first !== undefined) text += ` MIN ${first}`;
	if (returns.has("MAX") && last !== undefined) text += ` MAX ${last}`;
	if (returns.has("COUNT")) text += ` COUNT ${numbers.length}`;
	if (returns.has("ALL") && numbers.length > 0)
		text += ` ALL ${format(numbers)}`;
	if (modSeqs !== undefined && numbers.length > 0)
		text += ` MODSEQ ${modSeqOf(returns, modSeqs)}`;
	return `${text}\r\n`;
}

/** RFC 4731 §3.2: of the messages that the answer names. */
function modSeqOf(
	returns: ReadonlySet<string>,
	modSeqs: readonly number[],
): number {
	if (returns.has("ALL") || returns.has("COUNT")) return highest(modSeqs);
	return Math.max(
		returns.has("MIN") ? (modSeqs[0] ?? 0) : 0,
		returns.has("MAX") ? (modSeqs.at(-1) ?? 0) : 0,
	);
}
