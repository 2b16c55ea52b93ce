/**
 * Which entries name which bodies: one row `use/<drive>/<block>/<mailbox>/<entry>`, written with the change that names the
 * body and deleted when nobody can name it any more. A body is wanted while one of its entries lives; it may be cleared
 * when no row of it is left. Because the rows are ordered by place, what lies in a drive and is in no row is found by one
 * walk: so a clearing that a crash cut short is made good, and so are bodies that nothing ever named.
 */
import type { EntryId, MailboxId, Origin } from "../ids.ts";
import type { Batch } from "../log/batch.ts";
import { decodeFacts, type EntryRow, getRow, lives } from "../mailbox/rows.ts";
import type { BlockRange, BodyRef } from "../ports/bodies.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

/** Where a body lies. */
export interface Place {
	readonly drive: string;
	readonly blob: BodyRef["blob"];
}

/** What a row says, beside its key. */
export interface Use {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly start: number;
	readonly end: number;
	readonly sizeBytes: number;
	/** The change that named it; undefined where that is not known (it came with a snapshot). */
	readonly change: readonly [Origin, number] | undefined;
}

/** 64 bits of the drive's key tell a cluster's drives apart. */
const DRIVE_LENGTH = 16;
const drivePrefix = (drive: string): string =>
	`use/${drive.slice(0, DRIVE_LENGTH)}/`;
const bodyPrefix = ({ drive, blob }: Place): string =>
	`${drivePrefix(drive)}${blob[1].toString(16).padStart(10, "0")}/`;
const useKey = (place: Place, mailbox: MailboxId, entry: EntryId): string =>
	`${bodyPrefix(place)}${mailbox}/${entry}`;
/** Further places of an entry that named more than one body in its life (retried deliveries). */
const furtherKey = (mailbox: MailboxId, entry: EntryId): string =>
	`uses/${mailbox}/${entry}`;

export const rangeOf = ({ blob }: Place): BlockRange => ({
	start: blob[1],
	end: blob[1] + blob[2],
});

/** An empty body lies nowhere. */
const liesSomewhere = ({ blob }: Place): boolean => blob[2] > 0;

export function addUse(
	batch: Batch,
	body: BodyRef,
	mailbox: MailboxId,
	entry: EntryId,
	change: readonly [Origin, number] | undefined,
): void {
	if (!liesSomewhere(body)) return;
	const named = change === undefined ? " 0" : `${change[0]} ${change[1]}`;
	batch.put(
		useKey(body, mailbox, entry),
		`${body.blob[2]} ${body.sizeBytes} ${named}`,
	);
}

/** The entry names these bodies, or named them before. */
export function addFurther(
	batch: Batch,
	bodies: readonly BodyRef[],
	mailbox: MailboxId,
	entry: EntryId,
): void {
	const key = furtherKey(mailbox, entry);
	const places = batch.object<Place[]>(key) ?? [];
	for (const { drive, blob } of bodies)
		if (!places.some((one) => samePlace(one, { drive, blob })))
			places.push({ drive, blob });
	batch.change(key, places);
}

const samePlace = (a: Place, b: Place): boolean =>
	a.drive === b.drive && a.blob[1] === b.blob[1];

/** All places that an entry ever named. */
export function placesOf(
	batch: Batch,
	mailbox: MailboxId,
	entry: EntryId,
	row: EntryRow | undefined,
): Place[] {
	const places = [...(batch.object<Place[]>(furtherKey(mailbox, entry)) ?? [])];
	if (row?.f !== undefined) {
		const { drive, blob } = decodeFacts(row.f).body;
		if (!places.some((one) => samePlace(one, { drive, blob })))
			places.push({ drive, blob });
	}
	return places.filter(liesSomewhere);
}

export function dropUses(
	batch: Batch,
	places: readonly Place[],
	mailbox: MailboxId,
	entry: EntryId,
): void {
	for (const place of places)
		batch.put(useKey(place, mailbox, entry), undefined);
	batch.change(furtherKey(mailbox, entry), undefined);
}

function parse(key: string, value: string): Use {
	const [, , block = "0", mailbox, entry] = key.split("/");
	const [blocks, sizeBytes, origin, sequence] = value.split(" ");
	const start = Number.parseInt(block, 16);
	return {
		mailbox: mailbox as MailboxId,
		entry: entry as EntryId,
		start,
		end: start + Number(blocks),
		sizeBytes: Number(sizeBytes),
		change: origin ? [origin as Origin, Number(sequence)] : undefined,
	};
}

/** Whether it is known that this entry names the body that lies there: else it could be cleared. */
export const isUsedBy = (
	store: Store,
	place: Place,
	mailbox: MailboxId,
	entry: EntryId,
): boolean =>
	!liesSomewhere(place) ||
	store.get(useKey(place, mailbox, entry)) !== undefined;

/** Who names the body that lies there, as committed: entries that live, and dead ones that some member may not know of. */
export function usesOf(store: Store, place: Place): Use[] {
	const prefix = bodyPrefix(place);
	return [...store.range(prefix, prefixEnd(prefix))].map(([key, value]) =>
		parse(key, value as string),
	);
}

/** The change that named the body for this entry. */
export function changeOf(
	store: Store,
	place: Place,
	mailbox: MailboxId,
	entry: EntryId,
): Use["change"] {
	const key = useKey(place, mailbox, entry);
	const value = store.get(key);
	return value === undefined ? undefined : parse(key, value as string).change;
}

/**
 * Whether a body must be had here: an entry that lives names it. What is not wanted any more may lie here a while, until
 * all members know that it is dead; it is not fetched, copied, repaired or missed.
 */
export function isWanted(
	batch: Batch,
	store: Store,
	body: Place,
	by?: readonly [MailboxId, EntryId],
): boolean {
	if (!liesSomewhere(body)) return false;
	const isAlive = (mailbox: MailboxId, entry: EntryId): boolean => {
		const row = getRow(batch, mailbox, entry);
		return row !== undefined && lives(row);
	};
	// Whoever named it just now mostly lives on: a look at one row, instead of a search in the database.
	if (by !== undefined && isAlive(...by)) return true;
	return usesOf(store, body).some(({ mailbox, entry }) =>
		isAlive(mailbox, entry),
	);
}

const WALK_ROWS = 1_000;

/** All rows of a drive, by place; in slices, so that it can be walked while others work. */
export function* usesOfDrive(store: Store, drive: string): Generator<Use> {
	const prefix = drivePrefix(drive);
	const end = prefixEnd(prefix);
	for (let from = prefix; ; ) {
		let last: string | undefined;
		for (const [key, value] of store.range(from, end, { limit: WALK_ROWS })) {
			last = key;
			yield parse(key, value as string);
		}
		if (last === undefined) return;
		from = `${last}!`;
	}
}
