/** Changes that a member sent before it was removed, and that were not taken in by then: only what another member has counts. */
import { expect, it } from "vitest";
import { CLUSTER } from "../../../sync/documents/shapes.ts";
import { type NodeId, nodeId, type Origin } from "../../../sync/ids.ts";
import { loneLedger } from "./lone.ts";

const gone = nodeId("b".repeat(44));
const other = nodeId("c".repeat(44));

function node(name: string) {
	const removed = new Set<NodeId>();
	const askedAgain: [Origin, NodeId][] = [];
	const { clock, ledger } = loneLedger(name, {
		refused: (from, by) => askedAgain.push([from, by]),
		isRemoved: (one) => removed.has(one),
	});
	const settled = () => clock.advance(1_000);
	const write = async (key: string): Promise<Uint8Array> => {
		const written = ledger.write((tx) => tx.edit(CLUSTER, { key, set: true }));
		await settled();
		const [framed] = ledger.log.readFramed(
			ledger.origin,
			await written,
			1,
			1 << 20,
		);
		if (framed === undefined) throw new Error("nothing was written");
		return framed;
	};
	return { ledger, removed, askedAgain, settled, write };
}

it("what waits of a removed member is never taken, and asked of others; what another member has is", async () => {
	const [x, y, here] = [node("d"), node("e"), node("a")];
	const first = await x.write("d:first");
	y.ledger.accept([first], other);
	await y.settled();
	const second = await y.write("d:second");
	const has = () => here.ledger.log.vector.get(y.ledger.origin) ?? 0;

	// It rests on what has not come yet.
	here.ledger.accept([second], gone);
	await here.settled();
	here.removed.add(gone);
	here.ledger.accept([first], other);
	await here.settled();
	expect(here.ledger.log.vector.get(x.ledger.origin)).toBe(1);
	expect(has()).toBe(0);
	expect(here.askedAgain).toEqual([[y.ledger.origin, gone]]);
	here.ledger.accept([second], gone);
	await here.settled();
	expect(has()).toBe(0);

	here.ledger.accept([second], other);
	await here.settled();
	expect(has()).toBe(1);
});
