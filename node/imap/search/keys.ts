/** SEARCH keys (RFC 3501 §6.4.4, RFC 5032): from the command to a tree. */
import { SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX } from "../../../sync/limits.ts";
import { Refusal } from "../answer.ts";
import { parseModSeq } from "../condstore.ts";
import { parseDay } from "../dates.ts";
import { ParseFault, type Parser, utf8 } from "../parser.ts";
import type { SequenceSet } from "../sequence-set.ts";

type DateKind = "arrived" | "sent" | "savedate";

export type Key =
	| { readonly kind: "all" }
	| { readonly kind: "flag"; readonly flag: string }
	| { readonly kind: "numbers" | "uids"; readonly set: SequenceSet }
	/** Day since 1970 of INTERNALDATE, the Date field or SAVEDATE (RFC 8514), from (inclusive) and to (exclusive). */
	| {
			readonly kind: DateKind;
			readonly fromDay: number;
			readonly toDay: number;
	  }
	/** INTERNALDATE within the last seconds (RFC 5032). */
	| { readonly kind: "younger"; readonly seconds: number }
	/** A change that a client need not know which was told a lower mod-sequence (RFC 7162 §3.1.5). */
	| { readonly kind: "modseq"; readonly modSeq: number }
	| { readonly kind: "larger" | "smaller"; readonly sizeBytes: number }
	| { readonly kind: "header"; readonly field: string; readonly text: string }
	| { readonly kind: "body" | "text"; readonly text: string }
	/** RFC 8474 */
	| { readonly kind: "emailid" | "threadid"; readonly id: string }
	| { readonly kind: "not"; readonly key: Key }
	| { readonly kind: "or" | "and"; readonly keys: readonly Key[] };

const all: Key = { kind: "all" };
const not = (key: Key): Key => ({ kind: "not", key });
const flag = (name: string): Key => ({ kind: "flag", flag: name });

type Rule = (state: State) => Key;

class State {
	readonly parser: Parser;
	depth = 0;
	count = 0;
	constructor(parser: Parser) {
		this.parser = parser;
	}
	text(): string {
		this.parser.space();
		return utf8(this.parser.astring("a text"));
	}
	number(): number {
		this.parser.space();
		return this.parser.number("a number", Number.MAX_SAFE_INTEGER);
	}
	day(): number {
		this.parser.space();
		return parseDay(this.parser);
	}
	/** RFC 8474 §7 objectid; clients quote it too. */
	objectId(): string {
		this.parser.space();
		return this.parser.astring("an object identifier");
	}
}

const before =
	(kind: DateKind): Rule =>
	(state) => ({
		kind,
		fromDay: Number.NEGATIVE_INFINITY,
		toDay: state.day(),
	});
const since =
	(kind: DateKind): Rule =>
	(state) => ({
		kind,
		fromDay: state.day(),
		toDay: Number.POSITIVE_INFINITY,
	});
const on =
	(kind: DateKind): Rule =>
	(state) => {
		const day = state.day();
		return { kind, fromDay: day, toDay: day + 1 };
	};
const header =
	(field: string): Rule =>
	(state) => ({ kind: "header", field, text: state.text() });
const keyword: Rule = ({ parser }) => {
	parser.space();
	return flag(parser.atom("a keyword"));
};
const seconds = (state: State): number => {
	const value = state.number();
	if (value === 0) throw new ParseFault("an interval begins at 1");
	return value;
};

const uniqueId = ({ parser }: State): number => {
	parser.space();
	const uid = parser.number("a UID");
	if (uid === 0) throw new ParseFault("UIDs begin at 1");
	return uid;
};

