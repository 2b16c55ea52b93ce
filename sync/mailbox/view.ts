/**
 * What clients of this node see of one mailbox, in memory while someone looks. Changed only by what was committed.
 * Messages lie in columns in UID order, which is the order in which they appear (rule 6).
 */
import type { Message } from "../api.ts";
import type { EntryId, MailboxId, ModSeq, Uid, UidRange } from "../ids.ts";
import type { Vector } from "../log/record.ts";
import type { Cancel } from "../ports/clock.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { among, intersection, lowerBound, normalised } from "../ranges.ts";
import { deadRanges } from "./dead.ts";
import { OperationTable } from "./operations.ts";
import {
	type BoxRow,
	boxKey,
	deadClaims,
	type EntryRow,
	flagsShared,
	newBox,
} from "./rows.ts";
import {
	type FactsCell,
	ShownMessage,
	type ShownRow,
	storedRow,
} from "./shown.ts";

export type ViewChange =
	/** `replaced`: the UID it had before, now gone. */
	| {
			readonly kind: "appeared";
			readonly row: ShownRow;
			readonly replaced: Uid | undefined;
	  }
	| { readonly kind: "changed"; readonly row: ShownRow }
	| { readonly kind: "gone"; readonly entry: EntryId; readonly uid: Uid }
	/** Claims that name no message (any more); those that are shown as `uid` act on it (rule 6). */
	| {
			readonly kind: "dead";
			readonly claims: readonly number[];
			readonly uid: Uid | undefined;
	  };

/** Rule 13: what a client that holds a token need not be told. */
export type Known =
	/** What has a stamp up to here. */
	| { readonly upTo: number }
	/** What has only operations within this vector. */
	| { readonly within: Vector };

/** Sessions that are further behind compare everything. */
const JOURNAL_MAX = 20_000;
/** Rows read at a time when a mailbox is opened: some megabytes. */
const ROWS_READ = 5_000;
const DEAD_ROWS_MIN = 1_000;

export class View {
	readonly mailbox: MailboxId;
	uidNext: number;
	highestModSeq: ModSeq;
	/** Columns; the entry of a row that is gone is empty. */
	#uid: Uid[] = [];
	#entry: (EntryId | "")[] = [];
	#modSeq: ModSeq[] = [];
	#flags: (readonly string[])[] = [];
	#facts: (FactsCell | undefined)[] = [];
	#operations = new OperationTable();
	#goneRows = 0;
	/** Behind the row that was asked for last: most ask for one after the other. */
	#following = 0;
	#snapshot: readonly Uid[] | undefined;
	/** A replaced UID → the next one, or a claim never shown here → the UID it is shown under. */
	readonly #aliases = new Map<number, Uid>();
	/** Claims known to name nothing here: ascending, and those that came since, in any order. */
	#dead: number[] = [];
	#deadMore: number[] = [];
	/** Of entries that were forgotten before this view was opened. */
	readonly #forgotten: readonly UidRange[];
	/** UIDs that went since this view was opened. */
	#gone: Uid[] = [];
	#journal: Uid[] = [];
	#journalStart = 0;
	readonly #listeners = new Set<() => void>();

	constructor(store: Store, mailbox: MailboxId) {
		this.mailbox = mailbox;
		this.#forgotten = deadRanges(store, mailbox);
		const rows: ShownRow[] = [];
		for (const [entry, row] of readRows(store, mailbox)) {
			// Of most messages the one claim is the UID they are shown under.
			const isPlain = row.u.length === 1 && row.u[0] === row.v?.u;
			if (!isPlain) this.#noteDead(deadClaims(row), row.v?.u);
			if (row.v === undefined) continue;
			row.v.g = flagsShared(row.v.g);
			rows.push(storedRow(entry, row));
		}
		for (const row of inUidOrder(rows)) this.#push(row);
		const text = store.get(boxKey(mailbox)) as string | undefined;
		const box: BoxRow = text === undefined ? newBox() : JSON.parse(text);
		this.uidNext = box.E + 1;
		this.highestModSeq = box.H as ModSeq;
	}

	/** Messages that it shows. */
	get size(): number {
		return this.#uid.length - this.#goneRows;
	}

