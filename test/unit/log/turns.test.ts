/** Much work at once is done in turns: nobody else waits for all of it. */
import { expect, test } from "vitest";
import type { Edit } from "../../../sync/documents/flat.ts";
import { segmentDocument } from "../../../sync/documents/shapes.ts";
import { type MailboxId, nodeId, type Origin } from "../../../sync/ids.ts";
import {
	CHANGE_EDITS_MAX,
	RECORD_BATCH_KEYS,
	SETTLED_OPERATIONS_MAX,
} from "../../../sync/limits.ts";
import type { Ledger } from "../../../sync/log/ledger.ts";
import { unframe } from "../../../sync/log/log.ts";
import { decodeRecord } from "../../../sync/log/record.ts";
import { loneLedger } from "./lone.ts";

const document = segmentDocument("m".repeat(22) as MailboxId, 1);
const flag = (n: number): Edit => ({
	key: `f:${String(n).padStart(22, "0")}:\\seen`,
	add: "\\Seen",
	isNew: true,
});

function node(name: string) {
	const state = { onTheWay: false, commits: 0 };
	const { clock, ledger } = loneLedger(name, {
		committed: () => {
			state.commits++;
		},
		onTheWay: () => state.onTheWay,
	});
	const store = (count: number) =>
		ledger.write((tx) => {
			for (let n = 0; n < count; n++) tx.edit(document, flag(n));
		});
	return { clock, ledger, state, store };
}
const framed = (ledger: Ledger, of: Origin) =>
	ledger.log.readFramed(of, 1, 1_000, 10_000_000);

const FLAGS = 3_000;

test("what is written at once becomes changes that are each applied in one turn, others between them", async () => {
	const { clock, ledger, state, store } = node("a");
	const written = store(FLAGS);
	await clock.advance(1);
	const changes = Math.ceil(FLAGS / CHANGE_EDITS_MAX);
	expect(await written).toBe(changes);
	expect(state.commits).toBe(1);
	const keys = framed(ledger, ledger.origin).map(
		(one) => decodeRecord(unframe(one)).keys,
	);
	for (const some of keys)
		expect(some.length).toBeLessThanOrEqual(CHANGE_EDITS_MAX);
	expect(keys.flat()).toEqual(
		Array.from({ length: FLAGS }, (_, n) => flag(n).key),
	);
	expect(CHANGE_EDITS_MAX).toBeLessThanOrEqual(SETTLED_OPERATIONS_MAX);
	// The first turn comes when it was quiet for a moment, and then one after the other.
	await clock.advance(100);
	let turns = 1;
	for (; ledger.documents.isUnsettled; turns++) await clock.advance(20);
	expect(turns).toBe(changes);
});

test("a member takes it in by parts, too", async () => {
	const a = node("a");
	void a.store(FLAGS);
	await a.clock.advance(1);
	const b = node("b");
	b.ledger.accept(framed(a.ledger, a.ledger.origin), nodeId("a".repeat(44)));
	await b.clock.advance(1);
	expect(b.state.commits).toBe(
		Math.ceil(FLAGS / (RECORD_BATCH_KEYS + CHANGE_EDITS_MAX)),
	);
	expect(b.ledger.log.vector).toEqual(a.ledger.log.vector);
	// Nothing of it is applied while it comes in.
	expect(b.ledger.documents.get(document).isUnsettled).toBe(true);
	expect(b.ledger.documents.get(document).heads()).toEqual(
		a.ledger.documents.get(document).heads(),
	);
});

test("a step of much work does not wait for the copies of the step before", async () => {
	const { clock, ledger, state } = node("a");
	state.onTheWay = true;
	void ledger.write((tx) => tx.edit(document, flag(1)), { isPart: true });
	await clock.advance(1);
	expect(state.commits).toBe(1);
});
