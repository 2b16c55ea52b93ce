/** Header fields, encoded words, parameters, dates and decoded text. */
import { describe, expect, test } from "vitest";
import {
	dateOf,
	decodedHeader,
	decodeWords,
	headerFields,
	parameter,
	parseDate,
	parseMessage,
	sectionRange,
} from "../../../node/mime/index.ts";
import { corpus, message, section, textOf } from "./corpus.ts";

function header(name: string): Buffer {
	const bytes = corpus(name);
	const range = sectionRange(parseMessage(bytes), section("HEADER"));
	return bytes.subarray(range?.start, range?.end);
}
const fields = (text: string, names: string[], not = false): string =>
	Buffer.from(headerFields(message(text), names, not))
		.toString("latin1")
		.replaceAll("\r\n", "\n");

describe("HEADER.FIELDS", () => {
	const text = "A: 1\nSubject: x\n y\nb : 2\nno colon\nSUBJECT: z\n\nbody: 1\n";
	test("gives the fields unchanged, in their order, and the blank line", () => {
		expect(fields(text, ["subject", "B"])).toBe(
			"Subject: x\n y\nb : 2\nSUBJECT: z\n\n",
		);
		expect(fields(text, ["nothing"])).toBe("\n");
	});
	test("NOT gives all the others", () => {
		expect(fields(text, ["Subject"], true)).toBe("A: 1\nb : 2\nno colon\n\n");
	});
	test("ends the last field where the message does not", () => {
		expect(fields("A: 1\nB: 2", ["b"])).toBe("B: 2\n\n");
		expect(fields("", ["b"])).toBe("\n");
	});
});

describe("encoded words", () => {
	test.each([
		["=?utf-8?q?a_b?=", "a b"],
		["=?utf-8?Q?=C3=A4?= =?utf-8?Q?=C3=B6?=", "äö"],
		["=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"],
		// One character cut in two, as many programs do.
		["=?utf-8?B?w6Q=?=", "ä"],
		["=?utf-8?Q?=C3?= =?UTF-8?Q?=A4?=", "ä"],
		["=?iso-8859-1?Q?=E4?= =?utf-8?Q?=C3=A4?=", "ää"],
		["=?utf-8*de?Q?Gru=C3=9F?=", "Gruß"],
		["=?utf-8?Q?two words?=", "two words"],
		["x=?utf-8?Q?y?=z", "xyz"],
		// Broken ones stay.
		["=?utf-8?Q?no end", "=?utf-8?Q?no end"],
		["=?utf-8?X?abc?=", "=?utf-8?X?abc?="],
		["=?utf-8?B?***?=", "=?utf-8?B?***?="],
		["=??Q?a?=", "=??Q?a?="],
		["=?", "=?"],
		["=?utf-8?Q?=ZZ?=", "=ZZ"],
		["=?no-such-charset?Q?=C3=A4?=", "ä"],
		["", ""],
	])("%s", (encoded, decoded) => {
		expect(decodeWords(encoded)).toBe(decoded);
	});

	test("headers in several languages", () => {
		expect(decodedHeader(header("german-quoted-printable"), "subject")).toEqual(
			["Grüße aus Köln"],
		);
		expect(decodedHeader(header("japanese-iso-2022-jp"), "Subject")).toEqual([
			"日本語",
		]);
		expect(decodedHeader(header("russian-koi8"), "Subject")).toEqual([
			"Привет, мир",
		]);
		expect(decodedHeader(header("chinese-gb18030-base64"), "Subject")).toEqual([
			"你好",
		]);
		expect(decodedHeader(header("arabic-utf8-raw"), "Subject")).toEqual([
			"مرحبا",
		]);
		expect(decodedHeader(header("latin1-raw-header"), "Subject")).toEqual([
			"Été",
		]);
		expect(decodedHeader(header("repeated-fields"), "SUBJECT")).toEqual([
			"one",
			"two",
		]);
		expect(decodedHeader(header("plain"), "X-None")).toEqual([]);
	});
});

