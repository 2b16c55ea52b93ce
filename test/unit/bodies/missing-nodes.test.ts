/** Reading all nodes at once tells the same as hypercore's own way, one by one; for one read of the disk. */
import fc from "fast-check";
import { MerkleTree } from "hypercore/lib/merkle-tree.js";
import { expect, it } from "vitest";

it("counts as hypercore does, with one read for all that ask at once", async () => {
	const { missingNodes: theirs } = MerkleTree;
	const { missingNodes } = await import(
		"../../../sync/bodies/missing-nodes.ts"
	);
	expect(MerkleTree.missingNodes).toBe(missingNodes);
	expect(theirs).not.toBe(missingNodes);
	await fc.assert(
		fc.asyncProperty(
			fc.nat(700),
			fc.integer({ min: 1, max: 300 }),
			fc.uniqueArray(fc.nat(600), { maxLength: 300 }),
			async (index, length, here) => {
				let reads = 0;
				const session = {
					storage: {
						read: () => ({
							hasTreeNode: async (node: number) => here.includes(node),
							tryFlush: () => {
								reads++;
							},
						}),
					},
				};
				const expected = await theirs(session, index, length);
				reads = 0;
				const both = [0, 1].map(() => missingNodes(session, index, length));
				expect(await Promise.all(both)).toEqual([expected, expected]);
				expect(reads).toBeLessThanOrEqual(1);
			},
		),
	);
});
