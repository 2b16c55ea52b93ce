/** IMAP flags and keywords: how they are read, compared and changed (RFC 3501 §2.3.2). Keywords compare without case. */
import type { FlagChange } from "../../sync/api.ts";
import { ParseFault, type Parser } from "./parser.ts";

export const SYSTEM_FLAGS = [
	"\\Answered",
	"\\Flagged",
	"\\Deleted",
	"\\Seen",
	"\\Draft",
] as const;

const systemFlags = new Map<string, string>(
	SYSTEM_FLAGS.map((flag) => [flag.toLowerCase(), flag]),
);

/** One flag; undefined for \Recent, which no client can set and some try to. */
function parseFlag(parser: Parser): string | undefined {
	if (!parser.take("\\")) return parser.atom("a flag");
	const name = `\\${parser.atom("a flag")}`.toLowerCase();
	if (name === "\\recent") return undefined;
	const flag = systemFlags.get(name);
	if (flag === undefined) throw new ParseFault("unknown system flag");
	return flag;
}

const distinct = (flags: readonly (string | undefined)[]): string[] => {
	const seen = new Map<string, string>();
	for (const flag of flags)
		if (flag !== undefined && !seen.has(flag.toLowerCase()))
			seen.set(flag.toLowerCase(), flag);
	return [...seen.values()];
};

/** `(\Seen $Junk)`, possibly empty. */
export const parseFlagList = (parser: Parser): string[] =>
	distinct(parser.list("flags", () => parseFlag(parser), true));

/** STORE also takes flags without parentheses (RFC 3501 §9 store-att-flags). */
export function parseFlags(parser: Parser): string[] {
	if (parser.atList) return parseFlagList(parser);
	const flags: (string | undefined)[] = [];
	do flags.push(parseFlag(parser));
	while (parser.take(" "));
	return distinct(flags);
}

export const hasFlag = (flags: readonly string[], flag: string): boolean =>
	flags.includes(flag) ||
	(!flag.startsWith("\\") &&
		flags.some((one) => one.toLowerCase() === flag.toLowerCase()));

/** Equal for equal sets of flags. */
export const flagsKey = (flags: readonly string[]): string =>
	flags
		.map((flag) => flag.toLowerCase())
		.sort()
		.join(" ");

/** What `flags` become by `change`, sorted. */
export function applyChange(
	flags: readonly string[],
	change: FlagChange,
): string[] {
	const result = new Map<string, string>();
	if (change.mode !== "replace")
		for (const flag of flags) result.set(flag.toLowerCase(), flag);
	for (const flag of change.flags)
		if (change.mode === "remove") result.delete(flag.toLowerCase());
		else if (!result.has(flag.toLowerCase()))
			result.set(flag.toLowerCase(), flag);
	return [...result.values()].sort();
}
