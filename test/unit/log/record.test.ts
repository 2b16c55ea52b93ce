import { encode } from "cborg";
import fc from "fast-check";
import { expect, test } from "vitest";
import { segmentDocument } from "../../../sync/documents/shapes.ts";
import type {
	MailboxId,
	Milliseconds,
	Origin,
	Sequence,
} from "../../../sync/ids.ts";
import { encodeRecord } from "../../../sync/log/record.ts";

test("records of many keys are the bytes that CBOR makes of them", () => {
	const text = fc.oneof(
		fc.string({ maxLength: 40 }),
		fc.string({ unit: "grapheme", maxLength: 300 }),
		fc.constantFrom("x".repeat(23), "x".repeat(255), "é".repeat(128)),
	);
	fc.assert(
		fc.property(
			fc.array(text, { maxLength: 300 }),
			fc.uint8Array({ maxLength: 50 }),
			fc.nat(),
			(keys, change, made) => {
				const origin = "o".repeat(22) as Origin;
				const document = segmentDocument("m".repeat(22) as MailboxId, 3);
				const record = {
					origin,
					sequence: 70_000 as Sequence,
					had: new Map([["p".repeat(22) as Origin, 12 as Sequence]]),
					document,
					keys,
					change,
					madeMilliseconds: made as Milliseconds,
				};
				const bytes = encodeRecord(record);
				const had = ["p".repeat(22), 12];
				expect(Buffer.from(bytes)).toEqual(
					Buffer.from(
						encode([origin, 70_000, had, document, keys, change, made]),
					),
				);
			},
		),
		{ numRuns: 200 },
	);
});
