/**
 * What clients asked for and what was acknowledged, so that I7 can be checked at the end: nothing acknowledged is lost,
 * nothing is there more often than it was sent, and what was expunged stays away.
 */
import type { Origin } from "../ids.ts";
import { type EntryRow, operationsOf } from "../mailbox/rows.ts";
import { Violation } from "./checkers.ts";
import { hashOf, rowsOn, sourceOf } from "./rows.ts";
import type { MemoryStore } from "./store.ts";

interface Mail {
	readonly label: string;
	acknowledged: boolean;
	/** How many entries there may be: one a recipient, one more for each copy, other move or new delivery. */
	entriesMax: number;
	/** Entries that there must be at least, unless someone tried to expunge one. */
	entriesMin: number;
	expungeTried: boolean;
}

interface Flagging {
	readonly entry: string;
	readonly flag: string;
	acknowledged: boolean;
}

export class History {
	/** By label. */
	readonly #mails = new Map<string, Mail>();
	/** Body → label: a retry through another node may have other trace headers. */
	readonly #labels = new Map<string, string>();
	readonly #flags = new Map<string, Flagging>();
	readonly #unflagged = new Set<string>();
	readonly #expunged = new Set<string>();
	/** Entry and target of moves that were tried. */
	readonly #moves = new Set<string>();
	/** A disk was lost, or put back to what it was. */
	hasLosses = false;
	/** Entries of which something went with a disk that was the only one to have it, and what was moved from them. */
	readonly #lostEntries = new Set<string>();