const rules: Readonly<Record<string, Rule>> = {
	ALL: () => all,
	ANSWERED: () => flag("\\Answered"),
	DELETED: () => flag("\\Deleted"),
	DRAFT: () => flag("\\Draft"),
	FLAGGED: () => flag("\\Flagged"),
	SEEN: () => flag("\\Seen"),
	UNANSWERED: () => not(flag("\\Answered")),
	UNDELETED: () => not(flag("\\Deleted")),
	UNDRAFT: () => not(flag("\\Draft")),
	UNFLAGGED: () => not(flag("\\Flagged")),
	UNSEEN: () => not(flag("\\Seen")),
	// No message is ever \Recent here.
	NEW: () => not(all),
	OLD: () => all,
	RECENT: () => not(all),
	KEYWORD: keyword,
	UNKEYWORD: (state) => not(keyword(state)),
	BEFORE: before("arrived"),
	ON: on("arrived"),
	SINCE: since("arrived"),
	SENTBEFORE: before("sent"),
	SENTON: on("sent"),
	SENTSINCE: since("sent"),
	SAVEDBEFORE: before("savedate"),
	SAVEDON: on("savedate"),
	SAVEDSINCE: since("savedate"),
	// RFC 8514 §4.3: every mailbox here keeps it.
	SAVEDATESUPPORTED: () => all,
	EMAILID: (state) => ({ kind: "emailid", id: state.objectId() }),
	THREADID: (state) => ({ kind: "threadid", id: state.objectId() }),
	YOUNGER: (state) => ({ kind: "younger", seconds: seconds(state) }),
	OLDER: (state) => not({ kind: "younger", seconds: seconds(state) }),
	LARGER: (state) => ({ kind: "larger", sizeBytes: state.number() }),
	SMALLER: (state) => ({ kind: "smaller", sizeBytes: state.number() }),
	BCC: header("Bcc"),
	CC: header("Cc"),
	FROM: header("From"),
	SUBJECT: header("Subject"),
	TO: header("To"),
	HEADER: (state) => {
		state.parser.space();
		const field = state.parser.astring("a field name");
		return { kind: "header", field, text: state.text() };
	},
	BODY: (state) => ({ kind: "body", text: state.text() }),
	TEXT: (state) => ({ kind: "text", text: state.text() }),
	MODSEQ: ({ parser }) => {
		parser.space();
		skipEntry(parser);
		return { kind: "modseq", modSeq: parseModSeq(parser) };
	},
	UID: ({ parser }) => {
		parser.space();
		return { kind: "uids", set: parser.sequenceSet() };
	},
	// RFC 9738 §3.2. Both name a UID that the client was told.
	UIDAFTER: (state) =>
		not({ kind: "uids", set: [{ from: 1, to: uniqueId(state) }] }),
	UIDBEFORE: (state) => {
		const uid = uniqueId(state);
		if (uid === 1) return not(all);
		return { kind: "uids", set: [{ from: 1, to: uid - 1 }] };
	},
	NOT: (state) => {
		state.parser.space();
		return not(parseKey(state));
	},
	OR: (state) => {
		state.parser.space();
		const first = parseKey(state);
		state.parser.space();
		return { kind: "or", keys: [first, parseKey(state)] };
	},
};

/** `"/flags/\\Seen" all `: mod-sequences are of whole messages here, so it narrows nothing (RFC 7162 §3.1.5). */
function skipEntry(parser: Parser): void {
	if (parser.peek() !== 0x22) return;
	parser.string("a metadata entry");
	parser.space();
	const type = parser.word("an entry type");
	if (type !== "ALL" && type !== "PRIV" && type !== "SHARED")
		throw new ParseFault("unknown entry type");
	parser.space();
}

/** The keys to the end of the command; all must hold. */
export function parseKeys(parser: Parser): Key {
	const state = new State(parser);
	const keys: Key[] = [];
	do keys.push(parseKey(state));
	while (parser.take(" "));
	parser.end();
	return { kind: "and", keys };
}

function parseKey(state: State): Key {
	const { parser } = state;
	if (++state.count > SEARCH_KEYS_MAX || state.depth >= SEARCH_DEPTH_MAX)
		throw new Refusal("NO", "LIMIT", "The search is too complex");
	state.depth++;
	const key = parseOne(state);
	state.depth--;
	return key;

	function parseOne(within: State): Key {
		if (parser.atList)
			return { kind: "and", keys: parser.list("keys", () => parseKey(within)) };
		const octet = parser.peek();
		if ((octet >= 0x30 && octet <= 0x39) || octet === 0x2a || octet === 0x24)
			return { kind: "numbers", set: parser.sequenceSet() };
		const name = parser.word("a search key");
		const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
		if (rule === undefined) throw new ParseFault("unknown search key");
		return rule(within);
	}
}
