/** What the log has of one document. Reads only. */
import { splitKey } from "../documents/shapes.ts";
import type { DocumentId, EntryId, Origin } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import { unframe } from "../log/log.ts";
import { type ChangeRecord, decodeRecord } from "../log/record.ts";

/** Some milliseconds of reading. */
const SLICE = 200;
export const SLICE_BYTES = 1024 * 1024;

/** All changes of a document that are in the log, and which entries they are about. */
export async function logged(
	ledger: Ledger,
	id: DocumentId,
	breathe: () => Promise<void>,
): Promise<{ changes: Uint8Array[]; operations: Operations }> {
	const { log } = ledger;
	const changes: Uint8Array[] = [];
	const operations = new Operations();
	for (const [origin, head] of [...log.vector]) {
		const first = log.firstKept(origin);
		if (first > 1) operations.before[origin] = first - 1;
		for (let next = first; next <= head; ) {
			const framed = log.readFramed(origin, next, SLICE, SLICE_BYTES);
			if (framed.length === 0) break;
			for (const one of framed) {
				const record = decodeRecord(unframe(one));
				next = record.sequence + 1;
				if (record.document !== id) continue;
				changes.push(record.change);
				operations.note(record);
			}
			await breathe();
		}
	}
	return { changes, operations };
}

/** Which origin's changes were about which entry of a document, by the log: rule 13 asks for the latest of each. */
export class Operations {
	/** What the log does not reach back to any more: as if each of these were about every entry. */
	readonly before: Record<Origin, number> = {};
	readonly #byEntry = new Map<string, Record<Origin, number>>();

	/** Those on its flags, or on all else of it. */
	of(entry: EntryId, what: "flags" | "else"): Record<Origin, number> {
		return this.#byEntry.get(`${entry} ${what}`) ?? {};
	}
	note({ origin, sequence, keys: changed }: ChangeRecord): void {
		for (const key of changed) {
			const [kind, entry] = splitKey(key);
			const at = `${entry} ${kind === "f" ? "flags" : "else"}`;
			this.#byEntry.set(
				at,
				latest(this.#byEntry.get(at) ?? {}, { [origin]: sequence }),
			);
		}
	}
}

export function latest(
	...all: readonly Record<Origin, number>[]
): Record<Origin, number> {
	const found: Record<Origin, number> = {};
	for (const one of all)
		for (const [origin, sequence] of Object.entries(one) as [Origin, number][])
			found[origin] = Math.max(found[origin] ?? 0, sequence);
	return found;
}