	get acknowledged(): number {
		let sum = 0;
		for (const mail of this.#mails.values()) if (mail.acknowledged) sum++;
		return sum;
	}

	/** Mail whose label begins so may be gone: the disks that held it were lost or put back. */
	forgive(labels: string): void {
		for (const mail of this.#mails.values())
			if (mail.label.startsWith(labels)) {
				mail.acknowledged = false;
				mail.entriesMin = 0;
			}
	}

	/** A body is being delivered or appended, to so many mailboxes. */
	sending(hash: string, label: string, places: number): void {
		const mail = this.#mail(hash, label);
		mail.entriesMax = Math.max(mail.entriesMax, places);
	}
	/** What the body belongs to. */
	labelOf(hash: string): string {
		return this.#labels.get(hash) ?? hash;
	}
	/** The same once more, as a message of its own. */
	sendingAgain(hash: string): void {
		this.#mail(hash).entriesMax++;
	}
	sent(hash: string, places: number): void {
		const mail = this.#mail(hash);
		mail.acknowledged = true;
		mail.entriesMin = Math.max(mail.entriesMin, places);
	}
	sentAgain(hash: string): void {
		this.#mail(hash).entriesMin++;
	}
	copying(hash: string): void {
		this.#mail(hash).entriesMax++;
	}
	copied(hash: string): void {
		this.#mail(hash).entriesMin++;
	}
	moving(hash: string, entry: string, target: string): void {
		// Different moves of one message leave several (rule 17); equal ones merge.
		if (this.#moves.has(`${entry} ${target}`)) return;
		const mail = this.#mail(hash);
		for (const move of this.#moves)
			if (move.startsWith(`${entry} `)) {
				mail.entriesMax++;
				break;
			}
		this.#moves.add(`${entry} ${target}`);
	}
	expunging(hash: string): void {
		this.#mail(hash).expungeTried = true;
	}
	expunged(entry: string): void {
		this.#expunged.add(entry);
	}
	flagging(entry: string, flag: string): Flagging {
		const key = `${entry} ${flag}`;
		const flagging = this.#flags.get(key) ?? {
			entry,
			flag,
			acknowledged: false,
		};
		this.#flags.set(key, flagging);
		return flagging;
	}
	/** Takes the flag from what it was moved from as well, and so from all that that was moved to. */
	unflagging(hash: string, flag: string): void {
		this.#unflagged.add(`${hash} ${flag}`);
	}

	/**
	 * A disk is gone, or was put back to what it was. What only it had need not be anywhere any more; all else must be.
	 */
	lost(gone: MemoryStore, left: readonly MemoryStore[]): void {
		this.hasLosses = true;
		const have = left.flatMap((disk) => [...rowsOn(disk)]);
		const rows = new Map<string, EntryRow[]>();
		for (const { entry, row } of have)
			rows.set(entry, [...(rows.get(entry) ?? []), row]);
		for (const { entry, row } of rowsOn(gone)) {
			const there = rows.get(entry) ?? [];
			const all = Object.entries(operationsOf(row)).every(
				([origin, sequence]) =>
					there.some(
						(one) => (operationsOf(one)[origin as Origin] ?? 0) >= sequence,
					),
			);
			if (!all) this.#lostEntries.add(entry);
		}
		for (const [entry, [row]] of rows)
			if (row && lineage(entry, rows).some((one) => this.#lostEntries.has(one)))
				this.#lostEntries.add(entry);
		this.#excuse(rows);
	}

	/** Whether a part of what was done to the entry was lost with a disk. */
	isLost(entry: string): boolean {
		return this.#lostEntries.has(entry);
	}

	#excuse(rows: ReadonlyMap<string, readonly EntryRow[]>): void {
		const counts = new Map<string, number>();
		for (const there of rows.values()) {
			const hash = there.map(hashOf).find((one) => one !== undefined);
			if (hash === undefined || there.some(({ x }) => x)) continue;
			const label = this.#labels.get(hash) ?? hash;
			counts.set(label, (counts.get(label) ?? 0) + 1);
		}
		for (const [label, mail] of this.#mails)
			mail.entriesMin = Math.min(mail.entriesMin, counts.get(label) ?? 0);
		for (const entry of this.#expunged)
			if (!rows.get(entry)?.some(({ x }) => x)) this.#expunged.delete(entry);
		for (const flagging of this.#flags.values()) {
			const name = flagging.flag.toLowerCase();
			const there = rows.get(flagging.entry) ?? [];
			if (!there.some(({ g }) => g[name] !== undefined))
				flagging.acknowledged = false;
		}
	}

	#mail(hash: string, label = this.#labels.get(hash) ?? hash): Mail {
		this.#labels.set(hash, label);
		let mail = this.#mails.get(label);
		if (mail === undefined) {
			mail = {
				label,
				acknowledged: false,
				entriesMax: 0,
				entriesMin: 0,
				expungeTried: false,
			};
			this.#mails.set(label, mail);
		}
		return mail;
	}

	/** I7 against what a node has, when all are connected and quiet. */
	check(disk: MemoryStore): void {
		const rows = new Map<string, readonly [EntryRow]>();
		const counts = new Map<string, number>();
		for (const { entry, row } of rowsOn(disk)) {
			rows.set(entry, [row]);
			const hash = hashOf(row);
			if (hash === undefined || row.x) continue;
			const label = this.#labels.get(hash) ?? hash;
			counts.set(label, (counts.get(label) ?? 0) + 1);
		}
		for (const [label, mail] of this.#mails)
			this.#checkMail(mail, counts.get(label) ?? 0);
		for (const entry of this.#expunged) {
			// It may be forgotten by now.
			const row = rows.get(entry)?.[0];
			if (row !== undefined && !row.x)
				throw new Violation("I7", `${entry} was expunged and is back`);
		}
		this.#checkFlags(rows);
	}

	#checkMail(mail: Mail, count: number): void {
		if (mail.acknowledged && !mail.expungeTried && count < mail.entriesMin)
			throw new Violation(
				"I7",
				`${mail.label} was acknowledged and is there ${count} times, not ${mail.entriesMin}`,
			);
		if (count > mail.entriesMax)
			throw new Violation(
				"I7",
				`${mail.label} is there ${count} times, it was sent ${mail.entriesMax} times`,
			);
	}

	/** Each flag is on its entry and on what that was moved to. */
	#checkFlags(rows: ReadonlyMap<string, readonly [EntryRow]>): void {
		const set = new Map<string, string[]>();
		for (const { acknowledged, entry, flag } of this.#flags.values())
			if (acknowledged) set.set(entry, [...(set.get(entry) ?? []), flag]);
		for (const [id, [row]] of rows) {
			const hash = hashOf(row);
			if (hash === undefined || row.x) continue;
			const has = new Set(Object.values({ ...row.l, ...row.g }));
			for (const entry of lineage(id, rows))
				for (const flag of set.get(entry) ?? [])
					if (!has.has(flag) && !this.#unflagged.has(`${hash} ${flag}`))
						throw new Violation(
							"I7",
							`${flag} was set on ${entry} and is not on ${id}`,
						);
		}
	}
}

/** The entry and all that it was moved from. */
function lineage(
	entry: string,
	rows: ReadonlyMap<string, readonly EntryRow[]>,
): string[] {
	const line: string[] = [];
	for (let at: string | undefined = entry; at !== undefined; ) {
		line.push(at);
		at = rows
			.get(at)
			?.map(sourceOf)
			.find((one) => one !== undefined);
	}
	return line;
}
