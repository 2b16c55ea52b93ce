/** A change that passes every check and cannot be taken in all the same: it alone is refused, and nobody waits for it. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import {
	accountDocument,
	CLUSTER,
	segmentDocument,
} from "../../../sync/documents/shapes.ts";
import {
	accountId,
	mailboxId,
	type NodeId,
	nodeId,
	type Origin,
	origin,
} from "../../../sync/ids.ts";
import { LINK_MESSAGE_BYTES_MAX } from "../../../sync/limits.ts";
import type { Fold, KeyChange, Transaction } from "../../../sync/log/ledger.ts";
import { loneLedger } from "./lone.ts";

const peer = nodeId("b".repeat(44));

/** A node that chokes on the domain `choke`, when it is folded or at the end of its batch. */
function node(name: string, choke?: "fold" | "finish") {
	const folded: string[] = [];
	const refused: [Origin, NodeId][] = [];
	let bad = false;
	const fold: Fold = {
		fold: (_, { key }: KeyChange) => {
			if (key === "d:choke" && choke === "fold") throw new Error("choked");
			bad ||= key === "d:choke";
			folded.push(key);
		},
		finish: () => {
			if (bad && choke === "finish") throw new Error("choked");
		},
		committed: () => {},
		rolledBack: () => {
			bad = false;
			folded.length = 0;
		},
	};
	const { clock, ledger } = loneLedger(
		name,
		{
			refused: (from, by) => refused.push([from, by]),
		},
		[fold],
	);
	const write = (key: string) =>
		ledger.write((tx) => tx.edit(CLUSTER, { key, set: true }));
	return { clock, ledger, refused, write };
}

async function recordsOf(name: string, keys: readonly string[]) {
	const { clock, ledger, write } = node(name);
	for (const key of keys) {
		const written = write(key);
		await clock.advance(1);
		await written;
	}
	return ledger.log.readFramed(ledger.origin, 1, 100, 1 << 20);
}

test.each(["fold", "finish"] as const)(
	"what chokes in %s is refused; what was before it, others' changes and own work are taken",
	async (choke) => {
		const good = await recordsOf("c", ["d:one", "d:two"]);
		const bad = await recordsOf("d", ["d:three", "d:choke", "d:after"]);
		const { clock, ledger, refused, write } = node("a", choke);
		ledger.accept([...bad, ...good], peer);
		// In one batch with it, and so perhaps at fault.
		const own = write("d:own").catch(() => "refused");
		await clock.advance(50);
		expect(await own).toBe(choke === "fold" ? 1 : "refused");
		expect(ledger.log.vector.get(origin("c".repeat(16)))).toBe(2);
		expect(ledger.log.vector.get(origin("d".repeat(16)))).toBe(1);
		expect(refused).toEqual([[origin("d".repeat(16)), peer]]);
		const more = write("d:more");
		await clock.advance(5);
		expect(await more).toBe(choke === "fold" ? 2 : 1);
	},
);

test("own work that fails takes nothing with it that came from others", async () => {
	const records = await recordsOf("c", ["d:one"]);
	const { clock, ledger, refused } = node("a");
	ledger.accept(records, peer);
	const failing = ledger.write((tx) => {
		tx.edit(CLUSTER, { key: "d:mine", set: true });
		throw new Error("a bug");
	});
	failing.catch(() => {});
	await clock.advance(50);
	await expect(failing).rejects.toThrow("a bug");
	expect(refused).toEqual([]);
	expect(ledger.log.vector.get(origin("c".repeat(16)))).toBe(1);
});

const ID = "A".repeat(22);
const SEGMENT = segmentDocument(mailboxId(ID), 0);

test.each<[string, Parameters<Transaction["edit"]>]>([
	["no JSON", [CLUSTER, { key: "s:ffffffffffffffff", set: "null" }]],
	["no text", [SEGMENT, { key: `f:${ID}:$One`, set: 7 }]],
	// Nor would it go over a link.
	[
		"too much",
		[
			accountDocument(accountId(ID)),
			{
				key: "p:password",
				set: randomBytes(LINK_MESSAGE_BYTES_MAX).toString("latin1"),
			},
		],
	],
	// Made as a put that nobody takes, and its removal.
	["what is not there", [SEGMENT, { key: `f:${ID}:$One`, remove: true }]],
])(
	"an own change that no member would take is not made: %s",
	async (_, edit) => {
		const { clock, ledger, write } = node("a");
		const refused = ledger.write((tx) => tx.edit(...edit));
		const told = expect(refused).rejects.toThrow(
			/would be refused by every other member/,
		);
		await clock.advance(5);
		await told;
		expect(ledger.log.vector.get(ledger.origin) ?? 0).toBe(0);
		const more = write("d:more");
		await clock.advance(5);
		expect(await more).toBe(1);
	},
);
