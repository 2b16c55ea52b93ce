/**
 * The one place where something becomes true: own work and changes of peers are gathered, applied to the documents,
 * folded into rows, and committed together with one sync (group commit). Whoever wants to write gives a function, which
 * runs when the next batch is made and sees all that came before it. Nobody is told anything before the commit.
 */
import {
	DamagedDocument,
	type Edit,
	faultOf,
	type Scalar,
} from "../documents/flat.ts";
import { OpenDocuments } from "../documents/open.ts";
import { bucketsOf } from "../documents/shapes.ts";
import { Temporary } from "../faults.ts";
import type { DocumentId, NodeId, Origin, Sequence } from "../ids.ts";
import { RECORD_BATCH_COUNT, RECORDS_WAITING_MAX } from "../limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, StoreWrite } from "../ports/store.ts";
import type { Rules } from "../rules.ts";
import { Batch } from "./batch.ts";
import { ChangeLog, framedHash, type Head, unframe } from "./log.ts";
import {
	BadRecord,
	type ChangeRecord,
	chainHash,
	covers,
	decodeRecord,
	encodeRecord,
} from "./record.ts";

/** One key of a document was changed by one record. */
export interface KeyChange {
	readonly document: DocumentId;
	readonly key: string;
	readonly origin: Origin;
	readonly sequence: Sequence;
	/** What the key holds now: concurrent values, or none. */
	readonly values: readonly Scalar[];
}

/** What folds changes into rows, and adds own work that follows from them, before the batch is committed. */
export interface Fold {
	fold(tx: Transaction, change: KeyChange): void;
	/** Runs once a batch, after all folding; may edit. */
	finish(tx: Transaction): void;
	/** The batch is durable. */
	committed(): void;
	/** The batch came to nothing; forget what it left in memory. */
	rolledBack(): void;
}

/** A batch in the making. */
export interface Transaction {
	readonly batch: Batch;
	/** Changes a key of a replicated document; folded at once. Edits of one function keep their order everywhere. */
	edit(document: DocumentId, edit: Edit): void;
	/** Whether the document cannot be changed now, since it does not open; see DamagedDocument. */
	isDamaged(document: DocumentId): boolean;
}

/** Must check all it needs before its first edit: it may throw before, never after. */
export type Work = (tx: Transaction) => void;

export interface LedgerEvents {
	/** After each commit that moved the vector: own records were added up to `own`, or others' were taken in. */
	readonly committed: (own: boolean) => void;
	/** Whether own changes are on their way to other members and not confirmed yet. */
	readonly onTheWay: () => boolean;
	/** What this member sent of the origin was damaged or forged. */
	readonly refused: (origin: Origin, peer: NodeId) => void;
	/** A document does not open. Changes of it wait until it does. */
	readonly damaged: (document: DocumentId, reason: string) => void;
}

interface Group {
	readonly document: DocumentId;
	readonly sequence: Sequence;
	readonly edits: Edit[];
}

interface Waiting {
	readonly work: Work;
	readonly resolve: (sequence: number) => void;
	readonly reject: (error: unknown) => void;
}

interface Inbound {
	readonly framed: Uint8Array;
	readonly record: ChangeRecord;
	readonly from: NodeId;
}

const RETRY_MILLISECONDS = 1_000;
/** Longer than the steps of one command are apart. */
const SETTLE_MILLISECONDS = 100;
/** Less than a client waits for on a line of 100 ms, and as long as a member takes to confirm where both are busy. */
const GATHER_MILLISECONDS = 40;

