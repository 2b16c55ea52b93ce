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
	readonly facts: string;
	readonly operations: Operations;
	/** All UIDs claimed for it. */
	readonly claims: readonly number[];
}

/** As of now: the row may be changed afterwards. It must be shown. */
export function shownRow(entry: EntryId, row: EntryRow): ShownRow {
	const shown = row.v as NonNullable<EntryRow["v"]>;
	return {
		entry,
		uid: shown.u,
		modSeq: shown.m,
		flags: shown.g,
		facts: shownFacts(row),
		operations: { ...operationsOf(row) },
		claims: [...row.u],
	};
}

/** Facts are taken apart when they are asked for: most messages of a mailbox are only counted. */
export class ShownMessage implements Message {
	readonly uid: Uid;
	readonly entry: EntryId;
	readonly modSeq: ModSeq;
	readonly flags: readonly string[];
	readonly #text: string;
	#facts: Facts | undefined;

	constructor(
		uid: Uid,
		entry: EntryId,
		modSeq: ModSeq,
		flags: readonly string[],
		facts: string,
	) {
		this.uid = uid;
		this.entry = entry;
		this.modSeq = modSeq;
		this.flags = flags;
		this.#text = facts;
	}
	#decoded(): Facts {
		this.#facts ??= decodeFacts(this.#text);
		return this.#facts;
	}
	get internalDateMilliseconds() {
		return this.#decoded().internalDateMilliseconds;
	}
	get savedMilliseconds() {
		return this.#decoded().savedMilliseconds;
	}
	get body() {
		return this.#decoded().body;
	}
}
