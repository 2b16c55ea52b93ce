/** Bodies of entries when it is not known which of them lie here: all are needed, until they are found or fetched. */
import type { Origin } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import {
	decodeFacts,
	type EntryRow,
	lives,
	operationsOf,
} from "../mailbox/rows.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import type { BodyNeeds } from "./needs.ts";

/**
 * Which change named the body is not known: as if the first one of each origin had, so that none is told to be whole
 * before.
 */
export function needBody(needs: BodyNeeds, batch: Batch, row: EntryRow): void {
	const facts = decodeFacts(row.f as string);
	for (const origin of Object.keys(operationsOf(row)))
		needs.named(batch, facts, origin as Origin, 1);
}

/** A drive was put aside, or lost its tail: every body that is named. */
export function needAllBodies(
	needs: BodyNeeds,
	batch: Batch,
	store: Store,
): void {
	for (const [, value] of store.range("ent/", prefixEnd("ent/"))) {
		const row = JSON.parse(value as string) as EntryRow;
		if (lives(row)) needBody(needs, batch, row);
	}
}
