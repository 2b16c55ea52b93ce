/** What holds for any bytes: nothing throws, offsets are sound, chunks do not matter, cost is linear. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	bodyStructureImap,
	dateOf,
	decodedHeader,
	decodeWords,
	envelopeImap,
	headerFields,
	type Parsed,
	parseDate,
	parseMessage,
	type Structure,
	StructureParser,
	sectionRange,
} from "../../../node/mime/index.ts";
import { MIME_DEPTH_MAX, MIME_PARTS_MAX } from "../../../sync/limits.ts";
import { corpus, corpusNames, everyPart, message, textOf } from "./corpus.ts";

/** Pieces that matter to the parser, put together at random. */
const piece = fc.constantFrom(
	"\r\n",
	"\n",
	"\r",
	"\r\n\r\n",
	"--a",
	"--b",
	"--a--",
	"--b--",
	"--ab",
	" ",
	"\t",
	"x",
	":",
	";",
	",",
	"<",
	">",
	"@",
	"(",
	")",
	'"',
	"\\",
	"=?utf-8?q?",
	"?=",
	"=",
	"\0",
	"\xff",
	"Content-Type: multipart/mixed; boundary=a\r\n",
	"Content-Type: multipart/digest; boundary=b\r\n",
	"Content-Type: multipart/mixed; boundary=ab\r\n",
	"Content-Type: message/rfc822\r\n",
	"Content-Transfer-Encoding: base64\r\n",
	"Content-Disposition: attachment; filename*0*=utf-8''%",
	"Subject: ",
	"To: ",
	"Date: ",
);
const mime = fc
	.array(piece, { maxLength: 60 })
	.map((pieces) => Buffer.from(pieces.join(""), "latin1"));
const anything = fc.oneof(
	{ weight: 4, arbitrary: mime },
	{ weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map(Buffer.from) },
);

/** Ranges are ordered, lie in their parent's body, and do not overlap. */
function checkNesting(of: Structure, from: number, to: number): void {
	expect(of.headerStart).toBeGreaterThanOrEqual(from);
	expect(of.bodyStart).toBeGreaterThanOrEqual(of.headerStart);
	expect(of.end).toBeGreaterThanOrEqual(of.bodyStart);
	expect(of.end).toBeLessThanOrEqual(to);
	let at = of.bodyStart;
	for (const child of of.children ?? []) {
		checkNesting(child, at, of.end);
		at = child.end;
	}
	const message = of.message?.structure;
	if (message !== undefined) {
		expect([message.headerStart, message.end]).toEqual([of.bodyStart, of.end]);
		checkNesting(message, of.bodyStart, of.end);
	}
}

function checkMessage(bytes: Buffer): void {
	const parsed = parseMessage(bytes);
	const { structure } = parsed;
	checkNesting(structure, 0, bytes.length);
	// Header and body together are the message, byte for byte.
	expect([structure.headerStart, structure.end]).toEqual([0, bytes.length]);
	const header = sectionRange(parsed, { part: [], kind: "HEADER" });
	const text = sectionRange(parsed, { part: [], kind: "TEXT" });
	expect(header?.end).toBe(text?.start);
	for (const part of everyPart(parsed)) {
		const body = bytes.subarray(part.bodyStart, part.end);
		expect(part.lines).toBe(body.filter((byte) => byte === 10).length);
	}
	// What is kept in the cache means the same.
	const again = JSON.parse(JSON.stringify(parsed)) as Parsed;
	expect(bodyStructureImap(again, true)).toBe(bodyStructureImap(parsed, true));
	expect(envelopeImap(again)).toBe(envelopeImap(parsed));
}

/** One IMAP value: balanced parentheses, quoted strings without bare quotes, literals of the length they tell. */
function checkGrammar(wire: string): void {
	let depth = 0;
	let at = 0;
	while (at < wire.length) {
		const rest = wire.slice(at);
		const token =
			/^(?:\(|\)| |NIL|\d+|"(?:[ !#-[\]-~]|\\["\\])*")/.exec(rest)?.[0] ??
			/^\{\d+\}\r\n/.exec(rest)?.[0];
		expect(token, `${wire.slice(0, at)} >>> ${rest}`).toBeDefined();
		at += token?.length ?? 1;
		if (token === "(") depth++;
		if (token === ")") depth--;
		if (token?.startsWith("{")) {
			const length = Number.parseInt(token.slice(1), 10);
			const octets = wire.slice(at, at + length);
			expect(octets).toHaveLength(length);
			expect(octets).not.toContain("\0");
			at += length;
		}
		if (depth === 0) break;
	}
	expect(at).toBe(wire.length);
}

