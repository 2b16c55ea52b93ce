/** What the log has of one document. Reads only. */
import { splitKey } from "../documents/shapes.ts";
import type { DocumentId, EntryId, Origin } from "../ids.ts";
import type { Ledger } from "../log/ledger.ts";
import { unframe } from "../log/log.ts";
import { BadRecord, type ChangeRecord, decodeRecord } from "../log/record.ts";

/** Some milliseconds of reading. */
const SLICE = 200;
export const SLICE_BYTES = 1024 * 1024;

/** What the log has of one document. */
export interface Logged {
	readonly changes: Uint8Array[];
	readonly operations: Operations;
	/** All there ever was: the log reaches back to the first change of each origin, and every record can be read. */
	isWhole: boolean;
}

/** All changes of a document that are in the log, and which entries they are about. */
export async function logged(
	ledger: Ledger,
	id: DocumentId,
	breathe: () => Promise<void>,
): Promise<Logged> {
	const found = nothing();
	for (const _ of gather(ledger, id, found)) await breathe();
	return found;
}

/** As logged(), in one go. */
export function loggedAtOnce(ledger: Ledger, id: DocumentId): Logged {
	const found = nothing();
	for (const _ of gather(ledger, id, found));
	return found;
}

const nothing = (): Logged => ({
	changes: [],
	operations: new Operations(),
	isWhole: true,
});

/** Yields after each slice. */
function* gather(
	{ log }: Ledger,
	id: DocumentId,
	found: Logged,
): Generator<void> {
	for (const [origin, head] of [...log.vector]) {
		const first = log.firstKept(origin);
		if (first > 1) {
			found.operations.before[origin] = first - 1;
			found.isWhole = false;
		}
		for (let next = first; next <= head; ) {
			const framed = log.readFramed(origin, next, SLICE, SLICE_BYTES);
			if (framed.length === 0) {
				found.isWhole = false;
				break;
			}
			for (const one of framed) {
				const record = readable(one);
				if (record?.sequence !== next) found.isWhole = false;
				next = (record?.sequence ?? next) + 1;
				if (record?.document !== id) continue;
				found.changes.push(record.change);
				found.operations.note(record);
			}
			yield;
		}
	}
}

function readable(framed: Uint8Array): ChangeRecord | undefined {
	try {
		return decodeRecord(unframe(framed));
	} catch (error) {
		if (!(error instanceof BadRecord)) throw error;
		return undefined;
	}
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
