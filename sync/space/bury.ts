/**
 * What happens to an entry after it was expunged. `dying/<n>`: it is dead here, and some member may not know it yet, so a
 * copy of it may still come: its bodies stay. `tomb/<n>`: all know it, the bodies that nothing else names were cleared;
 * its row stays a while. Then that is forgotten too, but for its UIDs, which VANISHED must name (rule 15). Each step is one
 * batch, so that a crash repeats it at worst. Members that are away for too long are not waited for with a body that they
 * hold themselves; with rows and documents all are, since nobody could tell a forgotten entry from a new one.
 */

import { keys, segmentDocument } from "../documents/shapes.ts";
import type { EntryId, MailboxId } from "../ids.ts";
import {
	BURY_COUNT,
	RECLAIM_GRACE_MILLISECONDS,
	TOMBSTONE_MILLISECONDS,
	TOMBSTONES_MIN,
} from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import type { Transaction } from "../log/ledger.ts";
import { addDead } from "../mailbox/dead.ts";
import type { Folded, RecordPlace } from "../mailbox/fold.ts";
import {
	decodeFacts,
	type EntryRow,
	type Facts,
	getRow,
	lives,
	operationsOf,
} from "../mailbox/rows.ts";
import type { BodyRef } from "../ports/bodies.ts";
import { prefixEnd, type Store } from "../ports/store.ts";
import { changeSegment, recountSegments } from "./segments.ts";
import { holds, type Stable, type Told } from "./told.ts";
import {
	addFurther,
	addUse,
	changeOf,
	dropUses,
	type Place,
	placesOf,
} from "./uses.ts";

interface Grave {
	readonly m: MailboxId;
	readonly e: EntryId;
	/** The operations that made it dead, and all before them, by origin. */
	readonly o: Readonly<Record<string, number>>;
	/** When it died here (wall clock). */
	readonly at: number;
}

/**
 * Who expunged it may not have known that it lies in another segment too. Once its row is forgotten, that segment would say
 * that it lives: to whoever takes it as a whole, and to check.
 */
function expungeEverywhere(
	tx: Transaction,
	mailbox: MailboxId,
	entry: EntryId,
	row: EntryRow,
): void {
	if (!row.x) return;
	for (const [segment, { x }] of Object.entries(row.p ?? {})) {
		const document = segmentDocument(mailbox, Number(segment));
		if (x || tx.isDamaged(document)) continue;
		// Never an edit that changes nothing, whatever its row says of the document.
		tx.edit(document, { key: keys.expunged(entry), add: true });
	}
}

type Queue = "dying" | "tomb";
const keyOf = (queue: Queue, number: number): string =>
	`${queue}/${number.toString(16).padStart(12, "0")}`;

export interface BuryOptions {
	readonly store: Store;
	readonly now: () => number;
	/** Entries that live here: so many tombstones are no burden. */
	readonly live: () => number;
	/** Takes the entry from all that is kept of it; returns the UIDs it ever had. */
	readonly forget: (
		tx: Transaction,
		mailbox: MailboxId,
		entry: EntryId,
	) => readonly number[];
}

export class Bury {
	readonly #options: BuryOptions;
	#next = 1;
	#tombs = 0;
	/** Where the walk through each queue goes on: those that cannot go yet must not hold up the others. */
	readonly #cursor: Record<Queue, string> = { dying: "", tomb: "" };

