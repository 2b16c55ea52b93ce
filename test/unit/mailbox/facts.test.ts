/** The text of facts: what reads a part of it off, or sees at a glance that it is sound, says what taking it apart says. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentFaultOf } from "../../../sync/documents/content.ts";
import { keys, segmentDocument } from "../../../sync/documents/shapes.ts";
import {
	bodyHash,
	deriveId,
	type EntryId,
	type MailboxId,
} from "../../../sync/ids.ts";
import {
	bodyTag,
	bytesOf,
	decodeFacts,
	encodeFacts,
	type Facts,
} from "../../../sync/mailbox/facts.ts";

const mailbox = deriveId<MailboxId>("mailbox");
const entry = deriveId<EntryId>("entry");
const faultOf = contentFaultOf(segmentDocument(mailbox, 0));
const faultOfText = (text: string) => faultOf(keys.facts(entry), text);

const count = fc.oneof(
	fc.nat(),
	fc.constantFrom(0, 9, 10, Number.MAX_SAFE_INTEGER),
);
const time = fc.oneof(
	fc.nat(),
	fc.constantFrom(Number.NaN, -0, -1, 1.5, 1.7e12, 1e21),
);
const hash = fc
	.uint8Array({ minLength: 32, maxLength: 32 })
	.map((bytes) => bodyHash(Buffer.from(bytes).toString("hex")));
const drive = fc.oneof(
	hash.map(String),
	fc.constantFrom("", 'a "drive"', "\\", "ä"),
);
const anyFacts: fc.Arbitrary<Facts> = fc.record({
	body: fc.record({
		hash,
		sizeBytes: count,
		drive,
		blob: fc.tuple(count, count, count, count),
	}),
	internalDateMilliseconds: time,
	savedMilliseconds: time,
	from: fc.constantFrom(null, [mailbox, entry] as const),
});

test("facts are the JSON array that they always were", () =>
	fc.assert(
		fc.property(anyFacts, (facts) => {
			const { body, internalDateMilliseconds, savedMilliseconds, from } = facts;
			const { hash, sizeBytes, drive, blob } = body;
			const times = [internalDateMilliseconds, savedMilliseconds];
			expect(encodeFacts(facts)).toBe(
				JSON.stringify([hash, sizeBytes, drive, blob, ...times, from]),
			);
		}),
	));

test("what is read off is what taking apart gives, however the text is laid out", () =>
	fc.assert(
		fc.property(anyFacts, fc.constantFrom("", " ", "\n"), (facts, space) => {
			const text = encodeFacts(facts);
			for (const laidOut of [
				text,
				text.replace("[", `[${space}`),
				text.replace(",", `,${space}`),
				text.replace(/^\["./, (start) => `["\\u00${hexOf(start.at(-1))}`),
			]) {
				const { hash, sizeBytes } = decodeFacts(laidOut).body;
				expect(bytesOf(laidOut)).toBe(sizeBytes);
				expect(bodyTag(laidOut)).toBe(hash.slice(0, 16));
			}
		}),
	));
const hexOf = (character = ""): string => character.charCodeAt(0).toString(16);

/** A space is nothing to JSON, and there is none in the facts that are known at a glance. */
const slowly = (text: string) => faultOfText(` ${text}`);

test("facts are let pass, and anything that differs in a character as taking it apart says", () => {
	const facts = fc.oneof(anyFacts, anyFacts.filter(isUsual));
	const character = fc.constantFrom(...'0ag"[],.-:\\ \n9Z{}n');
	const at = fc.nat({ max: 300 });
	fc.assert(
		fc.property(facts, at, character, (each, at, character) => {
			const text = encodeFacts(each);
			expect(faultOfText(text)).toBeUndefined();
			for (const other of [
				text.slice(0, at) + character + text.slice(at + 1),
				text.slice(0, at) + character + text.slice(at),
				text.slice(0, at) + text.slice(at + 1),
				...withZeros(text),
			])
				expect(faultOfText(other), other).toBe(slowly(other));
		}),
		{ numRuns: 1_000 },
	);
});
/** JSON has no numbers like 007. */
const withZeros = (text: string): string[] =>
	[...text.matchAll(/(?<=[[,])\d/g)].map(
		({ index }) => `${text.slice(0, index)}0${text.slice(index)}`,
	);
const isUsual = ({ body }: Facts): boolean => /^[0-9a-f]*$/.test(body.drive);
