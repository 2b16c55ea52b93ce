/** What SORT and THREAD compare: collation, base subjects, message identifiers (RFC 5051, RFC 5256 §2, RFC 5957). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	casemap,
	compareMapped,
	messageIds,
	orderingOf,
	parseMessage,
	threadId,
} from "../../../node/mime/index.ts";
import { packOrdering, unpackOrdering } from "../../../node/mime/ordering.ts";
import { baseSubject } from "../../../node/mime/subject.ts";
import { message } from "./corpus.ts";

describe("i;unicode-casemap", () => {
	test("a text of any length is mapped character by character", () => {
		const character = fc.oneof(
			{ weight: 3, arbitrary: fc.constantFrom("a", "Z", " ", "é", "ß") },
			// U+FDFA becomes eighteen characters; halves of pairs stay what they are.
			fc.constantFrom("\ufdfa", "\u{1f600}", "\ud83d", "\ude00"),
			fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
		);
		fc.assert(
			fc.property(
				fc.array(character, { minLength: 1, maxLength: 40 }),
				fc.integer({ min: 100, max: 400 }),
				(some, times) => {
					const text = some.join("").repeat(times);
					const mapped = Array.from(text, casemap).join("");
					expect(casemap(text) === mapped).toBe(true);
				},
			),
			{ numRuns: 15 },
		);
	});

	test.each([
		["straße", "STRAßE"],
		["Éa", "E\u0301A"],
		["ﬁn", "fiN"],
		["ǆ", "D" + "z\u030c"],
		["Ǳ", "Dz"],
		["ა", "ა"],
		["𐐨", "𐐀"],
		["가", "\u1100\u1161"],
		["Ω", "Ω"],
	])("%s", (text, mapped) => {
		expect(casemap(text)).toBe(mapped);
	});

	test("is the same again, and orders as octets of UTF-8 do", () => {
		fc.assert(
			fc.property(
				fc.string({ unit: "grapheme" }),
				fc.string({ unit: "grapheme" }),
				(a, b) => {
					expect(Math.sign(compareMapped(a, b))).toBe(
						Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
					);
				},
			),
		);
		expect(compareMapped("\u{10000}", "\uffff")).toBeGreaterThan(0);
	});
});

describe("base subjects", () => {
	test.each([
		["Hello", "HELLO", false],
		["re: Hello", "HELLO", true],
		["RE : Hello", "HELLO", true],
		["Fw: Fwd: Re: Hello", "HELLO", true],
		["Re[2]: Hello", "HELLO", true],
		["Re [2] : Hello", "HELLO", true],
		["Re x: Hello", "RE X: HELLO", false],
		["[list] Hello", "HELLO", false],
		["[list] Re: [list] Hello (fwd)", "HELLO", true],
		["[a][b] [c]", "[C]", false],
		["[a][b] Re: c", "C", true],
		["[Fwd: Re: Hello]", "HELLO", true],
		["[fwd: [fwd: x] (fwd)]", "X", true],
		["Hello (fwd) (FWD)  ", "HELLO", true],
		["  a \t b\r\n c", "A B C", false],
		["=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", casemap("Grüße"), true],
		["Re: ", "", true],
		["(fwd)", "", true],
		["Regards: x", "REGARDS: X", false],
		["Fwdd: x", "FWDD: X", false],
		["[open", "[OPEN", false],
		["re", "RE", false],
		["", "", false],
	])("%j", (raw, mapped, isReply) => {
		expect(baseSubject(Buffer.from(raw, "utf8").toString("latin1"))).toEqual({
			mapped,
			isReply,
		});
	});

	test("cost linear time", () => {
		for (const bomb of [
			"[a]".repeat(100_000),
			`${"[a]".repeat(100_000)}x`,
			"re[".repeat(100_000),
			"re:".repeat(100_000),
			"[fwd:".repeat(50_000) + "]".repeat(50_000),
			"(fwd)".repeat(100_000),
			"re[a]".repeat(60_000),
		]) {
			const start = process.cpuUsage().user;
			baseSubject(bomb);
			expect(process.cpuUsage(), bomb.slice(0, 20)).toSatisfy(
				(after: NodeJS.CpuUsage) => after.user - start < 2_000_000,
			);
		}
	});
});

describe("message identifiers", () => {
	test.each([
		["<a@b> <c@d>", ["a@b", "c@d"]],
		['<"a b"@c>', ["a b@c"]],
		["<a(comment)@b>", ["a@b"]],
		["<a@b", []],
		["<a@b<c@d>", ["c@d"]],
		["Your mail of <today> <x@y>", ["today", "x@y"]],
		["<>", []],
		["<a@b\t>", ["a@b"]],
		["none", []],
	])("%j", (text, ids) => {
		expect([...messageIds(text)]).toEqual(ids);
	});

	test("cost linear time", () => {
		for (const bomb of ["<", "<(", '<"', "<a "])
			expect([...messageIds(bomb.repeat(300_000))].length).toBeLessThan(10);
	});
});

const of = (text: string) => {
	const bytes = message(text);
	const parsed = parseMessage(bytes);
	return orderingOf(
		parsed.envelope,
		bytes.subarray(0, parsed.structure.bodyStart),
	);
};

test("a message as it is compared", () => {
	const ordering = of(`From: =?utf-8?q?J=C3=BCrgen?= <jue@example.org>, b@c
To: friends: a@b, c@d;
Cc: (none) only.local@example.org
Date: Thu, 1 Jan 2026 00:30:00 +0100
Subject: Re: x
Message-ID: <1@x>
References: <a@x>
 <b@x>
References: <c@x>
In-Reply-To: <z@x>

`);
	expect(ordering).toEqual({
		sentMilliseconds: Date.UTC(2025, 11, 31, 23, 30),
		// The date that stands there.
		sentDay: Date.UTC(2026, 0, 1) / 86_400_000,
		subject: "X",
		isReply: true,
		from: "JUE",
		to: "FRIENDS",
		cc: "ONLY.LOCAL",
		displayFrom: casemap("jürgen"),
		displayTo: "FRIENDS",
		messageId: "1@x",
		references: ["a@x", "b@x", "c@x"],
	});
	expect(unpackOrdering(packOrdering(ordering))).toEqual(ordering);
});

test("what is missing, and In-Reply-To where there are no References", () => {
	expect(of("In-Reply-To: <a@x> <b@x>\nFrom: a@b\n\n")).toEqual({
		sentMilliseconds: undefined,
		sentDay: undefined,
		subject: "",
		isReply: false,
		from: "A",
		to: "",
		cc: "",
		displayFrom: "A@B",
		displayTo: "",
		messageId: "",
		references: ["a@x"],
	});
});

test("a thread has one THREADID, by what began it", () => {
	const first = threadId(of("Message-ID: <a@x>\n\n"));
	expect(first).toMatch(/^T[0-9a-f]{40}$/);
	expect(threadId(of("Message-ID: <b@x>\nReferences: <a@x>\n\n"))).toBe(first);
	expect(threadId(of("Message-ID: <c@x>\nIn-Reply-To: <a@x>\n\n"))).toBe(first);
	expect(threadId(of("Message-ID: <b@x>\n\n"))).not.toBe(first);
	expect(threadId(of("Subject: nobody\n\n"))).toBeUndefined();
});
