/**
 * How long the copies of other members' drives were here at least, durably. RocksDB opens a log that was cut between two
 * of its records, or an older copy of the store, without a word: a copy that is shorter than it was tells of that, and then
 * each body is looked for (the own drive has a mark of its own, driveBlocks()).
 */

import type { ReclaimableBodies } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import type { Store, StoreWrite } from "../ports/store.ts";

const KEY = "meta/copiedBlocks";

/** Drive → blocks, as kept last. */
export function copiedMarks(store: Store): ReadonlyMap<string, number> {
	const text = store.get(KEY);
	return new Map(text === undefined ? [] : JSON.parse(text as string));
}

/** What is missing is known to be. */
export const FORGET_COPIED_MARKS: StoreWrite = [KEY, undefined];

export class DriveMarks {
	readonly #bodies: Pick<ReclaimableBodies, "copiedLengths">;
	readonly #store: Store;
	readonly #diary: Log;
	#latest: string | undefined;
	#isAsking = false;

	constructor(options: {
		readonly bodies: Pick<ReclaimableBodies, "copiedLengths">;
		readonly store: Store;
		readonly diary: Log;
	}) {
		this.#bodies = options.bodies;
		this.#store = options.store;
		this.#diary = options.diary;
	}

	/** What was durable when this was called last, where it is not kept yet. */
	marks(): StoreWrite[] {
		this.#ask();
		const latest = this.#latest;
		if (latest === undefined || this.#store.get(KEY) === latest) return [];
		return [[KEY, latest]];
	}

	#ask(): void {
		if (this.#isAsking) return;
		this.#isAsking = true;
		this.#bodies
			.copiedLengths()
			.then(
				(lengths) => {
					this.#latest = JSON.stringify([...lengths].sort());
				},
				// The store is being closed, or its disk refuses, which whoever writes is told: the mark stays lower.
				(error) =>
					this.#diary.debug("how long the drives are was not noted", { error }),
			)
			.finally(() => {
				this.#isAsking = false;
			});
	}
}
