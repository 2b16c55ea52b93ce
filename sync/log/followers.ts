/** What follows the batches like a fold, though others tell it what is in them. */
import type { Batch } from "./batch.ts";
import type { Fold } from "./transaction.ts";

export interface Follower {
	finish?(batch: Batch): void;
	committed(): void;
	rolledBack(): void;
}

/** All of them as one fold. */
export const followers = (...all: Follower[]): Fold => ({
	fold: () => {},
	foldNew: () => {},
	finish: (tx) => {
		for (const one of all) one.finish?.(tx.batch);
	},
	committed: () => {
		for (const one of all) one.committed();
	},
	rolledBack: () => {
		for (const one of all) one.rolledBack();
	},
});
