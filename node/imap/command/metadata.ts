import type { AnnotationChange } from "../../../sync/api.ts";
import { ClientFault } from "../../../sync/faults.ts";
import {
	METADATA_ENTRIES_MAX,
	METADATA_VALUE_BYTES_MAX,
} from "../../../sync/limits.ts";
import { Refusal } from "../answer.ts";
import { decodeName, encodeName, quoted } from "../names.ts";
import { ParseFault, type Parser } from "../parser.ts";
import {
	accountOf,
	type Completion,
	type Invocation,
	type Session,
} from "../session.ts";

interface Options {
	/** Longer values are left out, and the longest of them is told. */
	readonly sizeBytesMax: number;
	readonly depth: 0 | 1 | "INFINITY";
}

/** GETMETADATA, RFC 5464 §4.2. */
export function getMetadata({
	parser,
	session,
}: Invocation): Completion | undefined {
	const options = parser.atList ? parseOptions(parser) : NO_OPTIONS;
	const octets = parser.astring("a mailbox name");
	parser.space();
	const wanted = parser.atList
		? parser.list("a list of entries", () => parseEntry(parser))
		: [parseEntry(parser)];
	parser.end();
	if (wanted.length > METADATA_ENTRIES_MAX)
		throw new Refusal("NO", "LIMIT", "Too many entries in one GETMETADATA");
	const mailbox = mailboxOf(octets, session);
	const all = accountOf(session).annotations(mailbox);
	const found = collect(all, new Set(wanted), options.depth);
	let longest = 0;
	const parts: string[] = [];
	for (const [name, value] of found) {
		if ((value?.length ?? 0) <= options.sizeBytesMax)
			parts.push(`${name} ${valueText(value)}`);
		else longest = Math.max(longest, value?.length ?? 0);
	}
	if (parts.length > 0)
		session.output.text(
			`* METADATA ${mailbox === undefined ? '""' : encodeName(mailbox, session)} (${parts.join(" ")})\r\n`,
		);
	return longest > 0 ? { code: `METADATA LONGENTRIES ${longest}` } : undefined;
}

const NO_OPTIONS: Options = { sizeBytesMax: Infinity, depth: 0 };

/** `(MAXSIZE 1024 DEPTH infinity) `, RFC 5464 §4.2.1 and §4.2.2. */
function parseOptions(parser: Parser): Options {
	let options = NO_OPTIONS;
	parser.list("a list of options", () => {
		const name = parser.word("an option");
		parser.space();
		if (name === "MAXSIZE")
			options = { ...options, sizeBytesMax: parser.number("a size") };
		else if (name === "DEPTH")
			options = { ...options, depth: parseDepth(parser) };
		else throw new ParseFault("unknown option");
	});
	parser.space();
	return options;
}

function parseDepth(parser: Parser): Options["depth"] {
	const depth = parser.word("a depth");
	if (depth === "INFINITY") return depth;
	if (depth === "0" || depth === "1") return depth === "0" ? 0 : 1;
	throw new ParseFault("a depth is 0, 1 or infinity");
}

/** The entries asked for, NIL where there is none, and by depth what is below them. */
function collect(
	all: ReadonlyMap<string, string>,
	wanted: ReadonlySet<string>,
	depth: Options["depth"],
): Map<string, string | undefined> {
	const found = new Map<string, string | undefined>();
	if (depth === 0) {
		for (const name of wanted) found.set(name, all.get(name));
		return found;
	}
	for (const name of [...all.keys()].sort()) {
		// All that is above the name: each is looked up, so that the time does not grow with the product.
		const parent = name.slice(0, name.lastIndexOf("/"));
		const isNear = wanted.has(name) || wanted.has(parent);
		if (isNear || (depth === "INFINITY" && hasAncestor(parent, wanted)))
			found.set(name, all.get(name));
	}
	return found;
}

function hasAncestor(name: string, wanted: ReadonlySet<string>): boolean {
	for (
		let above = name;
		above !== "";
		above = above.slice(0, above.lastIndexOf("/"))
	)
		if (wanted.has(above)) return true;
	return false;
}

/** SETMETADATA, RFC 5464 §4.3: all changes or none. */
export async function setMetadata({
	parser,
	session,
}: Invocation): Promise<undefined> {
	const octets = parser.astring("a mailbox name");
	parser.space();
	const changes = new Map<string, AnnotationChange>();
	parser.list("a list of entries and values", () => {
		const name = parseEntry(parser);
		parser.space();
		// RFC 5464 §5 value: nstring or literal8.
		const value = parser.nstringOrLiteral8("a value");
		changes.set(name, { name, value });
	});
	parser.end();
	const mailbox = mailboxOf(octets, session);
	// What lies beside no mailbox and is for all is the server's (RFC 5464 §6.2.1).
	if (mailbox === undefined)
		for (const name of changes.keys())
			if (name.startsWith("/shared"))
				throw new Refusal("NO", "NOPERM", "Shared entries are the operator's");
	const account = accountOf(session);
	try {
		await account.annotate(mailbox, [...changes.values()]);
	} catch (error) {
		throw asMetadataFault(error);
	}
	const id = mailbox === undefined ? undefined : account.find(mailbox)?.id;
	if (mailbox === undefined || id !== undefined)
		session.notifier?.ownAnnotations(id, [...changes.keys()]);
}

function asMetadataFault(error: unknown): unknown {
	if (!(error instanceof ClientFault)) return error;
	// RFC 5464 §4.3
	if (error.code === "TOOBIG")
		return new Refusal(
			"NO",
			`METADATA MAXSIZE ${METADATA_VALUE_BYTES_MAX}`,
			error.message,
		);
	if (error.code === "LIMIT")
		return new Refusal("NO", "METADATA TOOMANY", error.message);
	return error;
}

/** The empty name stands for the server, as far as this account sees it. */
const mailboxOf = (octets: string, session: Session): string | undefined =>
	octets === "" ? undefined : decodeName(octets, session);

/** RFC 5464 §3.2: names are ASCII, compared without case. What else is wrong with one, setting it tells. */
function parseEntry(parser: Parser): string {
	const name = parser.astring("the name of an entry").toLowerCase();
	if (!/^\/(private|shared)(\/|$)/.test(name) || /[^!-~]|[*%]/.test(name))
		throw new ParseFault("entries begin with /private/ or /shared/");
	return name;
}

function valueText(value: string | undefined): string {
	if (value === undefined) return "NIL";
	if (value.includes("\0")) return `~{${value.length}}\r\n${value}`;
	return /[\r\n\x80-\xff]/.test(value)
		? `{${value.length}}\r\n${value}`
		: quoted(value);
}
