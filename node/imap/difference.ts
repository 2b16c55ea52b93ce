/**
 * What a client knows of a mailbox, and the one place where that moves on: the difference between it and what this node
 * shows now, told at points where the protocol allows it. Message numbers are positions in `Known.uids`.
 */
import type { SelectedMailbox } from "../../sync/api.ts";
import type { Uid } from "../../sync/ids.ts";
import { flagsKey } from "./flags.ts";
import { indexOf, lowerBound } from "./sequence-set.ts";
import { SparseSet } from "./sparse-set.ts";

export class Known {
	/** Told to the client, ascending; message number n is `uids[n - 1]`. Often the mailbox's own array: never changed. */
	uids: readonly Uid[];
	cursor: number;
	/** HIGHESTMODSEQ when this was told: no higher mod-sequence may be (rule 16). */
	modSeq: number;
	/** The same, but not above that of an expunge which is not told yet: what the client may go on from (RFC 7162 §3.2). */
	settledModSeq: number;
	/** In `uids`, gone from the mailbox, and not told yet because EXPUNGE was not allowed. */
	readonly missing = new SparseSet<Uid>();
	/** Flags that the client takes a message to have by its own STORE (flagsKey): they need not be told. */
	readonly expected = new Map<Uid, string>();
	/** Flags of these were told after the client may have sent the command that runs. */
	readonly unsure = new SparseSet<Uid>();
	/** The client was promised a FETCH with the flags of these (STORE without .SILENT). */
	readonly owed = new SparseSet<Uid>();
	/** The client was promised at least the mod-sequence of these (RFC 7162 §3.1.3). */
	readonly owedModSeq = new SparseSet<Uid>();
	/** Told as gone, yet the mailbox still resolves them: renumbered messages. */
	readonly replaced = new SparseSet<Uid>();

	constructor(view: SelectedMailbox) {
		this.uids = view.uids();
		this.cursor = view.cursor;
		this.modSeq = view.highestModSeq;
		this.settledModSeq = this.modSeq;
	}

	/** A command was refused: nothing is promised for it any more. */
	forgetPromises(): void {
		this.owed.clear();
		this.owedModSeq.clear();
		this.expected.clear();
	}
}

/** To be told in this order. */
export interface Difference {
	/** Numbers, each of which holds after those before it were told. */
	readonly expunged: readonly number[];
	/** UIDs of the same, ascending. */
	readonly vanished: readonly Uid[];
	readonly exists: number | undefined;
	/** Flags that the client does not know, or was promised. */
	readonly changed: readonly Uid[];
	/** Of those: what the client was promised by its own command. */
	readonly promised: ReadonlySet<Uid>;
	/** Changed as the client expects: it lacks only the mod-sequence. */
	readonly expected: readonly Uid[];
}

const NONE: Difference = {
	expunged: [],
	vanished: [],
	exists: undefined,
	changed: [],
	promised: new Set(),
	expected: [],
};

/**
 * Moves `known` on to what `view` shows now, and returns what the client must be told so that its idea is the same.
 * Without `mayExpunge` messages that are gone keep their numbers (RFC 3501 §7.4.1).
 */
export function difference(
	known: Known,
	view: SelectedMailbox,
	mayExpunge: boolean,
): Difference {
	if (nothingNew(known, view, mayExpunge)) return NONE;
	const mayHaveChanged = view.cursor !== known.cursor;
	const changed: Uid[] = [];
	const expected: Uid[] = [];
	if (mayHaveChanged) changes(known, view, changed, expected);
	for (const uid of known.owed)
		if (isThere(known, view, uid)) changed.push(uid);
	for (const uid of known.owedModSeq)
		if (!known.owed.has(uid) && isThere(known, view, uid)) expected.push(uid);
	const promised = new Set(known.owed);
	known.forgetPromises();
	const { numbers: expunged, uids: vanished } = mayExpunge
		? expunge(known, view)
		: { numbers: [], uids: [] };
	const exists = mayHaveChanged ? arrive(known, view) : undefined;
	known.cursor = view.cursor;
	noteModSeq(known, view);
	return { expunged, vanished, exists, changed, promised, expected };
}

/** Whether the difference is none; then `known` has been moved on. */
export function nothingNew(
	known: Known,
	view: SelectedMailbox,
	mayExpunge: boolean,
): boolean {
	if (
		view.cursor !== known.cursor ||
		known.owed.size + known.owedModSeq.size > 0 ||
		(known.missing.size > 0 && mayExpunge)
	)
		return false;
	// It may have moved on alone, by a token that the client named (rule 11).
	noteModSeq(known, view);
	return true;
}

function noteModSeq(known: Known, view: SelectedMailbox): void {
	known.modSeq = view.highestModSeq;
	if (known.missing.size === 0) known.settledModSeq = known.modSeq;
}

const isThere = (known: Known, view: SelectedMailbox, uid: Uid): boolean =>
	indexOf(known.uids, uid) >= 0 && view.resolve(uid) !== undefined;

/** Sorts known messages that were touched: flags that the client does not expect, or does; notes those that are gone. */
function changes(
	known: Known,
	view: SelectedMailbox,
	changed: Uid[],
	expected: Uid[],
): void {
	const touched = view.touchedSince(known.cursor);
	const all = touched === "all";
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
		else if (!known.owedModSeq.has(uid)) expected.push(uid);
	}
}

/** Takes out what is missing; the numbers to tell come highest first, so that none shifts another. */
function expunge(
	known: Known,
	view: SelectedMailbox,
): { numbers: number[]; uids: Uid[] } {
	if (known.missing.size === 0) return { numbers: [], uids: [] };
	const uids = [...known.missing].sort((a, b) => a - b);
	const numbers = uids.map((uid) => indexOf(known.uids, uid) + 1).reverse();
	for (const uid of uids)
		if (view.resolve(uid) !== undefined) known.replaced.add(uid);
	known.uids = known.uids.filter((uid) => !known.missing.has(uid));
	known.missing.clear();
	return { numbers, uids };
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
