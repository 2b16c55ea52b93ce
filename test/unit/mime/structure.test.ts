/** BODY, BODYSTRUCTURE and sections of the corpus: expected values written from RFC 9051 §6.4.5.1 and §7.5.2. */
import { describe, expect, test } from "vitest";
import { bodyStructureImap, parseMessage } from "../../../node/mime/index.ts";
import { corpus, message, read } from "./corpus.ts";

/** A text part whose encoded body is `content` (LF standing for CRLF), in BODY. */
function text(
	subtype: string,
	parameters: string,
	content: string,
	encoding = "7bit",
): string {
	const crlf = content.replace(/\n/g, "\r\n");
	const lines = content.split("\n").length - 1;
	return `("text" "${subtype}" ${parameters} NIL NIL "${encoding}" ${crlf.length} ${lines})`;
}
const ascii = '("charset" "us-ascii")';
const utf8 = '("charset" "utf-8")';
const empty = text("plain", ascii, "");

const body = (name: string): string =>
	bodyStructureImap(parseMessage(corpus(name)), false);
const bodyStructure = (name: string): string =>
	bodyStructureImap(parseMessage(corpus(name)), true);

describe("BODY of sound messages", () => {
	test("text without a Content-Type is text/plain in US-ASCII", () => {
		expect(body("plain")).toBe(
			text("plain", ascii, "Shall we meet at one?\nAlice\n"),
		);
	});

	test("alternatives: the line break before a boundary is the boundary's", () => {
		expect(body("alternative")).toBe(
			`(${text("plain", '("charset" "utf-8" "format" "flowed")', "Hello")}${text(
				"html",
				utf8,
				"<p>Hello</p>\n",
			)} "alternative")`,
		);
	});

	test("embedded messages show their envelope, their body and their lines", () => {
		const inner =
			"From: carol@example.net\nSubject: report\nMessage-ID: <r@example.net>\nContent-Type: multipart/mixed; boundary=inner\n\n" +
			'--inner\n\nNumbers attached.\n--inner\nContent-Type: application/pdf; name="r.pdf"\n' +
			"Content-Transfer-Encoding: base64\nContent-ID: <pdf@example.net>\n\nJVBERi0xLjQK\n--inner--\n";
		const carol = '((NIL NIL "carol" "example.net"))';
		const report = `("message" "rfc822" NIL NIL "the report" "7bit" ${
			message(inner).length
		} (NIL "report" ${carol} ${carol} ${carol} NIL NIL NIL NIL "<r@example.net>") (${text(
			"plain",
			ascii,
			"Numbers attached.",
		)}("application" "pdf" ("name" "r.pdf") "<pdf@example.net>" NIL "base64" 12) "mixed") ${
			inner.split("\n").length - 1
		})`;
		const short = "Subject: short\n\nOne line.";
		const second = `("message" "rfc822" NIL NIL NIL "7bit" ${message(short).length} (NIL "short" NIL NIL NIL NIL NIL NIL NIL NIL) ${text(
			"plain",
			ascii,
			"One line.",
		)} 2)`;
		expect(body("nested-forward")).toBe(
			`(${text("plain", ascii, "See below.")}${report}${second} "mixed")`,
		);
	});

	test("parts of a digest are messages unless they say otherwise", () => {
		const item = (number: string, word: string): string => {
			const from = `((NIL NIL "${number}" "example.org"))`;
			const content = word === "first" ? "1" : "2";
			const size = `From: ${number}@example.org\r\nSubject: ${word}\r\n\r\n${content}`;
			return `("message" "rfc822" NIL NIL NIL "7bit" ${size.length} (NIL "${word}" ${from} ${from} ${from} NIL NIL NIL NIL NIL) ${text("plain", ascii, content)} 3)`;
		};
		expect(body("digest")).toBe(
			`(${item("one", "first")}${text("plain", ascii, "not a message")}${item("two", "second")} "digest")`,
		);
	});

	test("extension data stands in BODYSTRUCTURE only", () => {
		expect(bodyStructure("rfc2231-filename")).toBe(
			'("application" "octet-stream" ("name" "a very long name.bin") NIL NIL "7bit" 6 "Q2hlY2sgSW50ZWdyaXR5IQ==" ' +
				'("attachment" ("filename*" "UTF-8\'\'%e2%82%ac%20rates 100%25.txt")) ("en" "de") "http://example.org/x")',
		);
		expect(body("rfc2231-filename")).toBe(
			'("application" "octet-stream" ("name" "a very long name.bin") NIL NIL "7bit" 6)',
		);
		expect(bodyStructure("boundary-is-prefix")).toMatch(
			/ "mixed" \("boundary" "b"\) NIL NIL NIL\)$/,
		);
	});

	test("names are sent in the case of the message", () => {
		expect(body("uppercase")).toBe(
			text(
				"HTML",
				'("CHARSET" "UTF-8")',
				"<P>=C3=89</P>\n",
				"QUOTED-PRINTABLE",
			).replace('"text"', '"TEXT"'),
		);
	});

	test("comments are no part of a type, a parameter or an encoding", () => {
		expect(body("comments-in-content-type")).toBe(text("plain", ascii, "x\n"));
	});

	test("message/global is an embedded message (RFC 9051 media-message)", () => {
		expect(body("message-global")).toContain(
			'"message" "global" NIL NIL NIL "7bit" 65 (NIL {9}\r\n\u00c3\u00bcn\u00c3\u00afcode ',
		);
		expect(read(corpus("message-global"), "1.1")).toBe("body\n");
	});
});