describe("parameters", () => {
	test("are decoded by RFC 2231, or else by RFC 2047", () => {
		const { structure } = parseMessage(corpus("rfc2231-filename"));
		expect(parameter(structure.disposition?.parameters ?? [], "filename")).toBe(
			"€ rates 100%.txt",
		);
		expect(parameter(structure.parameters, "name")).toBe(
			"a very long name.bin",
		);
		expect(parameter(structure.parameters, "charset")).toBeUndefined();
		const outlook = parseMessage(corpus("outlook-filename")).structure;
		expect(parameter(outlook.disposition?.parameters ?? [], "filename")).toBe(
			"Prüfung.doc",
		);
	});
	test("pieces count by their number, not their place", () => {
		const { parameters } = parseMessage(
			message("Content-Type: a/b; x*1=two; y=Y; x*0=one\n\n"),
		).structure;
		expect(parameters).toEqual(["x", "onetwo", "y", "Y"]);
	});
	test("a missing semicolon or quote costs no more than it must", () => {
		const parameters = (text: string): readonly string[] =>
			parseMessage(message(`Content-Type: ${text}\n\n`)).structure.parameters;
		expect(parameters("text/plain charset=utf-8 format=flowed")).toEqual([
			"charset",
			"utf-8",
			"format",
			"flowed",
		]);
		expect(parameters("text/plain; name=foo bar.txt; a=b")).toEqual([
			"name",
			"foo",
			"a",
			"b",
		]);
		expect(parameters('text/plain; name="foo; a=b')).toEqual([
			"name",
			"foo",
			"a",
			"b",
		]);
		expect(parameters("text/plain;;; ; =x; a; b=")).toEqual(["b", ""]);
	});
});

describe("dates", () => {
	const utc = (text: string): string | undefined => {
		const date = parseDate(text);
		return date && new Date(date.milliseconds).toISOString().slice(0, 19);
	};
	test.each([
		["Tue, 2 Jan 2024 12:30:05 +0100", "2024-01-02T11:30:05"],
		["2 Jan 2024 12:30 -0230", "2024-01-02T15:00:00"],
		["Tue, 02 Jan 24 12:30:05 EST (Eastern)", "2024-01-02T17:30:05"],
		["Tue, 2 January 1999 00:00:00 GMT", "1999-01-02T00:00:00"],
		["2 (two) Jan 2024 (x) 12 : 30 Z", "2024-01-02T12:30:00"],
		["29 Feb 2024 23:59:60 +0000", "2024-03-01T00:00:00"],
		["2 Jan 2024", "2024-01-02T00:00:00"],
		["2-Jan-2024 10:00:00 +0000", "2024-01-02T10:00:00"],
		["2 Jan 2024 99:99 +0000", "2024-01-02T00:00:00"],
		["30 Feb 2024 10:00:00 +0000", undefined],
		["yesterday", undefined],
		["", undefined],
	])("%s", (text, expected) => {
		expect(utc(text)).toBe(expected);
	});
	test("the day is that of the sender, whatever the zone", () => {
		const date = parseDate("Mon, 1 Jan 2024 00:30:00 +0100");
		expect(date).toEqual({
			milliseconds: Date.UTC(2023, 11, 31, 23, 30),
			day: Date.UTC(2024, 0, 1) / 86_400_000,
		});
		expect(dateOf(parseMessage(corpus("empty")))).toBeUndefined();
		expect(dateOf(parseMessage(corpus("plain")))?.milliseconds).toBe(
			Date.UTC(2024, 0, 2, 11, 30),
		);
	});
});

describe("decoded text", () => {
	const text = (name: string): string => {
		const bytes = corpus(name);
		return textOf(bytes, parseMessage(bytes)).replaceAll("\r\n", "\n");
	};
	test.each([
		[
			"german-quoted-printable",
			"Schöne Grüße, und bis zum nächsten Mal. Diese Zeile ist zu lang  \nfür eine.\n",
		],
		["japanese-iso-2022-jp", "日本語の本文\n"],
		["russian-koi8", "Здравствуйте\n"],
		["chinese-gb18030-base64", "<p>会议纪要</p>"],
		["arabic-utf8-raw", "السلام عليكم\n"],
		["latin1-raw-header", "café\n"],
		["outlook-filename", ""],
	])("%s", (name, expected) => {
		expect(text(name)).toBe(expected);
	});
	test("has the headers of embedded messages and all text parts", () => {
		const all = text("nested-forward");
		for (const piece of [
			"See below.",
			"Subject: report",
			"Numbers attached.",
			"Subject: short",
			"One line.",
		])
			expect(all).toContain(piece);
		expect(all).not.toContain("Fwd: report");
		expect(all).not.toContain("JVBERi");
	});
});
