/** Pairs in memory are those in the store, whatever came and went. */
import { expect, it } from "vitest";
import type { MailboxId, Origin, Sequence } from "../../../sync/ids.ts";
import { TOKEN_PAIRS_MAX } from "../../../sync/limits.ts";
import { Batch } from "../../../sync/log/batch.ts";
import { type Pair, Pairs } from "../../../sync/mailbox/pairs.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const mailbox = "m".repeat(22) as MailboxId;
const givers = [3, 500, 1000];

it("what is kept of a mailbox follows pairs that come, are made better, and are thinned out", () => {
	const store = new MemoryStore();
	const open = () => new Pairs(store, new SimClock(), () => {});
	const pairs = open();
	let state = 1;
	const below = (end: number): number => {
		state = (state * 48_271) % 0x7fff_ffff;
		return state % end;
	};
	for (let round = 0; round < 400; round++) {
		const giver = givers[below(givers.length)] as number;
		const pair: Pair = {
			mailbox,
			token: (1 + below(300)) * 1024 + giver,
			exact: below(2) === 0,
			vector: new Map([
				["a".repeat(16) as Origin, (1 + below(1_000)) as Sequence],
			]),
		};
		pairs.add(pair);
		pairs.top(mailbox);
		if (below(5) > 0) continue;
		const batch = new Batch(store);
		pairs.finish(batch);
		store.commit(batch.writes());
		pairs.committed();
		const fresh = open();
		expect(pairs.of(mailbox)).toEqual(fresh.of(mailbox));
		expect(pairs.of(mailbox, giver)).toEqual(fresh.of(mailbox, giver));
		expect(pairs.top(mailbox)).toEqual(fresh.top(mailbox));
	}
	expect(pairs.of(mailbox, 3).length).toBe(TOKEN_PAIRS_MAX);
});