describe("any bytes", () => {
	test("have a structure that is sound", () => {
		fc.assert(fc.property(anything, checkMessage), { numRuns: 2000 });
	});

	test("are answered in the grammar of IMAP", () => {
		fc.assert(
			fc.property(anything, (bytes) => {
				const parsed = parseMessage(bytes);
				checkGrammar(envelopeImap(parsed));
				checkGrammar(bodyStructureImap(parsed, false));
				checkGrammar(bodyStructureImap(parsed, true));
			}),
			{ numRuns: 1000 },
		);
	});

	test("parse alike in any chunks", () => {
		fc.assert(
			fc.property(
				anything,
				fc.array(fc.nat(20), { maxLength: 40 }),
				(bytes, sizes) => {
					const parser = new StructureParser();
					let at = 0;
					for (const size of sizes) {
						// A chunk is the caller's again after push().
						const chunk = Buffer.from(bytes.subarray(at, at + size));
						parser.push(chunk);
						chunk.fill(0x2d);
						at += size;
					}
					expect(parser.end(bytes.subarray(at))).toEqual(parseMessage(bytes));
				},
			),
			{ numRuns: 2000 },
		);
	});

	test("never make the other functions throw", () => {
		fc.assert(
			fc.property(
				anything,
				fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 4 }),
				(bytes, part) => {
					const parsed = parseMessage(bytes);
					textOf(bytes, parsed);
					dateOf(parsed);
					parseDate(bytes.toString("latin1"));
					decodeWords(bytes.toString("latin1"));
					decodedHeader(bytes, "subject");
					for (const kind of ["", "HEADER", "TEXT", "MIME"] as const) {
						const range = sectionRange(parsed, { part, kind });
						if (range === undefined) continue;
						expect(range.start).toBeLessThanOrEqual(range.end);
						expect(range.end).toBeLessThanOrEqual(bytes.length);
					}
				},
			),
			{ numRuns: 1000 },
		);
	});

	test("are all in HEADER.FIELDS or in HEADER.FIELDS.NOT", () => {
		fc.assert(
			fc.property(anything, (bytes) => {
				const header = bytes.subarray(
					0,
					parseMessage(bytes).structure.bodyStart,
				);
				const names = ["to", "content-type"];
				const sum =
					headerFields(header, names, false).length +
					headerFields(header, names, true).length;
				const blank = /\r?\n$/.exec(header.toString("latin1"))?.[0].length ?? 0;
				expect(sum).toBeGreaterThanOrEqual(header.length - blank + 2);
				expect(sum).toBeLessThanOrEqual(header.length + 6);
			}),
		);
	});
});

test.each(corpusNames)("corpus: %s", (name) => {
	const bytes = corpus(name);
	checkMessage(bytes);
	const parsed = parseMessage(bytes);
	checkGrammar(envelopeImap(parsed));
	checkGrammar(bodyStructureImap(parsed, true));
	for (let size = 1; size < 100; size += 7) {
		const parser = new StructureParser();
		for (let at = 0; at < bytes.length; at += size)
			parser.push(bytes.subarray(at, at + size));
		expect(parser.end()).toEqual(parsed);
	}
});

