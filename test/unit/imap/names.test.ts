import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	decodeModifiedUtf7,
	encodeModifiedUtf7,
} from "../../../node/imap/mutf7.ts";
import { decodeName, encodeName } from "../../../node/imap/names.ts";
import { matches } from "../../../node/imap/patterns.ts";

const utf7 = { utf8: false };

describe("modified UTF-7", () => {
	test("RFC 3501 §5.1.3", () => {
		const name = "~peter/mail/台北/日本語";
		expect(encodeModifiedUtf7(name)).toBe("~peter/mail/&U,BTFw-/&ZeVnLIqe-");
		expect(decodeModifiedUtf7("~peter/mail/&U,BTFw-/&ZeVnLIqe-")).toBe(name);
	});

	test("every well-formed name comes back", () => {
		fc.assert(
			fc.property(fc.string({ unit: "grapheme" }), (name) => {
				const octets = encodeModifiedUtf7(name);
				expect(octets).toMatch(/^[ -~]*$/);
				expect(decodeModifiedUtf7(octets)).toBe(name);
			}),
		);
	});

	test("no second spelling is taken, and nothing throws", () => {
		for (const bad of [
			"&",
			"&AGE-",
			"&Jjo",
			"&Jjo!-",
			"&2D3-",
			"é",
			"&AOk-&AOk-",
		])
			expect(decodeModifiedUtf7(bad)).toBe(undefined);
		fc.assert(
			fc.property(fc.string(), (text) => {
				const name = decodeModifiedUtf7(text);
				if (name !== undefined) expect(encodeModifiedUtf7(name)).toBe(text);
			}),
		);
	});

	test("names are NFC, INBOX has no case", () => {
		expect(decodeName("e\xcc\x81", utf7)).toBe("é");
		expect(decodeName("iNbOx", utf7)).toBe("INBOX");
		expect(decodeName("inbox/x", utf7)).toBe("inbox/x");
		expect(decodeName("a&AOk-", utf7)).toBe("aé");
		expect(decodeName("a&AOk-", { utf8: true })).toBe("a&AOk-");
		expect(encodeName("aé&", utf7)).toBe("a&AOk-&-");
		expect(encodeName("aé&", { utf8: true })).toBe('"aÃ©&"');
	});
});

describe("patterns", () => {
	/** The same by regular expression. */
	const oracle = (name: string, pattern: string) =>
		new RegExp(
			`^${pattern.replace(/[.*+?^${}()|[\]\\]/g, (c) => (c === "*" ? "[^]*" : `\\${c}`)).replaceAll("%", "[^/]*")}$`,
			"u",
		).test(name);

	test("as the regular expression has it", () => {
		const text = (alphabet: string) =>
			fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 8 });
		fc.assert(
			fc.property(text("ab/é"), text("ab/é*%"), (name, pattern) => {
				expect(matches(name, pattern)).toBe(oracle(name, pattern));
			}),
			{ numRuns: 3_000 },
		);
	});

	test("INBOX in any case, other names in theirs", () => {
		expect(matches("INBOX", "inb%")).toBe(true);
		expect(matches("INBOX/a", "inbox/a")).toBe(true);
		expect(matches("INBOX/a", "inbox/A")).toBe(false);
		expect(matches("Work", "work")).toBe(false);
	});

	test("many wildcards cost no more than their number", () => {
		expect(matches("a".repeat(500), `${"*a".repeat(500)}b`)).toBe(false);
	});
});
