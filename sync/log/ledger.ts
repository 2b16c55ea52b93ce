/**
 * The one place where something becomes true: own work and changes of peers are gathered, applied to the documents,
 * folded into rows, and committed together with one sync (group commit). Whoever wants to write gives a function, which
 * runs when the next batch is made and sees all that came before it. Nobody is told anything before the commit.
 */
import { OpenDocuments } from "../documents/open.ts";
import { Temporary } from "../faults.ts";
import type { DocumentId, NodeId, Origin, Sequence } from "../ids.ts";
import { RECORD_BATCH_COUNT } from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Store, StoreFull, type StoreWrite } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import { Flush, type Waiting } from "./flush.ts";
import { Inbound, Poisoned, type Refusal } from "./inbound.ts";
import { judgeOwn, judgeSize, RefusedChange } from "./judging.ts";
import { ChangeLog, type Head, unframe } from "./log.ts";
import { Recent } from "./recent.ts";
import { type ChangeRecord, decodeRecord, encodeRecord } from "./record.ts";
import type { Fold, Made, Work } from "./transaction.ts";

export type { Fold, KeyChange, Transaction, Work } from "./transaction.ts";

export interface LedgerEvents {
	/** After each commit that moved the vector: own records were added up to `own`, or others' were taken in. */
	readonly committed: (own: boolean) => void;
	/** Whether own changes are on their way to other members and not confirmed yet. */
	readonly onTheWay: () => boolean;
	/** How long the line to the nearest members that are enough for the wanted copies takes, there and back; 0 where unknown. */
	readonly wayMilliseconds: () => number;
	/** Whether bodies come from members just now: what can wait waits until they are here. */
	readonly isBringing: () => boolean;
	/** What this member sent of the origin was damaged or forged. */
	readonly refused: (origin: Origin, peer: NodeId, why: Refusal) => void;
	/** It was removed for good: nothing is taken of it itself any more. */
	readonly isRemoved: (node: NodeId) => boolean;
	/** A document does not open. Changes of it wait until it does. */
	readonly damaged: (document: DocumentId, reason: string) => void;
}

const STOPPING = "this node is being stopped; try another one";
const RETRY_MILLISECONDS = 1_000;
const TELL_FULL_MILLISECONDS = 60_000;
/** Longer than the steps of one command are apart. */
const SETTLE_MILLISECONDS = 100;
/** Then turn by turn, with room for others in between. */
const SETTLE_AGAIN_MILLISECONDS = 20;
/** As long as a member takes to confirm where both are busy. */
const GATHER_MILLISECONDS = 40;
/** Where the line alone takes so long, who waits to go along would mostly wait for nothing; a busy near member seems not so far. */
const FAR_MILLISECONDS = 80;
const GATHER_FAR_MILLISECONDS = 5;

export class Ledger {
	readonly origin: Origin;
	readonly log: ChangeLog;
	readonly documents: OpenDocuments;
	readonly #store: Store;
	readonly #clock: Clock;
	readonly #diary: Log;
	readonly #folds: readonly Fold[];
	readonly #events: LedgerEvents;
	#works: Waiting[] = [];
	readonly #inbound: Inbound;
	#isFull = false;
	/** When that is logged again. */
	#tellFullFrom = 0;
	#stopped = false;
	#scheduled = false;
	#cancel: Cancel = () => {};
	/** Cancels the batch that is scheduled, while it waits for more. */
	#held: Cancel | undefined;
	#heldReason: string | undefined;
	/** Documents are to be settled when it has been quiet for a moment. */
	#settles = false;
	/** How many were committed. */
	#batches = 0;
	#snapshots: StoreWrite[] = [];
	readonly #recent = new Recent();
	#hadAtLastRecord: Map<Origin, Sequence>;
	#idle: (() => void)[] = [];
	#afterBatch: (() => void)[] = [];