export class Ledger {
	readonly origin: Origin;
	readonly log: ChangeLog;
	readonly documents: OpenDocuments;
	readonly #store: Store;
	readonly #clock: Clock;
	readonly #diary: Log;
	readonly #rules: Rules;
	readonly #folds: readonly Fold[];
	readonly #events: LedgerEvents;
	#works: Waiting[] = [];
	/** Records by origin and sequence that are not applied yet. */
	readonly #inbound = new Map<Origin, Map<number, Inbound>>();
	#inboundCount = 0;
	/** So many more records are applied one by one. */
	#careful = 0;
	#scheduled = false;
	/** Cancels the batch that is scheduled, while it waits for more. */
	#held: Cancel | undefined;
	#heldReason: string | undefined;
	/** Documents are to be settled when it has been quiet for a moment. */
	#settles = false;
	#snapshots: StoreWrite[] = [];
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
		this.#rules = options.rules;
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
		this.#hadAtLastRecord = readHad(options.store);
	}

	/**
	 * Runs `work` in the next batch. Resolves, when that is durable here, with the highest own sequence it made (0: none).
	 * Rejects with what `work` threw, or Temporary when the disk refused.
	 */
	write(work: Work): Promise<number> {
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

	/**
	 * Takes records of a peer, in any order, as ChangeLog.readFramed gave them. What is damaged or forged is refused and
	 * named; it will be asked for again, of another member if there is one.
	 */
	accept(framed: readonly Uint8Array[], from: NodeId): void {
		for (const one of framed) {
			const record = this.#decoded(one, from);
			if (record === undefined) continue;
			const have = this.log.vector.get(record.origin) ?? 0;
			if (record.sequence <= have) {
				this.#checkFork(record, one);
				continue;
			}
			let waiting = this.#inbound.get(record.origin);
			if (waiting === undefined) {
				waiting = new Map();
				this.#inbound.set(record.origin, waiting);
			}
			if (waiting.has(record.sequence)) continue;
			// What does not fit will be asked for again, in order.
			if (this.#inboundCount >= RECORDS_WAITING_MAX) break;
			waiting.set(record.sequence, { framed: one, record, from });
			this.#inboundCount++;
		}
		if (this.#inboundCount > 0) this.#scheduleNow();
	}

	/** The record, if it is whole and does what it says. */
	#decoded(framed: Uint8Array, from: NodeId): ChangeRecord | undefined {
		let record: ChangeRecord;
		try {
			record = decodeRecord(unframe(framed));
		} catch (error) {
			if (!(error instanceof BadRecord)) throw error;
			this.#refuse(error.message, from, {});
			return undefined;
		}
		const { origin, sequence, document, keys, change } = record;
		if ((this.log.vector.get(origin) ?? 0) >= sequence) return record;
		const fault = faultOf(change, origin, keys, bucketsOf(document));
		if (fault === undefined) return record;
		this.#refuse(fault, from, { origin, sequence });
		return undefined;
	}

	#refuse(
		reason: string,
		peer: NodeId,
		at: { readonly origin?: Origin; readonly sequence?: Sequence },
	): void {
		this.#diary.error(
			"refused a change that a member sent; it is asked for again",
			{ reason, peer, ...at },
		);
		if (at.origin === undefined) return;
		this.#forgetInbound(at.origin);
		this.#events.refused(at.origin, peer);
	}

	#forgetInbound(origin: Origin): void {
		this.#inboundCount -= this.#inbound.get(origin)?.size ?? 0;
		this.#inbound.delete(origin);
	}

	/** Resolves after the next batch where much waits to be applied: the sender is held back meanwhile. */
	taken(): Promise<void> | undefined {
		if (this.#inboundCount < RECORD_BATCH_COUNT || !this.#scheduled)
			return undefined;
		return new Promise((resolve) => this.#afterBatch.push(resolve));
	}

	/** How many records of `origin` are here or on their way into the log, without a gap: no need to ask for them. */
	expected(origin: Origin): number {
		let sequence: number = this.log.vector.get(origin) ?? 0;
		const waiting = this.#inbound.get(origin);
		while (waiting?.has(sequence + 1)) sequence++;
		return sequence;
	}

	/** Whether records came that miss others before them. */
	get hasGaps(): boolean {
		return this.#inboundCount > 0;
	}

	/** Drops records that wait for others (their sender will be asked again). */
	dropWaiting(): void {
		this.#inbound.clear();
		this.#inboundCount = 0;
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
		this.#scheduleAfter(holds ? GATHER_MILLISECONDS : 0);
	}
	#scheduleAfter(milliseconds: number): void {
		if (this.#scheduled) return;
		this.#scheduled = true;
		const cancel = this.#clock.after(milliseconds, () => this.#run());
		this.#held = milliseconds > 0 ? cancel : undefined;
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
		const works = this.#works;
		this.#works = [];
		const flush = new Flush(this, this.#folds, this.#store, this.#snapshots);
		const done: { waiting: Waiting; sequence: number }[] = [];
		try {
			this.#takeInbound(flush);
			for (const waiting of works) {
				const sequence = flush.runOne(waiting);
				if (sequence !== undefined) done.push({ waiting, sequence });
			}
			flush.finish();
			this.#emit(flush);
			this.#store.commit(flush.batch.writes());
		} catch (error) {
			this.#failed(error, works);
			return;
		}
		this.#committed(flush, done);
	}

	/** Applies what is ready, in causal order, and folds it. */
	#takeInbound(flush: Flush): void {
		const ready = this.#readyInbound(flush);
		const byDocument = new Map<DocumentId, Uint8Array[]>();
		for (const { record } of ready) {
			const changes = byDocument.get(record.document);
			if (changes) changes.push(record.change);
			else byDocument.set(record.document, [record.change]);
		}
		for (const [id, changes] of byDocument) {
			const document = this.documents.get(id);
			this.documents.mayHaveChanged(id);
			try {
				document.apply(changes);
			} catch (error) {
				throw new Poisoned(ready, error);
			}
		}
		for (const { record } of ready) {
			const document = this.documents.get(record.document);
			for (const key of record.keys)
				flush.fold({
					document: record.document,
					key,
					origin: record.origin,
					sequence: record.sequence,
					values: document.values(key),
				});
		}
		flush.taken = ready;
	}

	#readyInbound(flush: Flush): Inbound[] {
		const ready: Inbound[] = [];
		const vector = new Map(this.log.vector);
		for (let progress = true; progress; ) {
			progress = false;
			for (const [origin, waiting] of this.#inbound)
				for (;;) {
					const next = waiting.get((vector.get(origin) ?? 0) + 1);
					if (
						next === undefined ||
						ready.length >= (this.#careful > 0 ? 1 : RECORD_BATCH_COUNT) ||
						(this.#rules.causal && !covers(vector, next.record.had)) ||
						this.documents.isDamaged(next.record.document)
					)
						break;
					if (!this.#chained(flush, next)) break;
					flush.append(next.record, unframe(next.framed));
					vector.set(origin, next.record.sequence);
					ready.push(next);
					progress = true;
				}
		}
		return ready;
	}

	#chained(flush: Flush, { framed, record, from }: Inbound): boolean {
		const { origin, sequence } = record;
		const head = this.log.headIn(flush.batch, origin);
		if (chainHash(head?.hash ?? "", unframe(framed)) === framedHash(framed))
			return true;
		this.#refuse(
			"it does not continue its origin's chain: damaged, forged, or the origin forked",
			from,
			{ origin, sequence },
		);
		return false;
	}

	/** What is here already must be the same. Of which of the two is right nothing can be known: what is here stays. */
	#checkFork(record: ChangeRecord, framed: Uint8Array): void {
		const { origin, sequence } = record;
		const mine = this.log.hashAt(origin, sequence);
		if (mine !== undefined && mine !== framedHash(framed))
			this.#diary.error(
				"refused a change that is another one than that known by its number: damaged, forged, or its node was cloned",
				{ origin, sequence },
			);
	}

	/** Makes own records of the groups of edits. */
	#emit(flush: Flush): void {
		const had = this.#hadAtLastRecord;
		for (const group of flush.groups) {
			const document = this.documents.get(group.document);
			this.documents.mayHaveChanged(group.document);
			const change = document.change(group.edits);
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
				keys: group.edits.map((edit) => edit.key),
				change,
				madeMilliseconds: this.#clock.now(),
			};
			flush.append(record, encodeRecord(record));
		}
	}

	#committed(
		flush: Flush,
		done: readonly { waiting: Waiting; sequence: number }[],
	): void {
		this.log.committed(flush.batch, flush.origins);
		this.#snapshots = this.documents.committed();
		this.#careful = Math.max(0, this.#careful - flush.taken.length);
		for (const { record } of flush.taken) {
			if (this.#inbound.get(record.origin)?.delete(record.sequence))
				this.#inboundCount--;
		}
		for (const fold of this.#folds) fold.committed();
		for (const { waiting, sequence } of done) waiting.resolve(sequence);
		if (flush.origins.size > 0) this.#events.committed(flush.groups.length > 0);
		this.#settleLater();
		if (this.#works.length > 0 || this.#moreInbound(flush)) this.#schedule();
		else if (!this.#scheduled) for (const run of this.#idle.splice(0)) run();
	}

	/** One change at a time, and only while nothing is to be written: nobody waits long for what nobody asked for. */
	#settleLater(): void {
		if (this.#settles || !this.documents.isUnsettled) return;
		this.#settles = true;
		this.#clock.after(SETTLE_MILLISECONDS, () => {
			this.#settles = false;
			if (!this.#scheduled) this.documents.settleOne();
			this.#settleLater();
		});
	}

	/** Of several changes one cannot be applied: they are taken one by one, until it is found and refused. */
	#isolate({ ready, cause }: Poisoned): void {
		const [first] = ready;
		if (ready.length > 1) this.#careful = ready.length;
		else if (first !== undefined) {
			const { origin, sequence } = first.record;
			this.#refuse(`it cannot be applied: ${String(cause)}`, first.from, {
				origin,
				sequence,
			});
		}
		this.#schedule();
	}

	#moreInbound(flush: Flush): boolean {
		return this.#inboundCount > 0 && flush.taken.length > 0;
	}

	#failed(error: unknown, works: readonly Waiting[]): void {
		this.documents.rolledBack();
		this.#hadAtLastRecord = readHad(this.#store);
		for (const fold of this.#folds) fold.rolledBack();
		this.#diary.error("could not write a batch; nothing of it was kept", {
			error: String(error),
			stack: (error as Error).stack,
		});
		if (error instanceof Poisoned) this.#isolate(error);
		const fault = new Temporary(
			`cannot write to disk now: ${(error as Error).message}`,
		);
		for (const waiting of works) waiting.reject(fault);
		if (this.#inboundCount > 0)
			this.#clock.after(RETRY_MILLISECONDS, () => this.#schedule());
		if (!this.#scheduled) for (const run of this.#idle.splice(0)) run();
	}
}

