/**
 * Bodies that entries name and that are not here yet: fetched in the background until they are, or nothing names them any
 * more. Also answers, per origin, up to which change all bodies are here: what peers are told.
 */
import type { EntryId, MailboxId, Origin, Sequence } from "../ids.ts";
import { BODY_FETCHES_ASKED_MAX, HOLDS_EXTRA_MAX } from "../limits.ts";
import type { Batch } from "../log/batch.ts";
import type { Vector } from "../log/record.ts";
import type { Facts } from "../mailbox/rows.ts";
import { type Bodies, type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { prefixEnd, type Store, StoreFull } from "../ports/store.ts";

/** As it lies in the store. */
interface NeedRow {
	readonly ref: BodyRef;
	readonly waits: [Origin, number][];
	/** No member has it: nobody waits for it any more. */
	lost?: true;
}

interface Wait {
	readonly sequence: number;
	readonly missing: Set<Place>;
}

const RETRY_MILLISECONDS = 1_000;
const FLUSH_MILLISECONDS = 1_000;
/** Longer than bodies that come are apart, also where a member pauses. */
const BRINGING_MILLISECONDS = 500;
/** A lost body is looked for again where a member comes, and so often: one that is not linked here may have told others. */
const LOST_RETRY_MILLISECONDS = 60_000;
/** By place: the same bytes may lie in several drives, and each entry names one of them. */
type Place = string;
/** The entry that names a body. */
type Namer = readonly [MailboxId, EntryId];
export const needKey = ({ drive, blob }: BodyRef): Place =>
	`need/${drive.slice(0, 16)}/${blob[1]}`;

export class BodyNeeds {
	readonly #store: Store;
	readonly #clock: Clock;
	readonly #diary: Log;
	readonly #bodies: Bodies;
	readonly #isWanted: (body: BodyRef, by: Namer | undefined) => boolean;
	readonly #isCleared: (body: BodyRef) => boolean;
	readonly #done: () => void;
	readonly #flush: () => void;
	readonly #missed: () => void;
	/** Keys of the store that go with the next batch, whatever that is made for. */
	#arrivedKeys = new Set<string>();
	#lostKeys = new Set<string>();
	#flushScheduled = false;
	readonly #needs = new Map<Place, NeedRow>();
	readonly #lost = new Map<Place, NeedRow>();
	/** Needs, and lost ones, that could not be had when they were tried last. */
	readonly #unavailable = new Set<Place>();
	/** To be fetched, with the entry that named it just now. */
	readonly #queue = new Map<Place, Namer | undefined>();
	#running = 0;
	readonly #waits = new Map<Origin, Wait[]>();
	#staged: [Place, NeedRow, Origin, number, Namer | undefined][] = [];
	#isFull = false;
	/** When a body came last. */
	#broughtAt = Number.NEGATIVE_INFINITY;
	#stopped = false;

	constructor(options: {
		store: Store;
		clock: Clock;
		diary: Log;
		bodies: Bodies;
		/** Whether an entry that lives names it, `by` for one: what was expunged is not fetched. */
		isWanted: (body: BodyRef, by: Namer | undefined) => boolean;
		/** Whether a body of the own drive, which a member names, may have been cleared here: no entry named it before. */
		isCleared: (body: BodyRef) => boolean;
		/** A body arrived: peers want to know. */
		done: () => void;
		/** Has a batch made, so that the store forgets what arrived. */
		flush: () => void;
		/** No member gave a body in time: is it lost? */
		missed: () => void;
	}) {
		this.#store = options.store;
		this.#clock = options.clock;
		this.#diary = options.diary;
		this.#bodies = options.bodies;
		this.#isWanted = options.isWanted;
		this.#isCleared = options.isCleared;
		this.#done = options.done;
		this.#flush = options.flush;
		this.#missed = options.missed;
		const rows: [Place, NeedRow][] = [];
		for (const [key, value] of this.#store.range("need/", prefixEnd("need/")))
			rows.push([key, JSON.parse(value as string) as NeedRow]);
		for (const [key, row] of rows) if (row.lost) this.#setLost(key, row);
		const waits = rows
			.filter(([key]) => !this.#lost.has(key))
			.flatMap(([key, row]) =>
				row.waits.map(([origin, sequence]) => ({ key, row, origin, sequence })),
			);
		waits.sort((a, b) => a.sequence - b.sequence);
		for (const { key, row, origin, sequence } of waits)
			this.#add(key, row, origin, sequence);
	}

	/** How many bodies are missing, without those that are lost. */
	get count(): number {
		return this.#needs.size;
	}

	/** How many no member has. */
	get lostCount(): number {
		return this.#lost.size;
	}

	/** Whether bodies that are missing come just now. */
	get isBringing(): boolean {
		return (
			this.#needs.size > 0 &&
			this.#clock.monotonic() - this.#broughtAt < BRINGING_MILLISECONDS
		);
	}

	isLost(body: BodyRef): boolean {
		return this.#lost.has(needKey(body));
	}

	/** Not here yet, and being fetched. */
	isAwaited(body: BodyRef): boolean {
		return this.#needs.has(needKey(body));
	}

	/** Within a batch: an entry names this body. */
	named(
		batch: Batch,
		facts: Facts,
		origin: Origin,
		sequence: number,
		by?: Namer,
	): void {
		const { body } = facts;
		if (body.drive === this.#bodies.drive && !this.#isCleared(body)) return;
		const key = needKey(body);
		const row = batch.object<NeedRow>(key) ?? { ref: body, waits: [] };
		row.waits.push([origin, sequence]);
		// Named once more: whoever did may have it.
		delete row.lost;
		batch.change(key, row);
		this.#staged.push([key, row, origin, sequence, by]);
	}

	finish(batch: Batch): void {
		for (const key of this.#arrivedKeys) batch.put(key, undefined);
		for (const key of this.#lostKeys) {
			const row = batch.object<NeedRow>(key);
			if (row !== undefined && this.#lost.has(key))
				batch.change(key, { ...row, lost: true });
		}
	}

	committed(): void {
		this.#arrivedKeys.clear();
		this.#lostKeys.clear();
		for (const staged of this.#staged.splice(0)) this.#add(...staged);
		this.#pump();
	}

	rolledBack(): void {
		this.#staged = [];
	}

	#setLost(key: Place, row: NeedRow): void {
		this.#lost.set(key, row);
		this.#queue.set(key, undefined);
	}

	#add(
		key: Place,
		row: NeedRow,
		origin: Origin,
		sequence: number,
		by?: Namer,
	): void {
		this.#lost.delete(key);
		this.#needs.set(key, row);
		this.#queue.set(key, by);
		const waits = this.#waits.get(origin) ?? [];
		this.#waits.set(origin, waits);
		const last = waits.at(-1);
		if (last?.sequence === sequence) last.missing.add(key);
		else waits.push({ sequence, missing: new Set([key]) });
	}

	/** A member says that changes will name these bodies in a moment; if they do not come now, they are fetched then. */
	prefetch(refs: readonly BodyRef[]): void {
		for (const ref of refs) {
			if (this.#running >= BODY_FETCHES_ASKED_MAX || this.#stopped) return;
			this.#running++;
			this.#bodies
				.fetch(ref)
				.catch((error) =>
					this.#diary.debug("a body could not be fetched ahead", {
						hash: ref.hash,
						error: String(error),
					}),
				)
				.finally(() => {
					this.#running--;
					this.#pump();
				});
		}
	}

	/** Peers came or went, or the store was opened: tries what could not be had. */
	retry(): void {
		for (const key of this.#needs.keys()) this.#queue.set(key, undefined);
		for (const key of this.#lost.keys()) this.#queue.set(key, undefined);
		this.#pump();
	}

	/** Some of those that could not be had when they were tried last. */
	missed(count: number): BodyRef[] {
		const refs: BodyRef[] = [];
		for (const key of this.#unavailable) {
			if (refs.length >= count) break;
			this.#unavailable.delete(key);
			const row = this.#needs.get(key) ?? this.#lost.get(key);
			if (row !== undefined) refs.push(row.ref);
		}
		return refs;
	}

	/** They came here in another way. */
	came(bodies: readonly BodyRef[]): void {
		for (const body of bodies) this.#queue.set(needKey(body), undefined);
		this.#pump();
	}

	/**
	 * No member has them: they count as missing no more, and hold up no watermark. Returns those that are lost so: while members
	 * were asked the entry may have been expunged, or named where its body lies by a retry.
	 */
	giveUp(bodies: readonly BodyRef[]): readonly BodyRef[] {
		const lost: BodyRef[] = [];
		for (const body of bodies) {
			const key = needKey(body);
			const row = this.#needs.get(key);
			if (row === undefined) continue;
			if (!this.#isWanted(row.ref, undefined)) {
				this.#arrived(key);
				continue;
			}
			lost.push(body);
			this.#needs.delete(key);
			this.#lost.set(key, row);
			this.#lostKeys.add(key);
			this.#waitNoMore(key, row);
			this.#againLater(key, LOST_RETRY_MILLISECONDS);
		}
		this.#scheduleFlush();
		this.#done();
		return lost;
	}

	#pump(): void {
		for (const [key, by] of this.#queue) {
			if (this.#running >= BODY_FETCHES_ASKED_MAX || this.#stopped) return;
			this.#queue.delete(key);
			const row = this.#needs.get(key) ?? this.#lost.get(key);
			if (row === undefined) continue;
			if (!this.#isWanted(row.ref, by)) {
				this.#arrived(key);
				continue;
			}
			this.#running++;
			this.#fetch(key, row).finally(() => {
				this.#running--;
				this.#pump();
			});
		}
	}

	async #fetch(key: Place, { ref }: NeedRow): Promise<void> {
		try {
			await this.#bodies.fetch(ref);
			this.#isFull = false;
			this.#broughtAt = this.#clock.monotonic();
			this.#arrived(key);
		} catch (error) {
			if (this.#stopped) return;
			this.#isFull = error instanceof StoreFull;
			this.#diary.debug("a body is not to be had yet", {
				hash: ref.hash,
				error: String(error),
			});
			const isLost = this.#lost.has(key);
			this.#againLater(
				key,
				isLost ? LOST_RETRY_MILLISECONDS : RETRY_MILLISECONDS,
			);
			if (!(error instanceof BodyUnavailable)) return;
			this.#unavailable.add(key);
			this.#missed();
		}
	}

	#againLater(key: Place, milliseconds: number): void {
		this.#clock.after(milliseconds, () => {
			if (this.#stopped || !(this.#needs.has(key) || this.#lost.has(key)))
				return;
			this.#queue.set(key, undefined);
			this.#pump();
		});
	}

	#arrived(key: Place): void {
		const row = this.#needs.get(key) ?? this.#lost.get(key);
		if (row === undefined) return;
		if (this.#lost.delete(key))
			this.#diary.info(
				"a body that was lost is here again, or missed no more",
				{
					hash: row.ref.hash,
				},
			);
		this.#needs.delete(key);
		this.#unavailable.delete(key);
		this.#waitNoMore(key, row);
		this.#arrivedKeys.add(key);
		this.#scheduleFlush();
		this.#done();
	}

	#waitNoMore(key: Place, { waits }: NeedRow): void {
		for (const [origin, sequence] of waits)
			this.#arrivedFor(origin, sequence, key);
	}

	/** No commit for this alone: after a crash the body is asked for again, and found here. */
	#scheduleFlush(): void {
		if (this.#flushScheduled) return;
		this.#flushScheduled = true;
		this.#clock.after(FLUSH_MILLISECONDS, () => {
			this.#flushScheduled = false;
			if (this.#arrivedKeys.size + this.#lostKeys.size > 0 && !this.#stopped)
				this.#flush();
		});
	}

	#arrivedFor(origin: Origin, sequence: number, key: Place): void {
		const waits = this.#waits.get(origin) ?? [];
		const wait = waits.find((one) => one.sequence === sequence);
		wait?.missing.delete(key);
		let finished = 0;
		while (waits[finished]?.missing.size === 0) finished++;
		if (finished > 0) waits.splice(0, finished);
	}

	/** Per origin, up to which change all bodies are here. */
	watermarks(vector: Vector): Map<Origin, Sequence> {
		const marks = new Map<Origin, Sequence>();
		for (const [origin, sequence] of vector) {
			const first = this.#waits.get(origin)?.[0];
			const mark = first === undefined ? sequence : first.sequence - 1;
			if (mark > 0) marks.set(origin, mark as Sequence);
		}
		return marks;
	}

	/**
	 * Changes of `origin` beyond its watermark whose bodies are all here. Of what came as a snapshot (before `firstKept`)
	 * nobody knows which change named which body: until all are here, none of them counts.
	 */
	beyond(origin: Origin, upTo: number, firstKept: number): Sequence[] {
		const waits = this.#waits.get(origin);
		if (waits === undefined || waits.length === 0) return [];
		const missing = new Set(
			waits
				.filter((wait) => wait.missing.size > 0)
				.map(({ sequence }) => sequence),
		);
		const found: Sequence[] = [];
		for (
			let sequence = Math.max((waits[0] as Wait).sequence, firstKept);
			sequence <= upTo && found.length < HOLDS_EXTRA_MAX;
			sequence++
		)
			if (!missing.has(sequence)) found.push(sequence as Sequence);
		return found;
	}

	/** Whether the last body that was fetched found no room on the disk. Without needs nothing is known to lack room. */
	get isFull(): boolean {
		return this.#isFull && this.#needs.size > 0;
	}

	stop(): void {
		this.#stopped = true;
	}
}
