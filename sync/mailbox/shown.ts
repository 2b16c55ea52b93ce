/** A message as clients of this node see it: the Message of api.ts on what a row keeps of it. */
import type { Message } from "../api.ts";
import type { EntryId, ModSeq, Uid } from "../ids.ts";
import {
	decodeFacts,
	type EntryRow,
	type Facts,
	type Operations,
	operationsOf,
	shownFacts,
} from "./rows.ts";

/** What a view is told of a message. */
export interface ShownRow {
	readonly entry: EntryId;
	readonly uid: Uid;
	readonly modSeq: ModSeq;
	readonly flags: readonly string[];
	readonly facts: FactsCell;
	readonly operations: Operations;
	/** All UIDs claimed for it. */
	readonly claims: readonly number[];
}

/** As of now: the row may be changed afterwards. It must be shown. */
export function shownRow(entry: EntryId, row: EntryRow): ShownRow {
	const shown = storedRow(entry, row);
	return {
		...shown,
		operations: { ...shown.operations },
		claims: [...shown.claims],
	};
}

/** The same of a row that nobody changes. */
export function storedRow(entry: EntryId, row: EntryRow): ShownRow {
	const shown = row.v as NonNullable<EntryRow["v"]>;
	return {
		entry,
		uid: shown.u,
		modSeq: shown.m,
		flags: shown.g,
		facts: new FactsCell(shownFacts(row)),
		operations: operationsOf(row),
		claims: row.u,
	};
}

/**
 * Facts of one message, taken apart when they are first asked for, as most messages of a mailbox are only counted; from
 * then on they are kept in place of their text, since whoever lists a mailbox asks again and again.
 */
export class FactsCell {
	#held: string | Facts;

	constructor(text: string) {
		this.#held = text;
	}
	get facts(): Facts {
		if (typeof this.#held === "string") this.#held = decodeFacts(this.#held);
		return this.#held;
	}
}

export class ShownMessage implements Message {
	readonly uid: Uid;
	readonly entry: EntryId;
	readonly modSeq: ModSeq;
	readonly flags: readonly string[];
	readonly #cell: FactsCell;

	constructor(
		uid: Uid,
		entry: EntryId,
		modSeq: ModSeq,
		flags: readonly string[],
		cell: FactsCell,
	) {
		this.uid = uid;
		this.entry = entry;
		this.modSeq = modSeq;
		this.flags = flags;
		this.#cell = cell;
	}
	get internalDateMilliseconds() {
		return this.#cell.facts.internalDateMilliseconds;
	}
	get savedMilliseconds() {
		return this.#cell.facts.savedMilliseconds;
	}
	get body() {
		return this.#cell.facts.body;
	}
}
