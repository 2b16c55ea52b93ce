/**
 * Gives space back: bodies that no entry names are cleared, dead entries forgotten, empty segments dropped, the log cut at
 * its old end. All of it follows from one question, what every member is known to hold (told.ts), and happens in small
 * steps in the background. Nothing here may ever decide on what was sent, only on what members said that they hold; and
 * nothing that an entry names, or that some member may still name, is touched.
 */
import { Temporary } from "../faults.ts";
import type { EntryId, MailboxId } from "../ids.ts";
import {
	AWAY_MILLISECONDS_MAX,
	BODY_GARBAGE_BYTES_MIN,
	BODY_GARBAGE_PERCENT_MAX,
	COMPACTION_PAUSE_FACTOR,
	COMPACTION_PAUSE_MILLISECONDS_MIN,
	LOG_CHANGES_KEPT_MAX,
	SPACE_BUSY_MILLISECONDS,
	SPACE_MILLISECONDS,
	SWEEP_FIRST_MILLISECONDS,
	SWEEP_MILLISECONDS,
} from "../limits.ts";
import { Batch } from "../log/batch.ts";
import type { Ledger, Transaction } from "../log/ledger.ts";
import type { Folded, RecordPlace } from "../mailbox/fold.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import type { BodyRef, ReclaimableBodies } from "../ports/bodies.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Store, StoreFailed, StoreFull } from "../ports/store.ts";
import { Bury } from "./bury.ts";
import { Estates, type Heirs } from "./estates.ts";
import { emptySegments } from "./segments.ts";
import { Sweep } from "./sweep.ts";
import { type OtherMember, type Stable, ToldByMembers } from "./told.ts";
import { Truncation } from "./truncate.ts";
import { isWanted, type Place, rangeOf, usesOf } from "./uses.ts";

export interface SpaceOptions {
	readonly store: Store;
	readonly clock: Clock;
	readonly diary: Log;
	readonly bodies: ReclaimableBodies;
	readonly ledger: () => Ledger;
	readonly mailboxes: () => Mailboxes;
	/** Members that were not removed, but for this one. */
	readonly others: () => readonly OtherMember[];
	readonly heirs: Heirs;
	/** Drives of all incarnations. */
	readonly drives: () => readonly string[];
	/** False while this node has no documents, or only half of them. */
	readonly isWhole: () => boolean;
}

export class Space {
	readonly told: ToldByMembers;
	readonly #options: SpaceOptions;
	readonly #bury: Bury;
	readonly #sweep: Sweep;
	readonly #estates: Estates;
	#truncation: Truncation | undefined;
	/** Mailboxes in which entries were forgotten since their segments were looked at. */
	readonly #thinned = new Set<MailboxId>();
	/** Cleared, and not given back to the disk. */
	#garbageBytes = 0;
	/** So many have all kept that entries named when they began. */
	#holds = 0;
	#compactAfter = 0;
	#sweepAfter: number;
	#cancel: Cancel = () => {};
	#working: Promise<void> | undefined;
	#stopped = false;

