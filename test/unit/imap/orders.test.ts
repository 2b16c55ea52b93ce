/** The order that SORT answered in is held for the same messages and criteria only. */
import { expect, test } from "vitest";
import type { Hit } from "../../../node/imap/search/match.ts";
import { SortOrders } from "../../../node/imap/search/orders.ts";
import type { Selected } from "../../../node/imap/selected.ts";
import { uid } from "../../../sync/ids.ts";

const selected = (id: string, uidValidity = 1) =>
	({ mailbox: { id, uidValidity } }) as Selected;
const hits = (...uids: number[]): Hit[] =>
	uids.map((one, at) => ({ uid: uid(one), number: at + 1 }));
const uidsOf = (found: readonly Hit[] | undefined) =>
	found?.map((hit) => hit.uid);

test("the same messages have the same order; others, and other criteria, are put in order anew", () => {
	const orders = new SortOrders();
	const box = selected("a");
	const kept = orders.keep(
		box,
		"SIZE",
		hits(10, 20, 30),
		Float64Array.of(2, 0, 1),
	);
	expect(uidsOf(kept)).toEqual([30, 10, 20]);
	expect(uidsOf(orders.of(box, "SIZE", hits(10, 20, 30)))).toEqual([
		30, 10, 20,
	]);
	for (const other of [hits(10, 20), hits(10, 20, 31), hits(10, 20, 30, 40)])
		expect(orders.of(box, "SIZE", other)).toBeUndefined();
	expect(orders.of(box, "-SIZE", hits(10, 20, 30))).toBeUndefined();
	expect(orders.of(selected("b"), "SIZE", hits(10, 20, 30))).toBeUndefined();
	expect(orders.of(selected("a", 2), "SIZE", hits(10, 20, 30))).toBeUndefined();
});

test("messages are named by the numbers that they have now", () => {
	const orders = new SortOrders();
	const box = selected("a");
	orders.keep(box, "SIZE", hits(20, 30), Float64Array.of(1, 0));
	const moved = hits(5, 20, 30).slice(1);
	expect(orders.of(box, "SIZE", moved)?.map(({ number }) => number)).toEqual([
		3, 2,
	]);
});