	constructor(options: BuryOptions) {
		this.#options = options;
		const { store } = options;
		for (const queue of ["dying", "tomb"] as const) {
			const prefix = `${queue}/`;
			const last = store.range(prefix, prefixEnd(prefix), {
				limit: 1,
				reverse: true,
			});
			for (const [key] of last)
				this.#next = Math.max(
					this.#next,
					Number.parseInt(key.slice(prefix.length), 16) + 1,
				);
		}
		for (const _ of store.range("tomb/", prefixEnd("tomb/"))) this.#tombs++;
	}

	/** Within a batch: an entry changed. */
	folded(batch: Batch, folded: Folded, change: RecordPlace): void {
		const { mailbox, entry, row, facts, segments } = folded;
		if (facts.length > 0) {
			const { origin, sequence } = change;
			const by = sequence > 0 ? ([origin, sequence] as const) : undefined;
			for (let i = 0; i < facts.length; i++)
				addUse(batch, (facts[i] as Facts).body, mailbox, entry, by);
			this.#noteFurther(batch, folded);
		}
		for (let i = 0; i < segments.length; i++)
			changeSegment(batch, mailbox, segments[i] as number, 1);
		// Facts may also come for what is dead already: they were named at the same time.
		const died = folded.livesMore < 0;
		if (row.f !== undefined && row.x && (died || facts.length > 0))
			this.#enqueue(batch, "dying", {
				m: mailbox,
				e: entry,
				o: operationsOf(row),
				at: this.#options.now(),
			});
	}

	#noteFurther(batch: Batch, { mailbox, entry, facts, before }: Folded): void {
		if (before === undefined && facts.length === 1) return;
		const bodies: BodyRef[] = facts.map(({ body }) => body);
		if (before !== undefined) bodies.push(decodeFacts(before).body);
		const [first] = bodies;
		const same = bodies.every(
			({ drive, blob }) => drive === first?.drive && blob[1] === first.blob[1],
		);
		if (!same) addFurther(batch, bodies, mailbox, entry);
	}

	/** An entry came with a snapshot. */
	adopted(
		batch: Batch,
		mailbox: MailboxId,
		entry: EntryId,
		row: EntryRow,
	): void {
		if (row.f === undefined) return;
		addUse(batch, decodeFacts(row.f).body, mailbox, entry, undefined);
		if (row.x)
			this.#enqueue(batch, "dying", {
				m: mailbox,
				e: entry,
				o: operationsOf(row),
				at: this.#options.now(),
			});
	}

	#enqueue(batch: Batch, queue: Queue, grave: Grave): void {
		batch.put(keyOf(queue, this.#next++), JSON.stringify(grave));
	}

	/** Takes what may be cleared now; returns the places that may have become free. `more`: there is more to do at once. */
	bury(tx: Transaction, stable: Stable): { places: Place[]; more: boolean } {
		const places: Place[] = [];
		const more = this.#walk("dying", (key, grave) => {
			if (this.#isFresh(grave, RECLAIM_GRACE_MILLISECONDS)) return "stop";
			const row = getRow(tx.batch, grave.m, grave.e);
			if (row !== undefined) expungeEverywhere(tx, grave.m, grave.e, row);
			const own = placesOf(tx.batch, grave.m, grave.e, row);
			if (!this.#mayClear(grave, own, stable)) return "next";
			dropUses(tx.batch, own, grave.m, grave.e);
			places.push(...own);
			tx.batch.put(key, undefined);
			if (row !== undefined) {
				this.#enqueue(tx.batch, "tomb", grave);
				this.#tombs++;
			}
			return "next";
		});
		return { places, more };
	}

	#isFresh({ at }: Grave, forMilliseconds: number): boolean {
		const age = this.#options.now() - at;
		// A clock that went back must not hold it for ever.
		return age >= 0 && age < forMilliseconds;
	}

	#mayClear(grave: Grave, places: readonly Place[], stable: Stable): boolean {
		if (!holds(stable.present, grave.o)) return false;
		return stable.away.every(
			(told) =>
				holds(told.vector, grave.o) || this.#hasOwnCopy(told, grave, places),
		);
	}

	/** It never knew of the entry, or it holds the body: should it come back with a copy of it, others get it there. */
	#hasOwnCopy(
		{ vector, bodies }: Told,
		{ m, e }: Grave,
		places: readonly Place[],
	): boolean {
		return places.every((place) => {
			const change = changeOf(this.#options.store, place, m, e);
			if (change === undefined) return false;
			const [origin, sequence] = change;
			return (
				(vector.get(origin) ?? 0) < sequence ||
				(bodies.get(origin) ?? 0) >= sequence
			);
		});
	}

	/** Forgets entries that all members know to be dead. Returns whether there is more to do at once. */
	forget(tx: Transaction, stable: Stable): boolean {
		const { live, forget } = this.#options;
		const dead = new Map<MailboxId, number[]>();
		const kept = Math.max(TOMBSTONES_MIN, live());
		const more = this.#walk("tomb", (key, grave) => {
			const spare = this.#tombs > kept;
			if (!spare && this.#isFresh(grave, TOMBSTONE_MILLISECONDS)) return "stop";
			const row = getRow(tx.batch, grave.m, grave.e);
			if (row !== undefined && !this.#mayForget(tx.batch, row, stable))
				return "next";
			tx.batch.put(key, undefined);
			this.#tombs--;
			if (row === undefined) return "next";
			const uids = dead.get(grave.m) ?? [];
			dead.set(grave.m, uids);
			uids.push(...forget(tx, grave.m, grave.e));
			recountSegments(tx.batch, grave.m, row, undefined);
			return "next";
		});
		for (const [mailbox, uids] of dead) addDead(tx.batch, mailbox, uids);
		return more;
	}

	/** What was made of it by moves has its flags (rule 17) as long as it lives. */
	#mayForget(batch: Batch, row: EntryRow, stable: Stable): boolean {
		if (!holds(stable.all, operationsOf(row))) return false;
		if (row.x && Object.values(row.p ?? {}).some(({ x }) => !x)) return false;
		return (row.to ?? []).every((place) => {
			const made = getRow(batch, ...place);
			return made === undefined || !lives(made);
		});
	}

	/** One slice of a queue. Returns whether the rest should be looked at soon. */
	#walk(
		queue: Queue,
		visit: (key: string, grave: Grave) => "next" | "stop",
	): boolean {
		const { store } = this.#options;
		const prefix = `${queue}/`;
		const from = this.#cursor[queue] || prefix;
		const rows = [
			...store.range(from, prefixEnd(prefix), { limit: BURY_COUNT }),
		];
		this.#cursor[queue] = "";
		for (const [key, value] of rows) {
			if (visit(key, JSON.parse(value as string) as Grave) === "stop")
				return false;
			if (rows.length === BURY_COUNT) this.#cursor[queue] = `${key}!`;
		}
		return rows.length === BURY_COUNT;
	}

	rolledBack(): void {
		this.#tombs = 0;
		for (const _ of this.#options.store.range("tomb/", prefixEnd("tomb/")))
			this.#tombs++;
	}
}
