import type { Account, MailboxInfo } from "../../../sync/api.ts";
import { ClientFault, Temporary } from "../../../sync/faults.ts";
import {
	IMAP_PATTERNS_MAX,
	MAILBOX_NAME_BYTES_MAX,
} from "../../../sync/limits.ts";
import { Refusal } from "../answer.ts";
import { roleAttribute } from "../list-line.ts";
import {
	decodeOctets,
	encodeName,
	SEPARATOR,
	type Spelling,
} from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import { matches } from "../patterns.ts";
import { accountOf, type Invocation, type Session } from "../session.ts";
import { turn } from "../turn.ts";
import { beforeStatus, parseStatusItems, statusLine } from "./status.ts";

/** Names matched before others get their turn. */
const ENTRIES_PER_TURN = 100;
/** Of all patterns of a LIST: matching costs by their length. */
const PATTERN_CHARACTERS_MAX = 4 * MAILBOX_NAME_BYTES_MAX;

interface Request {
	readonly select: ReadonlySet<string>;
	readonly patterns: readonly string[];
	readonly wantsRoot: boolean;
	readonly returns: ReadonlySet<string>;
	readonly statusItems: readonly string[] | undefined;
}

/** One name that LIST may show: a mailbox, or a name that is only subscribed to or only a parent. */
interface Entry {
	readonly name: string;
	readonly info: MailboxInfo | undefined;
	readonly isSubscribed: boolean;
	hasChildren: boolean;
	hasSubscribedBelow: boolean;
	/** There is a subscribed name below it that no pattern matches. */
	standsForOthers: boolean;
}

