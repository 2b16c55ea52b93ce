/** ENVELOPE (RFC 9051 §7.5.2) and addresses (RFC 5322 §3.4, §4.4). */
import { describe, expect, test } from "vitest";
import { envelopeImap, parseMessage } from "../../../node/mime/index.ts";
import { corpus, message } from "./corpus.ts";

const envelope = (name: string): string =>
	envelopeImap(parseMessage(corpus(name)));
/** The To list of a message with this To field. */
const to = (value: string): string =>
	/^\(NIL NIL NIL NIL NIL (.*) NIL NIL NIL NIL\)$/s.exec(
		envelopeImap(parseMessage(message(`To: ${value}\n\n`))),
	)?.[1] ?? "no match";

describe("ENVELOPE", () => {
	test("of a plain message; Sender and Reply-To default to From", () => {
		const alice = '(("Alice Example" NIL "alice" "example.org"))';
		expect(envelope("plain")).toBe(
			`("Tue, 2 Jan 2024 12:30:00 +0100" "Lunch" ${alice} ${alice} ${alice} ((NIL NIL "bob" "example.com")) NIL NIL NIL "<lunch-1@example.org>")`,
		);
	});

	test("encoded words are not decoded; a folded field is one line", () => {
		expect(envelope("german-quoted-printable")).toContain(
			'"=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?UTF-8?Q?_K=C3=B6ln?=" (("=?ISO-8859-1?Q?J=F6rg_M=FCller?=" NIL "joerg" "example.de"))',
		);
	});

	test("unfolding takes the line break and nothing else (RFC 5322 §2.2.3)", () => {
		expect(envelope("no-colon")).toContain('(NIL "spaced and folded" ');
		expect(
			envelopeImap(parseMessage(message("Subject: a\n\tb\n  c\n\n"))),
		).toContain("{6}\r\na\tb  c ");
	});

	test("raw 8-bit octets come as a literal, unchanged", () => {
		expect(envelope("latin1-raw-header")).toBe(
			'(NIL {3}\r\n\u00c9t\u00e9 (({4}\r\nRen\u00e9 NIL "rene" "example.fr")) (({4}\r\nRen\u00e9 NIL "rene" "example.fr")) (({4}\r\nRen\u00e9 NIL "rene" "example.fr")) NIL NIL NIL NIL NIL)',
		);
		// مرحبا: five letters, ten octets.
		expect(envelope("arabic-utf8-raw")).toContain("(NIL {10}\r\n");
	});

	test("NUL, which no string may hold, becomes U+FFFD", () => {
		expect(envelope("nul")).toContain("{5}\r\na\u00ef\u00bf\u00bdb ");
	});

	test("absent is NIL, present but empty is an empty string", () => {
		expect(envelope("empty-from")).toBe(
			'(NIL "" NIL NIL NIL NIL NIL NIL NIL NIL)',
		);
		expect(envelope("empty")).toBe("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
		expect(envelope("header-only")).toContain('"no body, no blank line"');
	});

	test("of repeated fields addresses add up and the last text counts", () => {
		expect(envelope("repeated-fields")).toContain(
			'(NIL "two" ((NIL NIL "a" "example.org")(NIL NIL "b" "example.org")) ',
		);
	});

	test("all forms of addresses", () => {
		expect(envelope("addresses")).toBe(
			'(NIL NIL (("Smith, J. \\"JJ\\"" NIL "j.smith" "example.org")) ' +
				'(("Ann (the boss\'s) Secretary" NIL "secretary" "example.org")) ' +
				'((NIL "@relay.example,@other.example" "reply" "example.org")) ' +
				'((NIL NIL "team" NIL)(NIL NIL "bob" "example.com")("Carol D" NIL "carol" "example.com")(NIL NIL NIL NIL)(NIL NIL "root" "MISSING_DOMAIN")) ' +
				'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) ' +
				'((NIL NIL "john doe" "example.org")(NIL NIL "x" "[192.0.2.1]")) NIL NIL)',
		);
	});

	test("broken addresses", () => {
		const foo = '(("foo@example.org" NIL "foo" "example.org"))';
		expect(envelope("addresses-broken")).toBe(
			`(NIL NIL ${foo} ${foo} ((NIL NIL "a" "example.org")) (("Foo Bar" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")) ` +
				'((NIL NIL "unclosed" "example.org")) (("no end" NIL "a" "example.org")) NIL NIL)',
		);
	});
});

describe("an address list", () => {
	test.each([
		["a@b (Comment)", '(("Comment" NIL "a" "b"))'],
		["(c1) Foo (c2) <a@b> (c3)", '(("Foo" NIL "a" "b"))'],
		["J. R. Smith <a@b>", '(("J. R. Smith" NIL "a" "b"))'],
		['Foo "x, y" bar <a@b>', '(("Foo x, y bar" NIL "a" "b"))'],
		['"" <a@b>', '((NIL NIL "a" "b"))'],
		["<>", '((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))'],
		["a@b c@d", '((NIL NIL "a" "b"))'],
		["a@b@c", '((NIL NIL "a" "b"))'],
		// A semicolon between addresses, as Outlook shows them.
		["a@b; c@d", '((NIL NIL "a" "b")(NIL NIL "c" "d"))'],
		["<a@b> trailing, c@d", '((NIL NIL "a" "b")(NIL NIL "c" "d"))'],
		[
			"g1: a@b; , g2:;",
			'((NIL NIL "g1" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)(NIL NIL "g2" NIL)(NIL NIL NIL NIL))',
		],
		["g: a@b", '((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))'],
		[", ,", "NIL"],
		["@", '((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))'],
	])("%s", (value, expected) => {
		expect(to(value)).toBe(expected);
	});
});
