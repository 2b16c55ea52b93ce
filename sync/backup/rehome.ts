/**
 * Bodies of a node that was put back from a backup lie in a drive that its mail does not name. Whoever else has a body
 * gives it back under its old place; for the others (all, if no other member is there) the mail is told the new place, as
 * a change like any other, so that every member can copy them from here.
 */

import { walk } from "../check/walk.ts";
import { keys, segmentDocument } from "../documents/shapes.ts";
import type { EntryId, MailboxId } from "../ids.ts";
import { BODY_FETCHES_ASKED_MAX, STORE_BATCH_COUNT } from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import {
	decodeFacts,
	type EntryRow,
	encodeFacts,
	factsSegment,
	getRow,
	lives,
} from "../mailbox/rows.ts";
import type { Bodies, BodyRef } from "../ports/bodies.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store } from "../ports/store.ts";

const placeKey = (hash: string): string => `rehome/${hash}`;
const DRIVE = "meta/restoredDrive";

/** For the process that restores: notes where bodies lie now, and that this is a copy. */
export function markRestored(
	store: Store,
	places: readonly (readonly [hash: string, ref: BodyRef])[],
	drive: string,
	when: {
		readonly atMilliseconds: number;
		readonly copiedMilliseconds: number;
	},
): void {
	store.commit([
		["meta/restored", JSON.stringify(when)],
		[DRIVE, drive],
		...places.map(
			([hash, ref]) => [placeKey(hash), JSON.stringify(ref)] as const,
		),
	]);
}

export interface RehomeOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly bodies: Bodies;
	readonly diary: Log;
	/** Whether other members can be asked now. */
	readonly hasPeers: () => boolean;
	/** Has the members know the drive as one of this node. */
	readonly nameDrive: (drive: string) => Promise<void>;
	readonly stopped: () => boolean;
}

/** What was put back and is still to be told; undefined for every node but one that was just restored. */
export const restoredDrive = (store: Store): string | undefined =>
	store.get(DRIVE) as string | undefined;

/** Runs once after a restore, and again after a start that came in between. Harmless to run again. */
export async function rehome(options: RehomeOptions): Promise<void> {
	const { store, ledger, diary } = options;
	const drive = restoredDrive(store);
	if (drive === undefined) return;
	await options.nameDrive(drive);
	let moved = 0;
	for (const rows of walk(store, "ent/")) {
		if (options.stopped()) return;
		const lost = await lostBodies(options, rows);
		for (let i = 0; i < lost.length; i += STORE_BATCH_COUNT) {
			const some = lost.slice(i, i + STORE_BATCH_COUNT);
			await ledger.write((tx) => {
				for (const { mailbox, entry, place } of some) {
					const row = getRow(tx.batch, mailbox, entry);
					if (row === undefined || !lives(row)) continue;
					const facts = decodeFacts(row.f as string);
					if (facts.body.hash !== place.hash) continue;
					tx.edit(segmentDocument(mailbox, factsSegment(row)), {
						key: keys.facts(entry),
						add: encodeFacts({ ...facts, body: place }),
					});
				}
			});
			moved += some.length;
		}
	}
	// Places that are not used are those of bodies that came from members.
	for (;;) {
		const left = [
			...store.range("rehome/", prefixEnd("rehome/"), { limit: 1_000 }),
		];
		if (left.length === 0 || options.stopped()) break;
		await ledger.write((tx) => {
			for (const [key] of left) tx.batch.put(key, undefined);
		});
	}
	if (options.stopped()) return;
	await ledger.write((tx) => tx.batch.put(DRIVE, undefined));
	diary.info("all mail that was put back can be read", {
		bodiesPutBack: moved,
	});
}

interface Lost {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly place: BodyRef;
}

/** Of these rows the messages whose body is to be had only where it was put. */
async function lostBodies(
	{ store, bodies, hasPeers }: RehomeOptions,
	rows: readonly (readonly [string, unknown])[],
): Promise<Lost[]> {
	const found = await Promise.all(
		rows.slice(0, BODY_FETCHES_ASKED_MAX).map(async ([key, value]) => {
			const row = JSON.parse(value as string) as EntryRow;
			if (!lives(row)) return [];
			const { body } = decodeFacts(row.f as string);
			const text = store.get(placeKey(body.hash));
			if (text === undefined || (await bodies.has(body))) return [];
			if (hasPeers() && (await fetched(bodies, body))) return [];
			const [, mailbox, entry] = key.split("/");
			return [
				{
					mailbox: mailbox as MailboxId,
					entry: entry as EntryId,
					place: JSON.parse(text as string) as BodyRef,
				},
			];
		}),
	);
	return found.flat();
}

const fetched = (bodies: Bodies, body: BodyRef): Promise<boolean> =>
	bodies.fetch(body).then(
		() => true,
		() => false,
	);