describe("BODY of broken messages", () => {
	test.each([
		["empty", empty],
		["header-only", empty],
		["body-only", text("plain", ascii, "just a body\n")],
		// RFC 2045 §5.2: what is syntactically wrong is text/plain in US-ASCII.
		["wrong-content-type", text("plain", ascii, "x\n", "8bit")],
		["no-colon", text("plain", ascii, "body\n")],
		["repeated-fields", text("html", ascii, "x\n")],
		// A multipart must have a part by the grammar; as Dovecot, an empty one stands in.
		["boundary-never-comes", `(${empty} "mixed")`],
		["multipart-without-boundary", `(${empty} "mixed")`],
		["boundary-with-spaces", `(${text("plain", ascii, "x")} "mixed")`],
		[
			"boundary-is-prefix",
			`((${text("plain", ascii, "one")} "alternative")${text("plain", ascii, "two")} "mixed")`,
		],
		[
			"inner-never-closed",
			`((${text("plain", ascii, "one")} "alternative")${text("plain", ascii, "two")} "mixed")`,
		],
		[
			"truncated-multipart",
			`(${text("plain", ascii, "first")}(${text("html", ascii, "<p>cut")} "alternative") "mixed")`,
		],
		// Of equal boundaries the innermost is meant, until it is closed.
		[
			"same-boundary-nested",
			`((${text("plain", ascii, "one")}${text("plain", ascii, "two")} "alternative")${text("plain", ascii, "three")} "mixed")`,
		],
		// The embedded header has its last line break: only what stands between bodies is the boundary's.
		[
			"embedded-header-only",
			`(("message" "rfc822" NIL NIL NIL "7bit" 24 (NIL "only a header" NIL NIL NIL NIL NIL NIL NIL NIL) ${empty} 1)` +
				`("message" "rfc822" NIL NIL NIL "7bit" 29 (NIL "and a blank line" NIL NIL NIL NIL NIL NIL NIL NIL) ${empty} 2) "mixed")`,
		],
		[
			"long-lines",
			`(${text("plain", ascii, "x".repeat(300))}${text("plain", ascii, "-".repeat(200))} "mixed")`,
		],
		[
			"part-headers-only",
			`(${text("html", ascii, "")}${text("css", ascii, "")}${empty}${empty} "mixed")`,
		],
	])("%s", (name, expected) => {
		expect(body(name)).toBe(expected);
	});

	test("lines may end with LF alone: sizes are those of the bytes", () => {
		const part = (size: number, lines: number): string =>
			`("text" "plain" ${ascii} NIL NIL "7bit" ${size} ${lines})`;
		expect(body("bare-lf")).toBe(`(${part(3, 0)}${part(4, 1)} "mixed")`);
	});

	test("an encoded embedded message is not looked into, and the grammar is kept", () => {
		expect(body("rfc822-base64")).toBe(
			`(("message" "rfc822" NIL NIL NIL "base64" 28 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ${empty} 0) "mixed")`,
		);
		expect(read(corpus("rfc822-base64"), "1")).toBe(
			"U3ViamVjdDogaGkNCg0KZm9vDQo=",
		);
		expect(read(corpus("rfc822-base64"), "1.1")).toBeUndefined();
		expect(read(corpus("rfc822-base64"), "1.HEADER")).toBeUndefined();
	});
});

