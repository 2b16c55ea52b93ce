/** The mailbox tree, of registers written apart: one tree everywhere, legal names, nothing lost. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MailboxId } from "../../../sync/ids.ts";
import {
	MAILBOX_DEPTH_MAX,
	MAILBOX_NAME_BYTES_MAX,
} from "../../../sync/limits.ts";
import {
	DELIMITER,
	type NameRegister,
	type Place,
	resolveTree,
	type TreeNode,
	winningRegister,
} from "../../../sync/mailbox/tree.ts";

const id = (text: string) => text as MailboxId;

let stamps = 0;
function node(
	name: string,
	parent: string | null,
	leaf: string,
	more: {
		v?: number;
		state?: TreeNode["state"];
		stamp?: number;
		was?: Place;
		role?: NameRegister["role"];
	} = {},
): TreeNode {
	const { v = 1, state = "kept", stamp = ++stamps, was, role = null } = more;
	return {
		id: id(name),
		uidValidity: v,
		state,
		name: {
			parent: parent === null ? null : id(parent),
			leaf,
			stamp,
			role,
			...(was && { was }),
		},
	};
}

const named = (nodes: readonly TreeNode[]): Record<string, string> =>
	Object.fromEntries(resolveTree(nodes).names);

describe("names of mailboxes", () => {
	it("two of one name: the lower UIDVALIDITY keeps it, and a made-up name takes none from another", () => {
		expect(
			named([
				node("x", null, "Work", { v: 7 }),
				node("y", null, "Work", { v: 5 }),
				node("z", null, "Work (2)", { v: 9 }),
			]),
		).toEqual({ x: "Work (3)", y: "Work", z: "Work (2)" });
	});

	it("what is below goes along", () => {
		expect(
			named([
				node("x", null, "Work", { v: 7 }),
				node("y", null, "Work", { v: 5 }),
				node("under", "x", "Old"),
			]),
		).toMatchObject({ under: "Work (2)/Old" });
	});

	it("of two renames that close a cycle the later is void: its mailbox stays where it was, under its old name", () => {
		const nodes = [
			node("p", null, "P", { stamp: 1 }),
			node("x", "y", "X", { stamp: 10, was: { parent: null, leaf: "X" } }),
			node("y", "x", "Z", { stamp: 11, was: { parent: id("p"), leaf: "Y" } }),
		];
		expect(named(nodes)).toEqual({ p: "P", x: "P/Y/X", y: "P/Y" });
	});

	it("where the old place closes a cycle too, it hangs at the top", () => {
		const nodes = [
			node("x", "y", "X", { stamp: 10 }),
			node("z", "x", "Z", { stamp: 11 }),
			node("y", "z", "Y", { stamp: 12, was: { parent: id("x"), leaf: "Y" } }),
		];
		expect(named(nodes)).toEqual({ y: "Y", x: "Y/X", z: "Y/X/Z" });
	});

	it("INBOX is never lost to another, however that is spelt", () => {
		expect(
			named([
				node("i", null, "INBOX", { v: 9, role: "inbox" }),
				node("x", "gone", "inbox", { v: 1 }),
			]),
		).toEqual({ i: "INBOX", x: "inbox (2)" });
	});

	it("a deleted one stays while something below it lives, and gives way to another of its name", () => {
		const old = node("old", null, "Work", { v: 1, state: "dead" });
		const below = node("below", "old", "New");
		expect(named([old])).toEqual({});
		expect(named([old, below])).toEqual({ old: "Work", below: "Work/New" });
		const again = node("again", null, "Work", { v: 8 });
		const inAgain = node("in", "again", "New", { v: 3 });
		const tree = resolveTree([old, below, again, inAgain]);
		expect(Object.fromEntries(tree.names)).toEqual({
			again: "Work",
			below: "Work/New",
			in: "Work/New (2)",
		});
		expect([...tree.merged]).toEqual([["old", "again"]]);
	});

	it("a deleted one with mail keeps its name until another has it", () => {
		const ghost = node("ghost", null, "Work", { v: 1, state: "ghost" });
		expect(named([ghost])).toEqual({ ghost: "Work" });
		const tree = resolveTree([ghost, node("again", null, "Work", { v: 8 })]);
		expect(Object.fromEntries(tree.names)).toEqual({ again: "Work" });
		expect([...tree.merged]).toEqual([["ghost", "again"]]);
	});

	it("what became too long or too deep hangs at the top", () => {
		const leaf = "ä".repeat(MAILBOX_NAME_BYTES_MAX / 2);
		const long = [
			node("x", null, leaf),
			node("y", "x", "child"),
			node("z", null, "child", { v: 0 }),
		];
		expect(named(long)).toEqual({ x: leaf, y: "child (2)", z: "child" });
		const chain = Array.from({ length: MAILBOX_DEPTH_MAX + 1 }, (_, i) =>
			node(`n${i}`, i === 0 ? null : `n${i - 1}`, `l${i}`),
		);
		expect(named(chain)[`n${MAILBOX_DEPTH_MAX}`]).toBe(`l${MAILBOX_DEPTH_MAX}`);
	});

	it("two of the longest name: the made-up one is as long", () => {
		const leaf = "ä".repeat(MAILBOX_NAME_BYTES_MAX / 2);
		const names = Object.values(
			named([node("x", null, leaf), node("y", null, leaf, { v: 2 })]),
		);
		expect(new Set(names).size).toBe(2);
		for (const name of names)
			expect(Buffer.byteLength(name)).toBeLessThanOrEqual(
				MAILBOX_NAME_BYTES_MAX,
			);
	});
});

// ---------------------------------------------------------------- any registers, in any order

const IDS = ["a", "b", "c", "d", "e", "f", "g"];
const anyPlace = fc.record({
	parent: fc.option(fc.constantFrom(...IDS, "unknown").map(id)),
	leaf: fc.constantFrom(
		"Work",
		"Work (2)",
		"inbox",
		"Old",
		"x".repeat(MAILBOX_NAME_BYTES_MAX - 3),
	),
});
const anyRegister: fc.Arbitrary<NameRegister> = fc
	.record({
		place: anyPlace,
		stamp: fc.nat({ max: 5 }),
		was: fc.option(anyPlace, { nil: undefined }),
	})
	.map(({ place, stamp, was }) => ({
		...place,
		stamp,
		role: null,
		...(was && { was }),
	}));
const anyNodes: fc.Arbitrary<TreeNode[]> = fc
	.subarray(IDS, { minLength: 1 })
	.chain((ids) =>
		fc.tuple(
			...ids.map((one) =>
				fc.record({
					id: fc.constant(id(one)),
					name: anyRegister,
					uidValidity: fc.nat({ max: 3 }),
					state: fc.constantFrom("kept", "kept", "ghost", "dead"),
				}),
			),
		),
	);

const sorted = (map: ReadonlyMap<string, string>) => [...map].sort();

describe("any registers", () => {
	it("give one tree in whatever order they are read", () => {
		fc.assert(
			fc.property(anyNodes, fc.infiniteStream(fc.nat()), (nodes, chance) => {
				const key = new Map(nodes.map((one) => [one, chance.next().value]));
				const shuffled = [...nodes].sort(
					(a, b) => (key.get(a) as number) - (key.get(b) as number),
				);
				const [one, other] = [resolveTree(nodes), resolveTree(shuffled)];
				expect(sorted(other.names)).toEqual(sorted(one.names));
				expect(sorted(other.merged)).toEqual(sorted(one.merged));
			}),
			{ numRuns: 400, seed: 1 },
		);
	});

	it("give legal names, each once, and lose no mailbox and no mail", () => {
		fc.assert(
			fc.property(anyNodes, (nodes) => {
				const { names, merged } = resolveTree(nodes);
				const all = [...names.values()];
				expect(new Set(all).size).toBe(all.length);
				for (const name of all) {
					expect(Buffer.byteLength(name)).toBeLessThanOrEqual(
						MAILBOX_NAME_BYTES_MAX,
					);
					const levels = name.split(DELIMITER);
					expect(levels.length).toBeLessThanOrEqual(MAILBOX_DEPTH_MAX);
					// What a mailbox hangs on can be listed too.
					for (let i = 1; i < levels.length; i++)
						expect(all).toContain(levels.slice(0, i).join(DELIMITER));
				}
				for (const one of nodes) {
					if (one.state === "kept") expect(names.has(one.id)).toBe(true);
					if (one.state !== "ghost" || names.has(one.id)) continue;
					const target = nodes.find(({ id }) => id === merged.get(one.id));
					expect(target?.state).toBe("kept");
				}
			}),
			{ numRuns: 600, seed: 1 },
		);
	});

	it("of registers written at the same time everywhere the same one counts", () => {
		fc.assert(
			fc.property(fc.array(anyRegister, { minLength: 1 }), (registers) => {
				expect(winningRegister([...registers].reverse())).toEqual(
					winningRegister(registers),
				);
			}),
			{ numRuns: 200, seed: 1 },
		);
	});
});
