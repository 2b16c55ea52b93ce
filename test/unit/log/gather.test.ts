import { expect, test } from "vitest";
import { CLUSTER } from "../../../sync/documents/shapes.ts";
import { nodeId } from "../../../sync/ids.ts";
import { loneLedger } from "./lone.ts";

const peer = nodeId("b".repeat(44));

/** A ledger whose own changes are on their way until it is told otherwise; counts its commits. */
function node(name: string) {
	const state = {
		onTheWay: false,
		wayMilliseconds: 0,
		isBringing: false,
		commits: 0,
	};
	const { clock, ledger } = loneLedger(name, {
		committed: () => {
			state.commits++;
		},
		onTheWay: () => state.onTheWay,
		wayMilliseconds: () => state.wayMilliseconds,
		isBringing: () => state.isBringing,
	});
	const write = (key: string) =>
		ledger.write((tx) => tx.edit(CLUSTER, { key, set: true }));
	return { clock, ledger, state, write };
}

test("while own changes are on their way, what comes is gathered, for a bounded time", async () => {
	const { clock, state, write } = node("a");
	state.onTheWay = true;
	const writes = [write("d:x")];
	await clock.advance(20);
	writes.push(write("d:y"));
	await clock.advance(15);
	expect(state.commits).toBe(0);
	await clock.advance(10);
	expect(state.commits).toBe(1);
	expect(await Promise.all(writes)).toEqual([1, 1]);
});

test("over a long line less is gathered: the confirmation does not come sooner", async () => {
	const { clock, state, write } = node("a");
	state.onTheWay = true;
	state.wayMilliseconds = 100;
	const writes = [write("d:x")];
	await clock.advance(2);
	writes.push(write("d:y"));
	await clock.advance(1);
	expect(state.commits).toBe(0);
	await clock.advance(3);
	expect(state.commits).toBe(1);
	expect(await Promise.all(writes)).toEqual([1, 1]);
});

test("what was gathered goes at once when the changes before it are confirmed", async () => {
	const { clock, ledger, state, write } = node("a");
	state.onTheWay = true;
	void write("d:x");
	await clock.advance(1);
	ledger.confirmed();
	await clock.advance(1);
	expect(state.commits).toBe(0);
	state.onTheWay = false;
	ledger.confirmed();
	await clock.advance(1);
	expect(state.commits).toBe(1);
});

test("changes of a member are taken in at once, and what was gathered goes along: it may be waiting for them", async () => {
	const other = node("b");
	void other.write("d:z");
	await other.clock.advance(1);
	const { clock, ledger, state, write } = node("a");
	state.onTheWay = true;
	void write("d:x");
	await clock.advance(1);
	ledger.accept(
		other.ledger.log.readFramed(other.ledger.origin, 1, 10, 10_000),
		peer,
	);
	await clock.advance(1);
	expect(state.commits).toBe(1);
	expect(ledger.log.vector.get(other.ledger.origin)).toBe(1);
	expect(ledger.log.vector.get(ledger.origin)).toBe(1);
});

test("changes that wait are applied when it is quiet, and not while bodies come", async () => {
	const { clock, ledger, state, write } = node("a");
	state.isBringing = true;
	await Promise.all([write("d:x"), clock.advance(1)]);
	await clock.advance(5_000);
	expect(ledger.documents.isUnsettled).toBe(true);
	state.isBringing = false;
	await clock.advance(200);
	expect(ledger.documents.isUnsettled).toBe(false);
});

test("a ledger that was stopped touches its store no more, and says so to whoever wrote since", async () => {
	const other = node("b");
	void other.write("d:z");
	await other.clock.advance(1);
	const { clock, ledger, state, write } = node("a");
	await Promise.all([write("d:v"), clock.advance(1)]);
	await ledger.settled();
	const refused = [write("d:w")];
	ledger.stop();
	refused.push(write("d:x"));
	ledger.accept(
		other.ledger.log.readFramed(other.ledger.origin, 1, 10, 10_000),
		peer,
	);
	await Promise.all(
		refused.map((each) => expect(each).rejects.toThrow("being stopped")),
	);
	await clock.advance(10_000);
	expect(state.commits).toBe(1);
	await ledger.settled();
});