/** LIST, RFC 3501 §6.3.8, extended (RFC 5258), with SPECIAL-USE (RFC 6154) and STATUS (RFC 5819). */
export async function list({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const request = parseList(parser, session);
	const { output } = session;
	if (request.statusItems !== undefined)
		await beforeStatus(session, request.statusItems);
	// An empty pattern asks for the separator.
	if (request.wantsRoot)
		output.text(`* LIST (\\Noselect) "${SEPARATOR}" ""\r\n`);
	const entries = entriesOf(accountOf(session));
	if (request.select.has("RECURSIVEMATCH"))
		await noteLeftOut(entries, request.patterns);
	let count = 0;
	for (const entry of entries.values()) {
		if (++count % ENTRIES_PER_TURN === 0) await turn();
		if (!isWanted(entry, request)) continue;
		output.text(entryLine(entry, request, session));
		if (request.statusItems !== undefined && entry.info !== undefined)
			await tellStatus(session, entry.name, request.statusItems);
		if (output.crowded) await output.room();
	}
}

function parseList(parser: Parser, spelling: Spelling): Request {
	const select = parser.atList
		? parseWords(parser, "a selection option", selectOptions)
		: undefined;
	if (select !== undefined) parser.space();
	// RFC 5258 §3.1: it cannot stand alone, nor with REMOTE only.
	if (
		select?.has("RECURSIVEMATCH") &&
		!select.has("SUBSCRIBED") &&
		!select.has("SPECIAL-USE")
	)
		throw new ParseFault("RECURSIVEMATCH needs another option");
	const reference = parser.astring("a reference name");
	parser.space();
	const isBasic = select === undefined && !parser.atList;
	const patterns = parser.atList
		? parser.list("patterns", () => parser.listMailbox())
		: [parser.listMailbox()];
	if (
		patterns.length > IMAP_PATTERNS_MAX ||
		patterns.join("").length > PATTERN_CHARACTERS_MAX
	)
		throw new Refusal("NO", "LIMIT", "Too many patterns");
	const given = parser.take(" ") ? parseReturn(parser) : undefined;
	parser.end();
	return {
		select: select ?? new Set(),
		patterns: patterns
			.filter((pattern) => pattern !== "")
			.map((pattern) => decodeOctets(reference + pattern, spelling))
			.filter((pattern) => pattern !== undefined),
		// RFC 5258 §3: in an extended LIST an empty pattern asks for nothing.
		wantsRoot: isBasic && given === undefined && patterns.includes(""),
		returns: given?.returns ?? new Set(),
		statusItems: given?.statusItems,
	};
}

const selectOptions = new Set([
	"SUBSCRIBED",
	"REMOTE",
	"RECURSIVEMATCH",
	"SPECIAL-USE",
]);
const returnOptions = new Set(["SUBSCRIBED", "CHILDREN", "SPECIAL-USE"]);

const parseWords = (
	parser: Parser,
	what: string,
	allowed: ReadonlySet<string>,
): Set<string> =>
	new Set(
		parser.list(
			what,
			() => {
				const word = parser.word(what);
				if (!allowed.has(word)) throw new ParseFault(`${word} is not ${what}`);
				return word;
			},
			true,
		),
	);

function parseReturn(parser: Parser): {
	returns: Set<string>;
	statusItems: string[] | undefined;
} {
	if (parser.word("RETURN") !== "RETURN")
		throw new ParseFault("expected RETURN");
	parser.space();
	let statusItems: string[] | undefined;
	const words = parser.list(
		"return options",
		() => {
			const word = parser.word("a return option");
			if (word === "STATUS") {
				parser.space();
				statusItems = parseStatusItems(parser);
			} else if (!returnOptions.has(word))
				throw new ParseFault("unknown return option");
			return word;
		},
		true,
	);
	return { returns: new Set(words), statusItems };
}

/** All names with what is around them. Parents that do not exist as mailboxes are there, too. */
function entriesOf(account: Account): Map<string, Entry> {
	const subscribed = new Set(account.subscriptions());
	const entries = new Map<string, Entry>();
	const add = (name: string, info: MailboxInfo | undefined) => {
		if (entries.has(name)) return;
		const isSubscribed = subscribed.has(name);
		entries.set(name, {
			name,
			info,
			isSubscribed,
			hasChildren: false,
			hasSubscribedBelow: false,
			standsForOthers: false,
		});
		const end = name.lastIndexOf(SEPARATOR);
		if (end > 0) parents.push(name.slice(0, end));
	};
	const parents: string[] = [];
	for (const info of account.mailboxes()) add(info.name, info);
	for (const name of subscribed) add(name, undefined);
	for (const name of parents) add(name, undefined);
	for (const entry of entries.values()) noteAbove(entries, entry);
	return entries;
}

function* above(entries: Map<string, Entry>, name: string): Generator<Entry> {
	for (
		let end = name.lastIndexOf(SEPARATOR);
		end > 0;
		end = name.lastIndexOf(SEPARATOR, end - 1)
	) {
		const parent = entries.get(name.slice(0, end));
		if (parent !== undefined) yield parent;
	}
}

function noteAbove(
	entries: Map<string, Entry>,
	{ name, info, isSubscribed }: Entry,
): void {
	for (const parent of above(entries, name)) {
		if (info !== undefined) parent.hasChildren = true;
		if (isSubscribed) parent.hasSubscribedBelow = true;
	}
}

/** RFC 5258 §3.3: a parent stands for those below it that are not listed themselves. */
async function noteLeftOut(
	entries: Map<string, Entry>,
	patterns: readonly string[],
): Promise<void> {
	let count = 0;
	for (const entry of entries.values()) {
		if (++count % ENTRIES_PER_TURN === 0) await turn();
		if (!entry.isSubscribed || isMatched(entry, patterns)) continue;
		for (const parent of above(entries, entry.name))
			parent.standsForOthers = true;
	}
}

const isMatched = ({ name }: Entry, patterns: readonly string[]): boolean =>
	patterns.some((pattern) => matches(name, pattern));

function isWanted(entry: Entry, { select, patterns }: Request): boolean {
	if (!isMatched(entry, patterns)) return false;
	if (select.has("SPECIAL-USE") && roleAttribute(entry.info) === "")
		return false;
	if (select.has("SUBSCRIBED"))
		return (
			entry.isSubscribed ||
			(select.has("RECURSIVEMATCH") && entry.standsForOthers)
		);
	// A name that is neither a mailbox nor above one is shown to those who ask for subscriptions only.
	return entry.info !== undefined || entry.hasChildren;
}

function entryLine(
	entry: Entry,
	{ select, returns }: Request,
	spelling: Spelling,
): string {
	const attributes: string[] = [];
	if (entry.info === undefined) attributes.push("\\NonExistent", "\\Noselect");
	attributes.push(entry.hasChildren ? "\\HasChildren" : "\\HasNoChildren");
	const role = roleAttribute(entry.info);
	if (role !== "") attributes.push(role);
	if (
		entry.isSubscribed &&
		(select.has("SUBSCRIBED") || returns.has("SUBSCRIBED"))
	)
		attributes.push("\\Subscribed");
	// RFC 5258 §3.5: why a name stands here that is not itself subscribed to.
	const childInfo =
		select.has("RECURSIVEMATCH") &&
		select.has("SUBSCRIBED") &&
		entry.hasSubscribedBelow
			? ' ("CHILDINFO" ("SUBSCRIBED"))'
			: "";
	return `* LIST (${attributes.join(" ")}) "${SEPARATOR}" ${encodeName(entry.name, spelling)}${childInfo}\r\n`;
}

/** RFC 5819 §2: of a mailbox that has just gone, or cannot be looked at now, the STATUS is left out. */
async function tellStatus(
	session: Session,
	name: string,
	items: readonly string[],
): Promise<void> {
	try {
		session.output.text(await statusLine(session, name, items));
	} catch (error) {
		const isLeftOut =
			error instanceof ClientFault || error instanceof Temporary;
		if (!isLeftOut) throw error;
	}
}
