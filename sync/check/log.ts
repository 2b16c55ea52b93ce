/** Checks of what lies below the documents: the store's own order, and the change log of each origin. Pure. */
import type { Origin } from "../ids.ts";
import { ChangeLog, framedHash, unframe } from "../log/log.ts";
import { type ChainHash, chainHash, decodeRecord } from "../log/record.ts";
import type { Store } from "../ports/store.ts";
import type { Flaw, Step } from "./flaws.ts";
import { walk } from "./walk.ts";

/** Reads every row once: what cannot be read, or is out of order, is damage of the file. */
export function* checkStore(store: Store): Generator<Step> {
	let last = "";
	try {
		for (const rows of walk(store, "")) {
			for (const [key] of rows) {
				if (key <= last)
					yield { kind: "store", what: `rows are out of order at ${key}` };
				last = key;
			}
			yield rows.length;
		}
	} catch (error) {
		yield {
			kind: "store",
			what: `what follows ${JSON.stringify(last.slice(0, 60))} cannot be read (${(error as Error).message})`,
		};
	}
}

/** Changes that the log should hold, over all origins. */
export function logLength(log: ChangeLog): number {
	let sum = 0;
	for (const [origin, sequence] of log.vector)
		sum += Math.max(0, sequence - log.firstKept(origin) + 1);
	return sum;
}

const SLICE_RECORDS = 200;
const SLICE_BYTES = 1024 * 1024;

/** Per origin: each change follows the one before by number and hash, from the first kept to the head. */
export function* checkLog(store: Store): Generator<Step> {
	const log = new ChangeLog(store);
	for (const origin of [...log.vector.keys()]) yield* checkOrigin(log, origin);
}

export function* checkOrigin(log: ChangeLog, origin: Origin): Generator<Step> {
	const head = log.head(origin);
	if (head === undefined) return;
	const first = log.firstKept(origin);
	// What lies before the first kept record is known by its hash only, which nothing here tells.
	let previous: ChainHash | undefined = first === 1 ? "" : undefined;
	let next = first;
	while (next <= head.sequence) {
		const framed = log.readFramed(origin, next, SLICE_RECORDS, SLICE_BYTES);
		// The log may have been cut meanwhile.
		if (log.firstKept(origin) > next) return;
		if (framed.length === 0) {
			yield flaw(origin, next, "is not in the log");
			return;
		}
		for (const one of framed) {
			if (next > head.sequence) break;
			const wrong = fault(one, origin, next, previous);
			if (wrong !== undefined) {
				yield flaw(origin, next, wrong);
				return;
			}
			previous = framedHash(one);
			next++;
		}
		yield framed.length;
	}
	if (first <= head.sequence && previous !== head.hash)
		yield flaw(origin, head.sequence, "is not the one that the head names");
}

function fault(
	framed: Uint8Array,
	origin: Origin,
	sequence: number,
	previous: ChainHash | undefined,
): string | undefined {
	try {
		const record = decodeRecord(unframe(framed));
		if (record.origin === origin && record.sequence > sequence)
			return "is not in the log";
		if (record.origin !== origin || record.sequence !== sequence)
			return `is another one: ${record.sequence} of ${record.origin}`;
		const hash = chainHash(previous ?? "", unframe(framed));
		return previous === undefined || hash === framedHash(framed)
			? undefined
			: "does not continue the chain of hashes: it, or the one before, is damaged";
	} catch (error) {
		return `cannot be read (${(error as Error).message})`;
	}
}

const flaw = (origin: Origin, sequence: number, what: string): Flaw => ({
	kind: "log",
	origin,
	sequence,
	what,
});
