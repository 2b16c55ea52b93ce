/** A ledger on simulated parts, with nobody around it. */
import { origin } from "../../../sync/ids.ts";
import {
	type Fold,
	Ledger,
	type LedgerEvents,
} from "../../../sync/log/ledger.ts";
import type { Log } from "../../../sync/ports/log.ts";
import { ALL_RULES } from "../../../sync/rules.ts";
import { SimClock } from "../../../sync/sim/clock.ts";
import { MemoryStore } from "../../../sync/sim/store.ts";

const silent: Log = {
	debug: () => {},
	info: () => {},
	warn: () => {},
	error: () => {},
	child: () => silent,
};

/** Its origin is made of one letter; `events` are those that the test is about. */
export function loneLedger(
	letter: string,
	events: Partial<LedgerEvents> = {},
	folds: readonly Fold[] = [],
): { clock: SimClock; ledger: Ledger } {
	const clock = new SimClock();
	const ledger = new Ledger({
		origin: origin(letter.repeat(16)),
		store: new MemoryStore(),
		clock,
		diary: silent,
		rules: ALL_RULES,
		folds,
		events: {
			committed: () => {},
			onTheWay: () => false,
			wayMilliseconds: () => 0,
			isBringing: () => false,
			refused: () => {},
			isRemoved: () => false,
			damaged: () => {},
			...events,
		},
	});
	return { clock, ledger };
}