describe("bounds", () => {
	const count = (parsed: Parsed): number => [...everyPart(parsed)].length;

	test("of depth: what is deeper is opaque", () => {
		const multiparts = message(
			Array.from(
				{ length: 1000 },
				(_, i) =>
					`Content-Type: multipart/mixed; boundary=b${i}x\n\n--b${i}x\n`,
			).join(""),
		);
		expect(count(parseMessage(multiparts))).toBe(MIME_DEPTH_MAX);
		const messages = message("Content-Type: message/rfc822\n\n".repeat(1000));
		expect(count(parseMessage(messages))).toBe(MIME_DEPTH_MAX);
		bodyStructureImap(parseMessage(messages), true);
	});

	test("of parts: the last one takes the rest", () => {
		const bytes = message(
			`Content-Type: multipart/mixed; boundary=b\n\n${"--b\n\nx\n".repeat(2 * MIME_PARTS_MAX)}`,
		);
		const { structure } = parseMessage(bytes);
		expect(structure.children?.length).toBe(MIME_PARTS_MAX - 1);
		expect(structure.children?.at(-1)?.end).toBe(bytes.length);
	});

	test.each([
		[
			"a million parts",
			`Content-Type: multipart/mixed; boundary=b\n\n${"--b\n\nx\n".repeat(1_000_000)}`,
			MIME_PARTS_MAX,
		],
		[
			"100,000 messages within one another",
			"Content-Type: message/rfc822\n\n".repeat(100_000),
			MIME_DEPTH_MAX,
		],
		[
			"20,000 multiparts within one another",
			Array.from(
				{ length: 20_000 },
				(_, i) =>
					`Content-Type: multipart/mixed; boundary=b${i}x\n\n--b${i}x\n`,
			).join(""),
			MIME_DEPTH_MAX,
		],
	])("in time and memory: %s", (_, text, partsMax) => {
		const bytes = message(text);
		const { user } = process.cpuUsage();
		const before = process.memoryUsage().heapUsed;
		const parser = new StructureParser();
		for (let at = 0; at < bytes.length; at += 65_536)
			parser.push(bytes.subarray(at, at + 65_536));
		const parsed = parser.end();
		const seconds = (process.cpuUsage().user - user) / 1e6;
		const heldBytes = process.memoryUsage().heapUsed - before;
		expect(count(parsed)).toBe(partsMax);
		expect(bodyStructureImap(parsed, true).length).toBeLessThan(2_000_000);
		// Some 10 ms for each MB, whatever is in it; with garbage.
		expect(seconds).toBeLessThan(2);
		expect(heldBytes).toBeLessThan(64 * 1024 * 1024);
	});

	test("of headers: a huge one ends where it ends, and only its start is read", () => {
		const bytes = message(
			`Subject: early\n${`X-Fill: ${"x".repeat(990)}\n`.repeat(2000)}Message-ID: <late>\n\nbody\n`,
		);
		const { envelope, structure } = parseMessage(bytes);
		expect(envelope.subject).toBe("early");
		expect(envelope.messageId).toBeUndefined();
		expect(structure.bodyStart).toBe(bytes.length - "body\r\n".length);
	});

	test("of addresses", () => {
		const parsed = parseMessage(message(`To: ${"a,".repeat(400_000)}\n\n`));
		expect(parsed.envelope.to?.length).toBe(20_000);
	});
});

describe("cost grows with size and no faster", () => {
	const filled = (head: string, fill: string) => (length: number) =>
		message(head + fill.repeat(Math.ceil(length / fill.length)));
	const deep = Array.from(
		{ length: 90 },
		(_, i) =>
			`Content-Type: multipart/mixed; boundary=${"b".repeat(70 - (i % 60))}${i}\n\n--${"b".repeat(70 - (i % 60))}${i}\n`,
	).join("");
	test.each([
		[
			"lines of dashes",
			filled("Content-Type: multipart/mixed; boundary=b\n\n", "\n--"),
		],
		[
			"near boundaries under deep nesting",
			filled(`${deep}\n\n`, `--${"b".repeat(69)}\n`),
		],
		["quotes that never end", filled("To: ", '"\\"')],
		["comments that never end", filled("To: ", "(")],
		["comments that do", filled("To: ", "(a) ")],
		["angles", filled("To: ", "<")],
		["routes", filled("To: <", "@a,")],
		["words", filled("To: ", "a ")],
		["dots", filled("To: ", "a . ")],
		["groups", filled("To: ", "a:;")],
		["parameters", filled("Content-Type: a/b; ", "a*1=b;")],
		["parameters without values", filled("Content-Type: a/b; ", "a; ")],
		["languages", filled("Content-Language: ", "( a,")],
		["lines without a colon", filled("", "a\n")],
		["folds", filled("Subject: ", "\n ")],
		["carriage returns", filled("Subject: ", "\r")],
		["encoded words without an end", filled("Subject: ", "=?a?q?")],
		["encoded words", filled("Subject: ", "=?utf-8?q?a?= ")],
		[
			"quoted-printable",
			filled("Content-Transfer-Encoding: quoted-printable\n\n", "= "),
		],
		[
			"spaces at line ends",
			filled("Content-Transfer-Encoding: quoted-printable\n\n", "    "),
		],
		[
			"parts",
			filled("Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\n"),
		],
	])("%s", (_, make) => {
		const cost = (bytes: Buffer): number => {
			const { user } = process.cpuUsage();
			const parsed = parseMessage(bytes);
			envelopeImap(parsed);
			bodyStructureImap(parsed, true);
			textOf(bytes, parsed);
			decodedHeader(bytes, "subject");
			return process.cpuUsage().user - user;
		};
		const small = make(50_000);
		const large = make(800_000);
		cost(small);
		const least = (bytes: Buffer) =>
			Math.min(cost(bytes), cost(bytes), cost(bytes));
		// 16 times the size: linear is 16, quadratic 256. The floor keeps timer noise out.
		expect(least(large)).toBeLessThan(100 * Math.max(least(small), 2_000));
	});
});