	get cursor(): number {
		return this.#journalStart + this.#journal.length;
	}

	uids(): readonly Uid[] {
		this.#snapshot ??=
			this.#goneRows === 0
				? this.#uid.slice()
				: this.#uid.filter((_, at) => this.#entry[at] !== "");
		return this.#snapshot;
	}

	/** Row of a live message, or -1. */
	#at(uid: number): number {
		let at = this.#following;
		if (this.#uid[at] !== uid) at = lowerBound(this.#uid, uid);
		this.#following = at + 1;
		return this.#uid[at] === uid && this.#entry[at] !== "" ? at : -1;
	}

	get(uid: Uid): Message | undefined {
		const at = this.#at(uid);
		if (at < 0) return undefined;
		return new ShownMessage(
			uid,
			this.#entry[at] as EntryId,
			this.#modSeq[at] as ModSeq,
			this.#flags[at] as readonly string[],
			this.#facts[at] as FactsCell,
		);
	}

	flagsOf(uid: Uid): readonly string[] | undefined {
		const at = this.#at(uid);
		return at < 0 ? undefined : this.#flags[at];
	}

	resolve(uid: Uid): Message | undefined {
		let now: Uid | undefined = uid;
		// Each step leads to a UID that was shown later: no circles.
		while (now !== undefined && this.#at(now) < 0) now = this.#aliases.get(now);
		return now && this.get(now);
	}

	/** Live UIDs, ascending, of what is not known. */
	changed(known: Known): Uid[] {
		const uids: Uid[] = [];
		if ("within" in known) {
			for (const at of this.#operations.rowsBeyond(known.within))
				if (this.#entry[at] !== "") uids.push(this.#uid[at] as Uid);
			return uids;
		}
		for (let at = 0; at < this.#uid.length; at++)
			if ((this.#modSeq[at] as number) > known.upTo && this.#entry[at] !== "")
				uids.push(this.#uid[at] as Uid);
		return uids;
	}

	/** Those of the UIDs that are known to name no message here (rule 15). */
	deadOf(asked: readonly UidRange[]): UidRange[] {
		return normalised([
			...among(asked, this.#deadClaims()),
			...intersection(asked, this.#forgotten),
		]);
	}

	#deadClaims(): readonly number[] {
		if (this.#deadMore.length > 0) {
			const all = [...this.#dead, ...this.#deadMore].sort((a, b) => a - b);
			this.#dead = all.filter((uid, i) => uid !== all[i - 1]);
			this.#deadMore = [];
		}
		return this.#dead;
	}

	/** Where rule 15 is switched off: UIDs that went here while somebody looked. */
	goneHere(): readonly Uid[] {
		return this.#gone.toSorted((a, b) => a - b);
	}

	touchedSince(cursor: number): readonly Uid[] | "all" {
		if (cursor < this.#journalStart) return "all";
		return this.#journal.slice(cursor - this.#journalStart);
	}

	onChange(run: () => void): Cancel {
		this.#listeners.add(run);
		return () => this.#listeners.delete(run);
	}

	/** Takes what was committed; the caller then calls tell(), once for all mailboxes. */
	apply(
		changes: readonly ViewChange[],
		uidNext: number,
		highestModSeq: ModSeq,
	): void {
		for (const change of changes) this.#apply(change);
		this.uidNext = uidNext;
		this.tellHigher(highestModSeq);
		if (this.#journal.length > JOURNAL_MAX) {
			const drop = this.#journal.length >> 1;
			this.#journal = this.#journal.slice(drop);
			this.#journalStart += drop;
		}
		if (this.#goneRows > Math.max(DEAD_ROWS_MIN, this.#uid.length >> 1))
			this.#compact();
	}

	/** HIGHESTMODSEQ never sinks while somebody looks. */
	tellHigher(modSeq: number): void {
		this.highestModSeq = Math.max(this.highestModSeq, modSeq) as ModSeq;
	}

	tell(): void {
		for (const run of [...this.#listeners]) run();
	}

	#apply(change: ViewChange): void {
		if (change.kind === "dead") {
			this.#noteDead(change.claims, change.uid);
			return;
		}
		if (change.kind === "gone") {
			this.#remove(change.uid);
			return;
		}
		const { row } = change;
		if (change.kind === "appeared") {
			if (change.replaced !== undefined) {
				this.#remove(change.replaced);
				this.#aliases.set(change.replaced, row.uid);
			}
			this.#noteDead(
				row.claims.filter((claim) => claim < row.uid),
				row.uid,
			);
			this.#add(row);
		} else this.#put(this.#at(row.uid), row);
		this.#journal.push(row.uid);
	}

	#noteDead(claims: readonly number[], uid: Uid | undefined): void {
		for (const claim of claims) {
			this.#deadMore.push(claim);
			if (uid !== undefined && claim !== uid && !this.#aliases.has(claim))
				this.#aliases.set(claim, uid);
		}
	}

	#add(row: ShownRow): void {
		this.#snapshot = undefined;
		if (row.uid > (this.#uid.at(-1) ?? 0)) this.#push(row);
		else this.#insert(row);
	}

	#push(row: ShownRow): void {
		this.#uid.push(row.uid);
		this.#entry.push(row.entry);
		this.#put(this.#uid.length - 1, row);
	}

	/** Where rule 6 is switched off, UIDs appear in the midst. */
	#insert(row: ShownRow): void {
		const rows = this.#rows().filter(({ uid }) => uid !== row.uid);
		rows.push(row);
		this.#rebuild(rows.sort((a, b) => a.uid - b.uid));
	}

	#put(at: number, row: ShownRow): void {
		if (at < 0) return;
		this.#modSeq[at] = row.modSeq;
		this.#flags[at] = row.flags;
		this.#facts[at] = row.facts;
		this.#operations.set(at, row.operations);
	}

	#remove(uid: Uid): void {
		const at = this.#at(uid);
		if (at >= 0) {
			this.#entry[at] = "";
			this.#facts[at] = undefined;
			this.#goneRows++;
			this.#snapshot = undefined;
		}
		this.#gone.push(uid);
		this.#deadMore.push(uid);
		this.#journal.push(uid);
	}

	#rows(): ShownRow[] {
		return this.uids().map((uid) => {
			const at = this.#at(uid);
			return {
				uid,
				entry: this.#entry[at] as EntryId,
				modSeq: this.#modSeq[at] as ModSeq,
				flags: this.#flags[at] as readonly string[],
				facts: this.#facts[at] as FactsCell,
				operations: this.#operations.of(at),
				claims: [],
			};
		});
	}

	/** Drops the rows of what is gone. */
	#compact(): void {
		this.#rebuild(this.#rows());
	}

	#rebuild(rows: readonly ShownRow[]): void {
		this.#uid = [];
		this.#entry = [];
		this.#modSeq = [];
		this.#flags = [];
		this.#facts = [];
		this.#operations = new OperationTable();
		this.#goneRows = 0;
		this.#snapshot = undefined;
		for (const row of rows) this.#push(row);
	}
}

/** Rows by ascending UID; numbers sort in a tenth of the time that rows take. */
function inUidOrder(rows: ShownRow[]): Iterable<ShownRow> {
	if (rows.length > PLACES_MAX) return rows.sort((a, b) => a.uid - b.uid);
	const keys = Float64Array.from(
		rows,
		({ uid }, at) => uid * PLACES_MAX + at,
	).sort();
	return Array.from(keys, (key) => rows[key % PLACES_MAX] as ShownRow);
}
/** A UID is below 2^32, so that UID and place are an exact number together. */
const PLACES_MAX = 2 ** 21;

function* readRows(
	store: Store,
	mailbox: MailboxId,
): Iterable<[EntryId, EntryRow]> {
	const prefix = `ent/${mailbox}/`;
	let from = prefix;
	for (;;) {
		const rows = [
			...store.range(from, prefixEnd(prefix), { limit: ROWS_READ }),
		];
		for (const [key, value] of rows)
			yield [
				key.slice(prefix.length) as EntryId,
				JSON.parse(value as string) as EntryRow,
			];
		const last = rows.at(-1);
		if (last === undefined || rows.length < ROWS_READ) return;
		from = `${last[0]}\0`;
	}
}
