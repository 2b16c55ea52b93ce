/** THREAD on plain data (RFC 5256 §3). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	formatThreads,
	orderedSubject,
	references,
	type Threadable,
	type ThreadNode,
} from "../../../node/imap/search/thread.ts";

/** `3: a < b c, Re: x @5` is message 3 with Message-ID a, References b c, subject x, sent at 5. */
function messages(...lines: string[]): Threadable[] {
	return lines.map((line, index) => {
		const [, id = "", refs = "", re, subject = "", at] =
			/^(\S*)(?: < ([^,@]*?))?(?:, (Re: )?([^@]*?))?(?: @(\d+))?$/.exec(line) ??
			[];
		return {
			name: index + 1,
			sentMilliseconds: at === undefined ? index : Number(at),
			subject,
			isReply: re !== undefined,
			messageId: id,
			references: refs === "" ? [] : refs.split(" "),
		};
	});
}
const thread = (...lines: string[]): string =>
	formatThreads(references(messages(...lines)));

describe("REFERENCES", () => {
	test.each<[string, string[], string]>([
		["nothing", [], ""],
		["strangers", ["a", "b"], "(1)(2)"],
		["a chain", ["a", "b < a", "c < a b"], "(1 2 3)"],
		["a fork", ["a", "b < a", "c < a"], "(1 (2)(3))"],
		["the reply came first", ["b < a", "a"], "(2 1)"],
		["an absent parent of two", ["b < a", "c < a"], "((1)(2))"],
		["an absent parent of one", ["b < a"], "(1)"],
		["an absent one in the middle", ["a", "c < a b", "d < a b"], "(1 (2)(3))"],
		["a loop", ["a < b", "b < a"], "(2 1)"],
		["itself", ["a < a"], "(1)"],
		["no Message-ID", ["", " < a", ""], "(1)(2)(3)"],
		["a Message-ID that is taken", ["a", "a", "b < a"], "(1 3)(2)"],
		[
			"its own References over those of others",
			["a", "b", "c < a", "d < b c"],
			"(1 3 4)(2)",
		],
		[
			"without References there is no parent, whatever others say",
			["c < a b", "b", "a"],
			"(2 1)(3)",
		],
		["siblings by date", ["a", "b < a @9", "c < a @5"], "(1 (3)(2))"],
		["threads by date", ["a @9", "b @5"], "(2)(1)"],
		[
			"an absent parent has the date of its first child",
			["b < a @9", "c < a @4", "d @5"],
			"((2)(1))(3)",
		],
	])("%s", (_, lines, wanted) => {
		expect(thread(...lines)).toBe(wanted);
	});

	test.each<[string, string[], string]>([
		["a reply goes below what it answers", ["a, x", "b, Re: x"], "(1 2)"],
		["also if it came first", ["b, Re: x", "a, x"], "(2 1)"],
		["equals stand side by side", ["a, x", "b, x", "c, x"], "((1)(2)(3))"],
		["two replies too", ["a, Re: x", "b, Re: x"], "((1)(2))"],
		["empty subjects do not", ["a, ", "b, "], "(1)(2)"],
		[
			"below an absent one",
			["b < a, Re: x", "c < a, Re: x", "d, x"],
			"((1)(2)(3))",
		],
		[
			"absent ones join",
			["b < a, x", "c < a, y", "e < d, x", "f < d, y"],
			"((1)(2)(3)(4))",
		],
		["a reply among its children", ["a, x", "b < a", "c, Re: x"], "(1 (2)(3))"],
	])("subjects: %s", (_, lines, wanted) => {
		expect(thread(...lines)).toBe(wanted);
	});

	test("a thread ten thousand deep, given backwards", () => {
		const lines = Array.from(
			{ length: 10_000 },
			(_, i) => `m${i} < ${i === 0 ? "" : `m${i - 1}`} @${i}`,
		);
		expect(thread(...lines.toReversed())).toBe(
			`(${Array.from({ length: 10_000 }, (_, i) => 10_000 - i).join(" ")})`,
		);
	});
});

const namesIn = (nodes: readonly ThreadNode[]): number[] =>
	nodes.flatMap(({ message, children }) => [
		...(message === undefined ? [] : [message.name]),
		...namesIn(children),
	]);

const mailbox = fc
	.array(
		fc.record({
			id: fc.integer({ min: 0, max: 12 }),
			refs: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
			subject: fc.constantFrom("", "x", "y"),
			isReply: fc.boolean(),
			at: fc.integer({ min: 0, max: 9 }),
		}),
		{ maxLength: 20 },
	)
	.map((list) =>
		list.map(({ id, refs, subject, isReply, at }, index) => ({
			name: index + 1,
			sentMilliseconds: at,
			subject,
			isReply,
			messageId: id === 0 ? "" : `m${id}`,
			references: refs.map((ref) => `m${ref}`),
		})),
	);

test("whatever refers to whatever, each message comes once, dummies only at the top", () => {
	fc.assert(
		fc.property(mailbox, (list) => {
			for (const algorithm of [references, orderedSubject]) {
				const roots = algorithm(list);
				expect(namesIn(roots).sort((a, b) => a - b)).toEqual(
					list.map(({ name }) => name),
				);
				for (const { message, children } of roots)
					if (message === undefined) expect(children.length).toBeGreaterThan(1);
				const below = roots.flatMap(({ children }) => children);
				for (let one = below.pop(); one; one = below.pop()) {
					expect(one.message).toBeDefined();
					below.push(...one.children);
				}
			}
		}),
		{ numRuns: 500 },
	);
});

test("ORDEREDSUBJECT", () => {
	const list = messages("a, x @5", "b, y @1", "c, Re: x @3", "d, x @9");
	expect(formatThreads(orderedSubject(list))).toBe("(2)(3 (1)(4))");
	expect(formatThreads(orderedSubject(messages("a, x", "b, x")))).toBe("(1 2)");
});
