/** Which keys of a segment may lie there: the many that are known at a glance are told as taking them apart tells. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentFaultOf } from "../../../sync/documents/content.ts";
import { segmentDocument, splitKey } from "../../../sync/documents/shapes.ts";
import { deriveId, type EntryId, type MailboxId } from "../../../sync/ids.ts";

const faultOf = contentFaultOf(
	segmentDocument(deriveId<MailboxId>("mailbox"), 0),
);
const entry = deriveId<EntryId>("entry");

const letter = fc.constantFrom(...":-_aZ09+/=é ");
const id = fc.oneof(
	fc.constant<string>(entry),
	// One letter of it replaced, left out, or one more.
	fc
		.tuple(fc.nat({ max: 22 }), letter, fc.nat({ max: 1 }))
		.map(
			([at, other, more]) =>
				entry.slice(0, at) + other + entry.slice(at + more),
		),
	fc.string({ maxLength: 24 }),
);
const kind = fc.constantFrom("e", "u", "f", "x", "q", "", "ee", "é");
const detail = fc.constantFrom(undefined, "", "1", "0", "4294967295", "x:y");
const key = fc
	.tuple(kind, id, detail)
	.map((parts) => parts.filter((part) => part !== undefined).join(":"));

/** As the table of shapes.ts says it. */
function isSound(key: string): boolean {
	const [kind, of, detail] = splitKey(key);
	const isEntry = /^[A-Za-z0-9_-]{22}$/.test(of);
	if ("eufx".includes(kind) && kind !== "" && !isEntry) return false;
	if (kind === "e") return false;
	return kind !== "u" || /^[1-9][0-9]{0,9}$/.test(detail);
}

test("a key is let pass if it is of an entry, or of a kind that is not known here", () =>
	fc.assert(
		fc.property(key, (key) => {
			expect(faultOf(key, "a text") === undefined, key).toBe(isSound(key));
		}),
		{ numRuns: 2_000 },
	));