	constructor(options: SpaceOptions) {
		this.#options = options;
		const { store, clock, bodies } = options;
		this.told = new ToldByMembers(store);
		this.#sweep = new Sweep(store, bodies);
		this.#sweepAfter = clock.monotonic() + SWEEP_FIRST_MILLISECONDS;
		this.#estates = new Estates({ ...options, ...options.heirs });
		this.#bury = new Bury({
			store,
			now: () => clock.now(),
			live: () => options.mailboxes().live,
			forget: (tx, mailbox, entry) => {
				this.#thinned.add(mailbox);
				return options.mailboxes().forget(tx, mailbox, entry);
			},
		});
	}

	// ------------------------------------------------------------------ events

	/** Within a batch: an entry changed. */
	folded(batch: Batch, folded: Folded, change: RecordPlace): void {
		this.#bury.folded(batch, folded, change);
		this.#estates.folded(batch, folded);
	}
	adopted(...[batch, mailbox, entry, row]: Parameters<Bury["adopted"]>): void {
		this.#bury.adopted(batch, mailbox, entry, row);
	}
	committed(): void {}
	rolledBack(): void {
		this.#bury.rolledBack();
	}

	// ------------------------------------------------------------------ questions

	/** Whether an entry that lives names what lies there, `by` for one: else it is not fetched, repaired or missed. */
	isWanted(place: Place, by?: readonly [MailboxId, EntryId]): boolean {
		const { store } = this.#options;
		return isWanted(new Batch(store), store, place, by);
	}
	/** Whether any entry names it, also one that is dead and that some member may not know to be. */
	isNamed(place: Place): boolean {
		return usesOf(this.#options.store, place).length > 0;
	}
	/** Whether a body that was taken in may be named now. */
	mayName(body: BodyRef): boolean {
		return this.#sweep.mayName(body);
	}

	/**
	 * Until what this returns is run, once, no body is cleared here that an entry names now, also when that is expunged
	 * meanwhile. A backup copies what entries named when it began, and may take hours.
	 */
	hold(): () => void {
		this.#holds++;
		return () => {
			this.#holds--;
		};
	}

	// ------------------------------------------------------------------ work

	start(): void {
		this.#truncation = new Truncation(
			this.#options.ledger(),
			() => this.#options.mailboxes().live,
		);
		this.#schedule(SPACE_MILLISECONDS);
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#cancel();
		await this.#working;
	}

	#schedule(afterMilliseconds: number): void {
		if (this.#stopped) return;
		this.#cancel = this.#options.clock.after(afterMilliseconds, () => {
			this.#working = this.#run();
		});
	}

	async #run(): Promise<void> {
		let more = false;
		try {
			if (this.#options.isWhole()) more = await this.#step();
		} catch (error) {
			const expected =
				error instanceof Temporary ||
				error instanceof StoreFull ||
				error instanceof StoreFailed;
			this.#options.diary[expected ? "warn" : "error"](
				"could not give space back now; it is tried again",
				{ error: expected ? error.message : String((error as Error).stack) },
			);
		}
		this.#schedule(more ? SPACE_BUSY_MILLISECONDS : SPACE_MILLISECONDS);
	}

	/** Resolves to whether there is more to do at once. */
	async #step(): Promise<boolean> {
		const stable = this.#stable();
		let more = await this.#estates.step();
		if (this.#holds === 0) more = (await this.#clearDead(stable)) || more;
		more = (await this.#forgetDead(stable)) || more;
		await this.#dropSegments();
		more = ((await this.#truncation?.step(stable)) ?? false) || more;
		await this.#sweepDrives(stable);
		await this.#compact();
		return more;
	}

	#stable(): Stable {
		const { clock, ledger, others } = this.#options;
		const now = clock.now();
		const long = (this.#truncation?.kept ?? 0) > LOG_CHANGES_KEPT_MAX;
		const limit = long ? SPACE_MILLISECONDS * 12 : AWAY_MILLISECONDS_MAX;
		return this.told.stable(
			ledger().log.vector,
			others(),
			(lastHeard) => now - lastHeard > limit,
		);
	}

	async #clearDead(stable: Stable): Promise<boolean> {
		let places: readonly Place[] = [];
		let more = false;
		await this.#write((tx) => {
			({ places, more } = this.#bury.bury(tx, stable));
		});
		await this.#clearFree(places);
		return more;
	}

	/** In one turn from the look at the rows to the call: nothing is named meanwhile. */
	async #clearFree(places: readonly Place[]): Promise<void> {
		const { store, bodies } = this.#options;
		const free = new Map<string, Place[]>();
		for (const place of places) {
			if (usesOf(store, place).length > 0) continue;
			const list = free.get(place.drive) ?? [];
			free.set(place.drive, list);
			list.push(place);
		}
		const clearing = [...free].map(async ([drive, list]) => {
			await bodies.clear(drive, list.map(rangeOf));
			for (const { blob } of list) this.#garbageBytes += blob[3];
		});
		await Promise.all(clearing);
	}

	async #forgetDead(stable: Stable): Promise<boolean> {
		let more = false;
		await this.#write((tx) => {
			more = this.#bury.forget(tx, stable);
		});
		return more;
	}

	async #dropSegments(): Promise<void> {
		if (this.#thinned.size === 0) return;
		const { store, ledger } = this.#options;
		await this.#write(({ batch }) => {
			for (const mailbox of this.#thinned)
				for (const id of emptySegments(store, batch, mailbox, (account) =>
					this.#estates.isGone(account),
				))
					batch.putAll(ledger().documents.drop(id));
		});
		this.#thinned.clear();
	}

	async #write(work: (tx: Transaction) => void): Promise<void> {
		await this.#options.ledger().write(work);
	}

	/** Only when this node has what each member told since it runs: own bodies may be named by changes that only they have. */
	async #sweepDrives({ away }: Stable): Promise<void> {
		const { clock, others, drives, bodies, ledger } = this.#options;
		if (clock.monotonic() < this.#sweepAfter) return;
		const settled = others().filter(({ node }) =>
			this.told.isSettled(node, ledger().log.vector),
		);
		if (settled.length + away.length < others().length) return;
		this.#sweepAfter = clock.monotonic() + SWEEP_MILLISECONDS;
		let usedBytes = 0;
		for (const drive of new Set([bodies.drive, ...drives()])) {
			if (this.#stopped) return;
			usedBytes += await this.#sweep.drive(drive);
		}
		const spare = (await bodies.diskBytes()) - usedBytes;
		this.#garbageBytes = Math.max(this.#garbageBytes, spare);
	}

	/** When a good part of the disk is garbage. The larger the store, the longer until the next time. */
	async #compact(): Promise<void> {
		const { bodies, clock, diary } = this.#options;
		const start = clock.monotonic();
		if (this.#garbageBytes < BODY_GARBAGE_BYTES_MIN) return;
		if (start < this.#compactAfter || this.#stopped) return;
		const before = await bodies.diskBytes();
		if (this.#garbageBytes * 100 < before * BODY_GARBAGE_PERCENT_MAX) return;
		await bodies.compact();
		this.#garbageBytes = 0;
		const took = clock.monotonic() - start;
		this.#compactAfter =
			clock.monotonic() +
			Math.max(
				COMPACTION_PAUSE_MILLISECONDS_MIN,
				took * COMPACTION_PAUSE_FACTOR,
			);
		diary.info("gave the room of cleared bodies back to the disk", {
			beforeBytes: before,
			afterBytes: await bodies.diskBytes(),
			tookMilliseconds: Math.round(took),
		});
	}
}