/** A change passed every check, and Automerge does not take it. */
class Poisoned extends Error {
	override name = "Poisoned";
	readonly ready: readonly Inbound[];
	constructor(ready: readonly Inbound[], cause: unknown) {
		super("a change cannot be applied", { cause });
		this.ready = ready;
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

/** The batch of one run. */
class Flush implements Transaction {
	readonly batch: Batch;
	readonly groups: Group[] = [];
	readonly origins = new Set<Origin>();
	taken: readonly Inbound[] = [];
	readonly #ledger: Ledger;
	readonly #folds: readonly Fold[];
	readonly #openGroup = new Map<DocumentId, number>();
	#sequence: number;
	/** Edits of the running function go to groups from here on, so that their order is kept across documents. */
	#floor = 0;
	#highest = 0;

	constructor(
		ledger: Ledger,
		folds: readonly Fold[],
		store: Store,
		snapshots: readonly StoreWrite[],
	) {
		this.#ledger = ledger;
		this.#folds = folds;
		this.batch = new Batch(store);
		this.batch.putAll(snapshots);
		this.#sequence = ledger.log.vector.get(ledger.origin) ?? 0;
	}

	runOne(waiting: Waiting): number | undefined {
		this.#floor = 0;
		this.#highest = 0;
		try {
			waiting.work(this);
			return this.#highest;
		} catch (error) {
			// After an edit it is a bug, and the whole batch must go.
			if (this.#highest > 0) throw error;
			waiting.reject(error);
			return undefined;
		}
	}

	finish(): void {
		for (const fold of this.#folds) {
			this.#floor = 0;
			fold.finish(this);
		}
	}

	edit(document: DocumentId, edit: Edit): void {
		const { held } = this.#ledger;
		if (held !== undefined && this.#highest === 0) throw new Temporary(held);
		if (this.isDamaged(document))
			throw new DamagedDocument(
				`document ${document} is damaged here and being put together again; try later`,
			);
		let index = this.#openGroup.get(document);
		if (index === undefined || index < this.#floor) {
			index = this.groups.length;
			this.#openGroup.set(document, index);
			this.groups.push({
				document,
				sequence: ++this.#sequence as Sequence,
				edits: [],
			});
		}
		const group = this.groups[index] as Group;
		group.edits.push(edit);
		this.#floor = index;
		this.#highest = Math.max(this.#highest, group.sequence);
		this.fold({
			document,
			key: edit.key,
			origin: this.#ledger.origin,
			sequence: group.sequence,
			values: "set" in edit ? [edit.set] : "add" in edit ? [edit.add] : [],
		});
	}

	isDamaged(document: DocumentId): boolean {
		return this.#ledger.documents.isDamaged(document);
	}

	fold(change: KeyChange): void {
		for (const fold of this.#folds) fold.fold(this, change);
	}

	/** Puts a record into the log, as the newest change of its document. */
	append(record: ChangeRecord, encoded: Uint8Array): void {
		const { documents, log } = this.#ledger;
		const { document, origin, sequence } = record;
		this.origins.add(origin);
		const previous = documents.noteChange(
			this.batch,
			document,
			origin,
			sequence,
		);
		log.append(this.batch, record, encoded, previous);
	}

	/** The vector as of this batch. */
	*vector(): Iterable<[Origin, Sequence]> {
		for (const [origin, sequence] of this.#ledger.log.vector)
			yield [
				origin,
				this.#ledger.log.headIn(this.batch, origin)?.sequence ?? sequence,
			];
		for (const origin of this.origins)
			if (!this.#ledger.log.vector.has(origin)) {
				const head = this.#ledger.log.headIn(this.batch, origin);
				if (head !== undefined) yield [origin, head.sequence];
			}
	}
}