	constructor(options: {
		origin: Origin;
		store: Store;
		clock: Clock;
		diary: Log;
		rules: Rules;
		folds: readonly Fold[];
		events: LedgerEvents;
	}) {
		this.origin = options.origin;
		this.#store = options.store;
		this.#clock = options.clock;
		this.#diary = options.diary;
		this.#folds = options.folds;
		this.#events = options.events;
		this.log = new ChangeLog(options.store);
		this.documents = new OpenDocuments(
			options.store,
			options.origin,
			(at) => {
				const { record, previous } = this.log.read(at);
				return { change: record.change, previous };
			},
			options.events.damaged,
		);
		this.#inbound = new Inbound({
			log: this.log,
			documents: this.documents,
			diary: options.diary,
			rules: options.rules,
			refused: options.events.refused,
			isRemoved: options.events.isRemoved,
		});
		this.#hadAtLastRecord = readHad(options.store);
	}

	/**
	 * Runs `work` in the next batch. Resolves, when that is durable here, with the highest own sequence it made (0: none).
	 * Rejects with what `work` threw, or Temporary when the disk refused. `isPart`: of much work that is done step by step, so
	 * that this one is large already, and the next comes when it is done: it is not held for others.
	 */
	write(work: Work, { isPart = false } = {}): Promise<number> {
		if (this.#stopped) return Promise.reject(new Temporary(STOPPING));
		return new Promise((resolve, reject) => {
			this.#works.push({ work, resolve: ({ last }) => resolve(last), reject });
			if (isPart) this.#scheduleNow();
			else this.#schedule();
		});
	}

	/** As write(), for who waits for copies of bodies: that must know all changes, as the last may not be what names one. */
	make(work: Work): Promise<Made> {
		if (this.#stopped) return Promise.reject(new Temporary(STOPPING));
		return new Promise((resolve, reject) => {
			this.#works.push({ work, resolve, reject });
			this.#schedule();
		});
	}

	/** Why no document may be changed here now; changes of peers are taken in all the same. */
	get held(): string | undefined {
		return this.#heldReason;
	}
	hold(why: string | undefined): void {
		this.#heldReason = why;
	}

	/** Takes records of a peer, in any order, as ChangeLog.readFramed gave them. */
	accept(framed: readonly Uint8Array[], from: NodeId): void {
		if (this.#stopped) return;
		this.#inbound.accept(framed, from);
		if (this.#inbound.count > 0) this.#scheduleNow();
	}

	/** How many records of `origin` are here or on their way into the log, without a gap: no need to ask for them. */
	expected(origin: Origin): number {
		return this.#inbound.expected(origin);
	}

	/** Resolves after the next batch where much waits to be applied: the sender is held back meanwhile. */
	taken(): Promise<void> | undefined {
		if (this.#inbound.count < RECORD_BATCH_COUNT || !this.#scheduled)
			return undefined;
		return new Promise((resolve) => this.#afterBatch.push(resolve));
	}

	/** Whether records came that miss others before them. */
	get hasGaps(): boolean {
		return this.#inbound.count > 0;
	}

	/** Drops records that wait for others (their sender will be asked again). */
	dropWaiting(): void {
		this.#inbound.drop();
	}

	/** When the newest own change that is kept was made, by the clock of its time. */
	lastMadeMilliseconds(): number | undefined {
		const head = this.log.head(this.origin)?.sequence ?? 0;
		const [framed] = this.log.readFramed(this.origin, head, 1, 1);
		return framed && decodeRecord(unframe(framed)).madeMilliseconds;
	}

	/** Resolves when nothing waits to be written. */
	settled(): Promise<void> {
		if (!this.#scheduled && this.#works.length === 0) return Promise.resolve();
		return new Promise((resolve) => this.#idle.push(resolve));
	}

	/**
	 * Nothing is read or written here from now on, for the store is about to be closed. What came in since settled() resolved
	 * is rejected with Temporary.
	 */
	stop(): void {
		this.#stopped = true;
		this.#cancel();
		this.#scheduled = false;
		for (const waiting of this.#works.splice(0))
			waiting.reject(new Temporary(STOPPING));
		for (const run of [...this.#idle.splice(0), ...this.#afterBatch.splice(0)])
			run();
	}

	/** Commits, together with what `work` does, that all changes up to these heads are held (replication/snapshot.ts). */
	adopt(heads: ReadonlyMap<Origin, Head>, work: Work): Promise<number> {
		return this.write((tx) => {
			this.log.adoptHeads(tx.batch, heads);
			for (const origin of heads.keys()) (tx as Flush).origins.add(origin);
			work(tx);
		});
	}

	/** Own changes on the way to other members were confirmed: what was gathered meanwhile may go. */
	confirmed(): void {
		if (this.#held !== undefined && !this.#events.onTheWay())
			this.#scheduleNow();
	}

	/** Also where the batch was to wait for more: of two members none must wait for what the other has gathered. */
	#scheduleNow(): void {
		if (this.#held !== undefined) {
			this.#held();
			this.#held = undefined;
			this.#scheduled = false;
		}
		this.#scheduleAfter(0);
	}

	/**
	 * While own changes are on the way to other members, further work is gathered for a moment: as with Nagle's algorithm
	 * one large batch follows the other, instead of many small ones, each with its own syncs and messages on both ends.
	 */
	#schedule(): void {
		if (this.#scheduled) return;
		const holds = this.#works.length > 0 && this.#events.onTheWay();
		this.#scheduleAfter(holds ? this.#gatherMilliseconds() : 0);
	}
	#gatherMilliseconds(): number {
		return this.#events.wayMilliseconds() >= FAR_MILLISECONDS
			? GATHER_FAR_MILLISECONDS
			: GATHER_MILLISECONDS;
	}
	#scheduleAfter(milliseconds: number): void {
		if (this.#scheduled || this.#stopped) return;
		this.#scheduled = true;
		this.#cancel = this.#clock.after(milliseconds, () => this.#run());
		this.#held = milliseconds > 0 ? this.#cancel : undefined;
	}

	#run(): void {
		this.#scheduled = false;
		this.#held = undefined;
		try {
			this.#runBatch();
		} finally {
			for (const resolve of this.#afterBatch.splice(0)) resolve();
		}
	}

	#runBatch(): void {
		let works: Waiting[] = [];
		const flush = new Flush(
			this,
			this.#folds,
			this.#store,
			this.#snapshots,
			this.#recent,
		);
		const done: { waiting: Waiting; made: Made }[] = [];
		try {
			this.#inbound.take(flush);
			if (!this.#inbound.isCareful) works = this.#works.splice(0);
			for (const waiting of works) {
				const made = flush.runOne(waiting);
				if (made !== undefined) done.push({ waiting, made });
			}
			flush.finish();
			this.#emit(flush);
		} catch (error) {
			this.#failed(this.#inbound.blamed(error, works.length === 0), works);
			return;
		}
		try {
			this.#store.commit(flush.batch.writes());
			this.#hasRoom();
		} catch (error) {
			this.#failed(error, works);
			return;
		}
		this.#committed(flush, done);
	}

	/** Makes own records of the groups of edits. */
	#emit(flush: Flush): void {
		const had = this.#hadAtLastRecord;
		for (const group of flush.groups) {
			const document = this.documents.get(group.document);
			this.documents.mayHaveChanged(group.document);
			const keys = group.edits.map((edit) => edit.key);
			const change = document.change(group.edits, true, (made) =>
				judgeOwn(made, this.origin, group.document, keys),
			);
			if (change === undefined)
				throw new Error(`edits of ${group.document} changed nothing`);
			const news = new Map<Origin, Sequence>();
			for (const [origin, sequence] of flush.vector())
				if (origin !== this.origin && had.get(origin) !== sequence) {
					news.set(origin, sequence);
					had.set(origin, sequence);
				}
			if (news.size > 0) flush.batch.put("meta/had", JSON.stringify([...had]));
			const record: ChangeRecord = {
				origin: this.origin,
				sequence: group.sequence,
				had: news,
				document: group.document,
				keys,
				change,
				madeMilliseconds: this.#clock.now(),
			};
			const encoded = encodeRecord(record);
			judgeSize(group.document, encoded);
			flush.append(record, encoded);
		}
	}

	#committed(
		flush: Flush,
		done: readonly { waiting: Waiting; made: Made }[],
	): void {
		this.#batches++;
		this.log.committed(flush.batch, flush.origins);
		this.#snapshots = this.documents.committed();
		this.#inbound.committed();
		for (const fold of this.#folds) fold.committed();
		for (const { waiting, made } of done) waiting.resolve(made);
		if (flush.origins.size > 0) this.#events.committed(flush.groups.length > 0);
		// What is not on its way to a member was shown with this batch: to keep it would only be work for the garbage collector.
		flush.batch.committed(this.#events.onTheWay());
		this.#settleLater();
		const more = this.#inbound.count > 0 && flush.taken > 0;
		if (this.#works.length > 0 || more) this.#schedule();
		else if (!this.#scheduled) for (const run of this.#idle.splice(0)) run();
	}

	/**
	 * Some changes at a time, and only when nothing was written for a moment and no bodies come, as to a node that was away:
	 * the longer they wait the cheaper they are.
	 */
	#settleLater(afterMilliseconds = SETTLE_MILLISECONDS): void {
		if (this.#settles || !this.documents.isUnsettled || this.#stopped) return;
		this.#settles = true;
		const since = this.#batches;
		this.#clock.after(afterMilliseconds, () => {
			this.#settles = false;
			if (this.#stopped) return;
			const isQuiet = this.#batches === since && !this.#events.isBringing();
			if (isQuiet) {
				this.documents.settleSome();
				this.#saveDue();
			}
			this.#settleLater(isQuiet ? SETTLE_AGAIN_MILLISECONDS : undefined);
		});
	}

	/** A snapshot that waited for this goes with a batch of its own: after a large import nobody else may come for long. */
	#saveDue(): void {
		const due = this.documents.takeDue();
		if (due.length === 0) return;
		this.#snapshots.push(...due);
		this.#schedule();
	}

	/** Whether the last batch found no room on the disk. */
	get isFull(): boolean {
		return this.#isFull;
	}

	#hasRoom(): void {
		if (this.#isFull) this.#diary.warn("there is room on the disk again");
		this.#isFull = false;
	}

	/** Once and then each minute while the disk is full: every change that others push fails, and the log may lie on that disk. */
	#tellFailure(error: unknown): void {
		const wasFull = this.#isFull;
		this.#isFull = error instanceof StoreFull;
		const now = this.#clock.monotonic();
		if (this.#isFull) {
			if (wasFull && now < this.#tellFullFrom) return;
			this.#tellFullFrom = now + TELL_FULL_MILLISECONDS;
		}
		this.#diary.error("could not write a batch; nothing of it was kept", {
			error: String(error),
			...(this.#isFull ? {} : { stack: (error as Error).stack }),
		});
	}

	#failed(error: unknown, works: readonly Waiting[]): void {
		this.documents.rolledBack();
		this.#recent.clear();
		this.#hadAtLastRecord = readHad(this.#store);
		for (const fold of this.#folds) fold.rolledBack();
		this.#tellFailure(error);
		this.#inbound.rolledBack(error);
		if (error instanceof Poisoned) this.#schedule();
		const cause = (error instanceof Poisoned ? error.cause : error) as Error;
		const fault = new Temporary(
			cause instanceof RefusedChange
				? cause.message
				: `cannot write to disk now: ${cause.message}`,
		);
		for (const waiting of works) waiting.reject(fault);
		if (this.#inbound.count > 0)
			this.#clock.after(RETRY_MILLISECONDS, () => this.#schedule());
		if (!this.#scheduled) for (const run of this.#idle.splice(0)) run();
	}
}

function readHad(store: Store): Map<Origin, Sequence> {
	const text = store.get("meta/had");
	return new Map(
		text === undefined
			? []
			: (JSON.parse(text as string) as [Origin, Sequence][]),
	);
}