describe("sections", () => {
	test("of a message that is no multipart", () => {
		const bytes = corpus("plain");
		const text = "Shall we meet at one?\nAlice\n";
		expect(read(bytes, "")).toBe(bytes.toString().replaceAll("\r\n", "\n"));
		expect(read(bytes, "1")).toBe(text);
		expect(read(bytes, "TEXT")).toBe(text);
		expect(read(bytes, "HEADER")).toMatch(/^From: Alice .*example\.org>\n\n$/s);
		expect(read(bytes, "1.MIME")).toBe(read(bytes, "HEADER"));
		for (const none of ["2", "0", "1.1", "1.HEADER", "1.TEXT", "MIME"])
			expect(read(bytes, none), none).toBeUndefined();
	});

	test("of a multipart with embedded messages", () => {
		const bytes = corpus("nested-forward");
		const has: Record<string, string> = {
			"1": "See below.",
			"1.MIME": "Content-Type: text/plain\n\n",
			"2.MIME":
				'Content-Type: message/rfc822\nContent-Description: the report\nContent-Disposition: attachment; filename="report.eml"\n\n',
			"2.HEADER":
				"From: carol@example.net\nSubject: report\nMessage-ID: <r@example.net>\nContent-Type: multipart/mixed; boundary=inner\n\n",
			"2.1": "Numbers attached.",
			"2.1.MIME": "\n",
			"2.2": "JVBERi0xLjQK",
			"2.2.MIME":
				'Content-Type: application/pdf; name="r.pdf"\nContent-Transfer-Encoding: base64\nContent-ID: <pdf@example.net>\n\n',
			"3": "Subject: short\n\nOne line.",
			"3.HEADER": "Subject: short\n\n",
			"3.TEXT": "One line.",
			"3.1": "One line.",
		};
		for (const [name, expected] of Object.entries(has))
			expect(read(bytes, name), name).toBe(expected);
		expect(read(bytes, "2.TEXT")).toMatch(/^--inner\n\n.*--inner--\n$/s);
		expect(read(bytes, "2")).toBe(
			`${read(bytes, "2.HEADER")}${read(bytes, "2.TEXT")}`,
		);
		for (const none of [
			"4",
			"1.1",
			"1.TEXT",
			"2.3",
			"2.1.1",
			"3.2",
			"2.2.HEADER",
		])
			expect(read(bytes, none), none).toBeUndefined();
	});

	test("of a message whose body is a message", () => {
		const bytes = corpus("message-at-top");
		expect(read(bytes, "1.HEADER")).toBe(
			"From: carol@example.net\nSubject: inside\nContent-Type: text/html\n\n",
		);
		expect(read(bytes, "1")).toBe(read(bytes, "TEXT"));
		expect(read(bytes, "1.TEXT")).toBe("<b>x</b>\n");
		expect(read(bytes, "1.1")).toBe("<b>x</b>\n");
		expect(read(bytes, "HEADER")).toMatch(/^From: alice/);
	});

	test("preamble and epilogue belong to TEXT and to no part", () => {
		const bytes = corpus("alternative");
		expect(read(bytes, "TEXT")).toMatch(
			/^This is a message in MIME\.\n.*epilogue\.\n$/s,
		);
		expect(read(bytes, "2")).toBe("<p>Hello</p>\n");
		expect(read(bytes, "3")).toBeUndefined();
	});

	test("line ends of any kind, mixed, are kept", () => {
		const bytes = corpus("mixed-line-ends");
		// The blank line is the third, so what looks like a Content-Type is body.
		expect(read(bytes, "HEADER")).toBe("From: a@example.org\nSubject: x\n\n");
		expect(read(bytes, "1")).toMatch(/^y\nContent-Type: multipart.*--b--$/s);
		expect(read(corpus("bare-lf"), "2")).toBe("two\n");
	});

	test("a carriage return alone ends no line", () => {
		const bytes = Buffer.from(
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r--b\ry\r\n--b--",
		);
		expect(read(bytes, "1")).toBe("x\r--b\ry");
	});
});
