/** Rule 9: what a granter says that a former life had, and what of that counts for nothing. */
import { encode } from "cborg";
import { describe, expect, it } from "vitest";
import {
	entryId,
	type MailboxId,
	mailboxId,
	type Origin,
	type Sequence,
} from "../../../sync/ids.ts";
import { RESPONSE_BYTES_MAX, WANTS_MAX } from "../../../sync/limits.ts";
import type { Vector } from "../../../sync/log/record.ts";
import type { Want } from "../../../sync/mailbox/wanted.ts";
import {
	decodeGranted,
	encodeGranted,
	type Granted,
} from "../../../sync/membership/granted.ts";
import { takeShown } from "../../../sync/membership/lives.ts";

const id = (number: number): string => `${number.toString(36)}`.padEnd(22, "A");
const vector = (last: number): Vector =>
	new Map([["aaaaaaaaaaaaaaaa" as Origin, last as Sequence]]);
const wants = (count: number, mailbox: (i: number) => MailboxId): Want[] =>
	Array.from({ length: count }, (_, i) => ({
		mailbox: mailbox(i),
		entry: entryId(id(i)),
		claim: i + 1,
	}));

describe("the answer to a new life", () => {
	it("says what the former life had, and what it asked to renumber", () => {
		const granted: Granted = {
			had: vector(3),
			vector: vector(5),
			wants: wants(5, (i) => mailboxId(id(i % 2))),
		};
		const decoded = decodeGranted(encodeGranted(granted));
		expect(decoded.had).toEqual(granted.had);
		expect(decoded.vector).toEqual(granted.vector);
		const order = (a: Want, b: Want) => a.claim - b.claim;
		expect([...decoded.wants].sort(order)).toEqual(granted.wants);
	});

	it("of an older release says nothing of that", () => {
		const flat = ["aaaaaaaaaaaaaaaa", 3];
		const decoded = decodeGranted(encode(["granted", flat, flat]));
		expect(decoded).toEqual({ had: vector(3), vector: vector(3), wants: [] });
	});

	it("holds as many as are known, of one mailbox or many", () => {
		const one = encodeGranted({
			had: vector(3),
			vector: vector(5),
			wants: wants(WANTS_MAX, () => mailboxId(id(0))),
		});
		expect(one.length).toBeLessThan(RESPONSE_BYTES_MAX);
		expect(decodeGranted(one).wants).toHaveLength(WANTS_MAX);
	});

	it("says that nothing was had where that is more than an answer holds", () => {
		const answer = encodeGranted({
			had: vector(3),
			vector: vector(5),
			wants: wants(WANTS_MAX, (i) => mailboxId(id(i))),
		});
		expect(answer.length).toBeLessThan(RESPONSE_BYTES_MAX);
		const nothing = { had: new Map(), vector: vector(5), wants: [] };
		expect(decodeGranted(answer)).toEqual(nothing);
	});
});

it("what the former life had counts as shown, but for claims that were too low somewhere", () => {
	const mailbox = mailboxId(id(0));
	const entries = [1, 2, 3, 4, 5].map((number) => entryId(id(number)));
	const shown: string[] = [];
	const mailboxes = {
		losses: {
			*entriesHad() {
				for (const entry of entries)
					yield { mailbox, entry, claim: 7, had: entry !== entries[0] };
			},
			takeAsShown: (_: unknown, __: unknown, entry: string) =>
				void shown.push(entry),
		},
		// Heard on a link.
		numbering: {
			isWanted: (_: unknown, entry: string) => entry === entries[1],
		},
	};
	takeShown(undefined as never, mailboxes as never, {
		had: vector(1),
		vector: vector(1),
		wants: [
			// The claim that it has, and one that a higher claim came for.
			{ mailbox, entry: entries[2] as never, claim: 7 },
			{ mailbox, entry: entries[3] as never, claim: 6 },
		],
	});
	expect(shown).toEqual([entries[3], entries[4]]);
});
