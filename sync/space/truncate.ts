/**
 * Cuts the change log of each origin at its old end: changes that every member holds (but for those that are away for too
 * long, which get the documents as a whole when they return) and that no document needs to be loaded, since it was saved
 * after them. Works in slices, each of which leaves all as it was or as it should be.
 */
import type { DocumentId, Origin } from "../ids.ts";
import {
	LOG_BYTES_KEPT_MIN,
	LOG_SLACK_BYTES,
	LOG_SLACK_CHANGES,
	RECORD_BATCH_BYTES,
	RECORD_BATCH_COUNT,
	SAVES_A_BATCH,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import { unframe } from "../log/log.ts";
import { decodeRecord } from "../log/record.ts";
import type { Stable } from "./told.ts";

/** What an entry takes in rows and documents, about. */
const ENTRY_BYTES = 600;

/** A slice of an origin's log that is about to go. */
interface Slice {
	readonly origin: Origin;
	/** To the last one that goes. */
	readonly upTo: number;
	readonly documents: DocumentId[];
}

export class Truncation {
	readonly #ledger: Ledger;
	readonly #live: () => number;
	/** Cutting goes on until the log is short again: each document is then saved once, not for every slice. */
	#cutting = false;
	/** Documents that were saved since cutting began: they need nothing that was stable then. */
	readonly #saved = new Set<DocumentId>();
	#upTo = new Map<Origin, number>();

	constructor(ledger: Ledger, live: () => number) {
		this.#ledger = ledger;
		this.#live = live;
	}

	/** Changes in the log. */
	get kept(): number {
		const { log } = this.#ledger;
		let sum = 0;
		for (const [origin, sequence] of log.vector)
			sum += sequence - log.firstKept(origin) + 1;
		return sum;
	}

	/** One slice. Resolves to whether there is more to do at once. */
	async step(stable: Stable): Promise<boolean> {
		if (!this.#cutting && !this.#begin(stable)) return false;
		const slice = this.#next();
		if (slice === undefined) {
			this.#cutting = false;
			this.#saved.clear();
			return false;
		}
		const unsaved = slice.documents.filter((id) => !this.#saved.has(id));
		if (unsaved.length > 0) await this.#save(unsaved.slice(0, SAVES_A_BATCH));
		else await this.#cut(slice);
		return true;
	}

	/** The log may be as long as the rest is large; then it is cut to its slack. */
	#begin({ present }: Stable): boolean {
		const { log } = this.#ledger;
		const keptMax = Math.max(LOG_BYTES_KEPT_MIN, this.#live() * ENTRY_BYTES);
		if (log.keptBytes <= keptMax) return false;
		this.#upTo = new Map();
		for (const [origin, sequence] of present) {
			const head = log.vector.get(origin) ?? 0;
			const slack = log.newest(origin, LOG_SLACK_CHANGES, LOG_SLACK_BYTES);
			const upTo = Math.min(sequence, head - slack);
			if (upTo >= log.firstKept(origin)) this.#upTo.set(origin, upTo);
		}
		this.#cutting = this.#upTo.size > 0;
		return this.#cutting;
	}

	#next(): Slice | undefined {
		const { log } = this.#ledger;
		for (const [origin, upTo] of this.#upTo) {
			const from = log.firstKept(origin);
			if (from > upTo) {
				this.#upTo.delete(origin);
				continue;
			}
			const framed = log
				.readFramed(origin, from, RECORD_BATCH_COUNT, RECORD_BATCH_BYTES)
				.slice(0, upTo - from + 1);
			const documents = new Set<DocumentId>();
			for (const one of framed)
				documents.add(decodeRecord(unframe(one)).document);
			return {
				origin,
				upTo: from + framed.length - 1,
				documents: [...documents].filter((id) =>
					this.#ledger.documents.hasChanges(id),
				),
			};
		}
		return undefined;
	}

	async #save(ids: readonly DocumentId[]): Promise<void> {
		const { documents } = this.#ledger;
		await this.#ledger.write(({ batch }) => {
			for (const id of ids) batch.putAll(documents.resnapshot(id));
		});
		for (const id of ids) this.#saved.add(id);
	}

	async #cut({ origin, upTo }: Slice): Promise<void> {
		await this.#ledger.write(({ batch }) =>
			this.#ledger.log.cut(batch, origin, upTo),
		);
	}
}
