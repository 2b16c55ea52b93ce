/** Where keys lie and how they are taken apart: quick ways that must not differ from the plain ones. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { inOrder, mapOf } from "../../../sync/documents/places.ts";
import { keys, splitKey } from "../../../sync/documents/shapes.ts";
import { deriveId, type EntryId } from "../../../sync/ids.ts";

test("edits come in the order of their maps and keys, those of one key as they were made", () =>
	fc.assert(
		fc.property(
			fc.array(
				fc.record({
					kind: fc.constantFrom("e", "f", "u"),
					id: fc.nat({ max: 40 }),
				}),
				{ maxLength: 256 },
			),
			fc.constantFrom(1, 4, 64),
			(made, buckets) => {
				const edits = made.map(({ kind, id }, number) => ({
					key: `${kind}:${id}:x`,
					number,
				}));
				const sorted = edits
					.map((edit) => ({ map: mapOf(edit.key, buckets), edit }))
					.sort(
						(a, b) =>
							a.map - b.map ||
							(a.edit.key < b.edit.key ? -1 : 0) ||
							(a.edit.key > b.edit.key ? 1 : 0) ||
							a.edit.number - b.edit.number,
					);
				expect(inOrder(edits, buckets)).toEqual(sorted);
			},
		),
	));

test("a key that was just made is taken apart as any other", () => {
	const entry = deriveId<EntryId>("entry");
	const other = deriveId<EntryId>("other");
	for (const make of [
		() => keys.facts(entry),
		() => keys.expunged(entry),
		() => keys.claim(entry, 4711),
		() => keys.flag(entry, "$A:b"),
		() => keys.flag(entry, ""),
	]) {
		const atOnce = splitKey(make());
		const key = make();
		keys.facts(other);
		expect(splitKey(key)).toEqual(atOnce);
		expect(splitKey(keys.facts(other))).toEqual(["e", other, ""]);
	}
});
