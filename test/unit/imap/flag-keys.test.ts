/** Keys that flags decide alone are asked once for each combination of flags: that must say what asking each message does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Key } from "../../../node/imap/search/keys.ts";
import {
	type Candidate,
	compile,
	type SearchContext,
} from "../../../node/imap/search/match.ts";

const context = { lastNumber: 9 } as SearchContext;
const names = ["\\Seen", "\\Flagged", "$Junk", "$junk"];
const { key } = fc.letrec<{ key: Key; keys: Key[] }>((tie) => ({
	key: fc.oneof(
		{ maxDepth: 4 },
		fc.record({
			kind: fc.constant("flag" as const),
			flag: fc.constantFrom(...names),
		}),
		fc.constant({ kind: "all" as const }),
		fc.record({ kind: fc.constant("not" as const), key: tie("key") }),
		fc.record({
			kind: fc.constantFrom("or" as const, "and" as const),
			keys: tie("keys"),
		}),
	),
	keys: fc.array(tie("key"), { minLength: 1, maxLength: 3 }),
}));

const holds = (of: Key, flags: readonly string[]): boolean => {
	switch (of.kind) {
		case "all":
			return true;
		case "flag":
			return flags.some((one) => one.toLowerCase() === of.flag.toLowerCase());
		case "not":
			return !holds(of.key, flags);
		case "or":
			return of.keys.some((one) => holds(one, flags));
		case "and":
			return of.keys.every((one) => holds(one, flags));
		default:
			throw new Error(of.kind);
	}
};

test("whatever is made of flags with AND, OR and NOT is decided by them", () => {
	fc.assert(
		fc.property(key, fc.subarray(names), (of, flags) => {
			const test = compile(of, context);
			const expected = holds(of, flags);
			expect(test.byFlags?.(flags)).toBe(expected);
			expect(test.now({ message: { flags } } as unknown as Candidate)).toBe(
				expected,
			);
		}),
	);
});

test("a key that looks at more than flags is not decided by them", () => {
	const flag: Key = { kind: "flag", flag: "\\Seen" };
	const larger: Key = { kind: "larger", sizeBytes: 1 };
	for (const of of [
		larger,
		{ kind: "not", key: larger },
		{ kind: "or", keys: [flag, larger] },
		{ kind: "and", keys: [flag, larger] },
	] satisfies Key[])
		expect(compile(of, context).byFlags).toBeUndefined();
});
