/**
 * What a client knows of a mailbox, and the one place where that moves on: the difference between it and what this node
 * shows now, told at points where the protocol allows it. Message numbers are positions in `Known.uids`.
 */
import type { SelectedMailbox } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import { flagsKey } from "./flags.ts";
import { indexOf, lowerBound } from "./sequence-set.ts";

export class Known {
	/** Told to the client, ascending; message number n is `uids[n - 1]`. Often the mailbox's own array: never changed. */
	uids: readonly Uid[];
	cursor: number;
	/** HIGHESTMODSEQ when this was told. */
	modSeq: number;
	/** In `uids`, gone from the mailbox, and not told yet because EXPUNGE was not allowed. */
	readonly missing = new Set<Uid>();
	/** Flags that the client takes a message to have by its own STORE (flagsKey): they need not be told. */
	readonly expected = new Map<Uid, string>();
	/** The client was promised a FETCH with the flags of these (STORE without .SILENT). */
	readonly owed = new Set<Uid>();
	/** Told as gone, yet the mailbox still resolves them: renumbered messages. */
	readonly replaced = new Set<Uid>();

	constructor(view: SelectedMailbox) {
		this.uids = view.uids();
		this.cursor = view.cursor;
		this.modSeq = view.highestModSeq;
	}
}

/** To be told in this order. Numbers in `expunged` hold one after the other; `changed` are UIDs. */
export interface Difference {
	readonly expunged: readonly number[];
	readonly exists: number | undefined;
	readonly changed: readonly Uid[];
}

const NONE: Difference = { expunged: [], exists: undefined, changed: [] };

/**
 * Moves `known` on to what `view` shows now, and returns what the client must be told so that its idea is the same.
 * Without `mayExpunge` messages that are gone keep their numbers (RFC 3501 §7.4.1).
 */
export function difference(
	known: Known,
	view: SelectedMailbox,
	mayExpunge: boolean,
): Difference {
	const mayHaveChanged = view.cursor !== known.cursor;
	if (
		!mayHaveChanged &&
		known.owed.size === 0 &&
		(known.missing.size === 0 || !mayExpunge)
	)
		return NONE;
	const changed = mayHaveChanged ? changes(known, view) : [];
	for (const uid of known.owed)
		if (indexOf(known.uids, uid) >= 0 && view.resolve(uid) !== undefined)
			changed.push(uid);
	known.owed.clear();
	known.expected.clear();
	const expunged = mayExpunge ? expunge(known, view) : [];
	const exists = mayHaveChanged ? arrive(known, view) : undefined;
	known.cursor = view.cursor;
	known.modSeq = view.highestModSeq;
	return { expunged, exists, changed };
}

/** Known messages with flags that the client does not expect; notes those that are gone. */
function changes(known: Known, view: SelectedMailbox): Uid[] {
	const touched = view.touchedSince(known.cursor);
	const all = touched === "all";
	const changed: Uid[] = [];
	for (const uid of all ? known.uids : new Set(touched)) {
		const message = view.get(uid);
		if (!all && indexOf(known.uids, uid) < 0) continue;
		if (message === undefined) {
			known.missing.add(uid);
			continue;
		}
		known.missing.delete(uid);
		if (known.owed.has(uid)) continue;
		else if (all && message.modSeq <= known.modSeq) continue;
		else if (known.expected.get(uid) !== flagsKey(message.flags))
			changed.push(uid);
	}
	return changed;
}

/** Takes out what is missing; the numbers to tell, highest first, so that none shifts another. */
function expunge(known: Known, view: SelectedMailbox): number[] {
	if (known.missing.size === 0) return [];
	const numbers: number[] = [];
	for (const uid of known.missing) {
		numbers.push(indexOf(known.uids, uid) + 1);
		if (view.resolve(uid) !== undefined) known.replaced.add(uid);
	}
	numbers.sort((a, b) => b - a);
	known.uids = known.uids.filter((uid) => !known.missing.has(uid));
	known.missing.clear();
	return numbers;
}

/** Takes in what is new; the new number of messages, if any came. */
function arrive(known: Known, view: SelectedMailbox): number | undefined {
	const now = view.uids();
	const first = lowerBound(now, (known.uids.at(-1) ?? 0) + 1);
	const arrived = now.length - first;
	if (known.missing.size === 0) {
		// UIDs only ever appear above all that were told (mailbox-consistency rule 6).
		if (known.uids.length !== first)
			throw new Error(
				"the mailbox shows a UID below one that it showed before",
			);
		known.uids = now;
	} else if (arrived > 0) known.uids = known.uids.concat(now.slice(first));
	return arrived > 0 ? known.uids.length : undefined;
}
