/** What a node holds, as checks walk through it. */
import { kindOf } from "../documents/shapes.ts";
import type { DocumentId, EntryId, MailboxId } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import {
	decodeFacts,
	type EntryRow,
	liesIn,
	lives,
	rowKey,
} from "../mailbox/rows.ts";
import type { BodyRef } from "../ports/bodies.ts";
import type { Store } from "../ports/store.ts";
import { walk } from "./walk.ts";

interface Named {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly body: BodyRef;
}

/** Bodies that entries name which live, after the row with key `after`. */
export function* bodiesOf(
	store: Store,
	after?: string,
): Generator<Named & { readonly key: string }> {
	for (const rows of walk(store, "ent/", 64, after))
		for (const [key, value] of rows) {
			const row = JSON.parse(value as string) as EntryRow;
			if (!lives(row)) continue;
			const [, mailbox, entry] = key.split("/");
			yield {
				key,
				mailbox: mailbox as MailboxId,
				entry: entry as EntryId,
				body: decodeFacts(row.f as string).body,
			};
		}
}

/** Whether a message that lives has its row in the document; true for what holds no messages. */
export function hasMail(store: Store, id: DocumentId): boolean {
	const place = kindOf(id);
	if (place.kind !== "segment") return true;
	for (const rows of walk(store, rowKey(place.mailbox, "" as EntryId)))
		for (const [, value] of rows) {
			const row = JSON.parse(value as string) as EntryRow;
			if (liesIn(row, place.segment) && lives(row)) return true;
		}
	return false;
}

/** What is wrong with the document, as the store has it. */
export function documentFault(
	id: DocumentId,
	documents: Ledger["documents"],
): string | undefined {
	try {
		const stored = documents.stored(id);
		const heads = stored.heads().join();
		const lacks = stored.lacks([]).length;
		stored.free();
		if (lacks > 0) return "lacks changes that others of its changes need";
		// One that is not open would be read from the same place once more.
		if (!documents.isOpen(id)) return undefined;
		return heads === documents.get(id).heads().join()
			? undefined
			: "is not the same in the store as in memory";
	} catch (error) {
		return `cannot be opened (${(error as Error).message})`;
	}
}
