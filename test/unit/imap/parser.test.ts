import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../../node/imap/answer.ts";
import {
	formatDateTime,
	parseDateTime,
	parseDay,
} from "../../../node/imap/dates.ts";
import { parseFetchItems } from "../../../node/imap/fetch/items.ts";
import { parseFlags } from "../../../node/imap/flags.ts";
import {
	isAtom,
	literalAtEnd,
	ParseFault,
	Parser,
} from "../../../node/imap/parser.ts";
import { parseKeys } from "../../../node/imap/search/keys.ts";

/** Any octets, one character each. */
const octetsArbitrary = (maxLength: number) =>
	fc
		.uint8Array({ maxLength })
		.map((bytes) => Buffer.from(bytes).toString("latin1"));

const parserOf = (text: string) => new Parser(Buffer.from(text, "latin1"));

/** Octets that commands are made of, so that random ones get deep into the grammar. */
const commandLike = fc
	.array(
		fc.oneof(
			fc.constantFrom(
				...'()[]{}<>"\\ *%+-.:,0123456789\0\r\n\x7f\xff'.split(""),
				"BODY[",
				"HEADER.FIELDS (",
				"OR ",
				"NOT ",
				"SUBJECT ",
				"ON 1-Jan-2026",
				"{3}\r\n",
				"{3+}\r\nabc",
				"{99999999999999999999}",
				"UID 1:*",
				"\\Seen",
			),
			octetsArbitrary(4),
		),
		{ maxLength: 30 },
	)
	.map((parts) => Buffer.from(parts.join(""), "latin1"));

const entries: Readonly<Record<string, (parser: Parser) => unknown>> = {
	tag: (parser) => parser.tag(),
	atom: (parser) => parser.atom(),
	astring: (parser) => parser.astring("x"),
	nstring: (parser) => parser.nstring("x"),
	listMailbox: (parser) => parser.listMailbox(),
	number: (parser) => parser.number("x"),
	sequenceSet: (parser) => parser.sequenceSet(),
	list: (parser) => parser.list("x", () => parser.astring("x"), true),
	flags: parseFlags,
	day: parseDay,
	dateTime: parseDateTime,
	fetchItems: parseFetchItems,
	keys: parseKeys,
};

describe("whatever the octets", () => {
	test.each(Object.keys(entries))(
		"%s throws only ParseFault and moves on",
		(name) => {
			fc.assert(
				fc.property(commandLike, (bytes) => {
					const parser = new Parser(bytes);
					try {
						entries[name]?.(parser);
					} catch (error) {
						if (!(error instanceof ParseFault) && !(error instanceof Refusal))
							throw error;
					}
					expect(parser.at).toBeLessThanOrEqual(bytes.length + 3);
				}),
				{ numRuns: 2_000 },
			);
		},
	);

	test("literalAtEnd reads no further than the line", () => {
		fc.assert(
			fc.property(commandLike, (bytes) => {
				const found = literalAtEnd(bytes);
				if (found !== undefined) expect(found.end).toBe(bytes.length);
			}),
		);
	});
});

describe("strings", () => {
	test("any text comes through as quoted string and as literal", () => {
		const text = octetsArbitrary(20);
		fc.assert(
			fc.property(text, (octets) => {
				expect(parserOf(`{${octets.length}}\r\n${octets}`).string("x")).toBe(
					octets,
				);
				if (/[\0\r\n]/.test(octets)) return;
				const quoted = `"${octets.replace(/["\\]/g, "\\$&")}"`;
				expect(parserOf(quoted).string("x")).toBe(octets);
			}),
		);
	});

	test("atoms", () => {
		expect(parserOf("INBOX]x").astring("x")).toBe("INBOX]x");
		expect(parserOf("INBOX]x").atom()).toBe("INBOX");
		expect(parserOf("a%b*").listMailbox()).toBe("a%b*");
		expect(isAtom("INBOX")).toBe(true);
		for (const text of ["", "nil", "a b", 'a"b', "a]b", "a%b", "a\x80b"])
			expect(isAtom(text)).toBe(false);
		expect(() => parserOf("NILLY").nstring("x")).toThrow(ParseFault);
	});

	test("numbers have a bound", () => {
		expect(parserOf("4294967295").number("x")).toBe(4294967295);
		expect(() => parserOf("4294967296").number("x")).toThrow(ParseFault);
		expect(() => parserOf("").number("x")).toThrow(ParseFault);
		expect(() => parserOf("0:1").sequenceSet()).toThrow(ParseFault);
	});
});

describe("dates", () => {
	test("what is written is read again, to the second", () => {
		const milliseconds = fc
			.date({
				min: new Date("1970-01-01"),
				max: new Date("9999-12-30"),
				noInvalidDate: true,
			})
			.map((date) => Math.floor(date.getTime() / 1000) * 1000);
		fc.assert(
			fc.property(milliseconds, (value) => {
				expect(parseDateTime(parserOf(formatDateTime(value)))).toBe(value);
			}),
		);
	});

	test("zones and days", () => {
		expect(parseDateTime(parserOf('"17-Jul-1996 02:44:25 -0730"'))).toBe(
			Date.UTC(1996, 6, 17, 10, 14, 25),
		);
		expect(parseDay(parserOf("29-Feb-2024"))).toBe(
			Date.UTC(2024, 1, 29) / 86_400_000,
		);
		expect(parseDay(parserOf('"1-jan-0050"'))).toBeLessThan(0);
		for (const bad of ["29-Feb-2023", "0-Jan-2024", "1-anF-2024", "1-Jan"])
			expect(() => parseDay(parserOf(bad))).toThrow(ParseFault);
	});
});
