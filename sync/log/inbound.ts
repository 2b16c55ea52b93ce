/**
 * Changes of other members on their way into the log: checked one by one when they come, held until what they depend on is
 * here, applied in causal order. What is damaged or forged is refused, named, and asked for again; of another member if
 * there is one.
 */
import type { FlatDocument, ForeignChange, Scalar } from "../documents/flat.ts";
import type { OpenDocuments } from "../documents/open.ts";
import { Temporary } from "../faults.ts";
import type { DocumentId, NodeId, Origin, Sequence } from "../ids.ts";
import {
	RECORD_BATCH_COUNT,
	RECORD_BATCH_KEYS,
	RECORDS_WAITING_MAX,
} from "../limits.ts";
import type { Log } from "../ports/log.ts";
import type { Rules } from "../rules.ts";
import type { Flush } from "./flush.ts";
import { judgeForeign } from "./judging.ts";
import { type ChangeLog, framedHash, unframe } from "./log.ts";
import {
	BadRecord,
	type ChangeRecord,
	chainHash,
	covers,
	decodeRecord,
} from "./record.ts";
import type { KeyChange } from "./transaction.ts";

/** Of which change, and why. */
export interface Refusal {
	readonly sequence: Sequence;
	readonly reason: string;
}

interface Waiting {
	readonly framed: Uint8Array;
	readonly record: ChangeRecord;
	/** Of the record. */
	readonly foreign: ForeignChange;
	readonly from: NodeId;
}

export interface InboundOptions {
	readonly log: ChangeLog;
	readonly documents: OpenDocuments;
	readonly diary: Log;
	readonly rules: Rules;
	/** What this member sent of the origin was damaged or forged. */
	readonly refused: (origin: Origin, peer: NodeId, why: Refusal) => void;
	/**
	 * It was removed for good. What it sent and was not taken in by then never is, but for what another member has: so it is
	 * settled what counts of a removed member, once all know that it was (its slots may then be others').
	 */
	readonly isRemoved: (node: NodeId) => boolean;
}

export class Inbound {
	readonly #options: InboundOptions;
	/** By origin and sequence. */
	readonly #waiting = new Map<Origin, Map<number, Waiting>>();
	#count = 0;
	/** So many more are applied one by one. */
	#careful = 0;
	/** Those of the batch in the making. */
	#taken: readonly Waiting[] = [];

	constructor(options: InboundOptions) {
		this.#options = options;
	}

	/** How many are not applied yet. */
	get count(): number {
		return this.#count;
	}

	/** Takes records in any order, as ChangeLog.readFramed gave them. */
	accept(framed: readonly Uint8Array[], from: NodeId): void {
		const { log, isRemoved } = this.#options;
		if (isRemoved(from)) return;
		for (const one of framed) {
			const record = this.#decoded(one, from);
			if (record === undefined) continue;
			const have = log.vector.get(record.origin) ?? 0;
			if (record.sequence <= have) {
				this.#checkFork(record, one);
				continue;
			}
			let waiting = this.#waiting.get(record.origin);
			if (waiting === undefined) {
				waiting = new Map();
				this.#waiting.set(record.origin, waiting);
			}
			const held = waiting.get(record.sequence);
			if (held !== undefined && !isRemoved(held.from)) continue;
			// What does not fit will be asked for again, in order.
			if (this.#count >= RECORDS_WAITING_MAX) break;
			const foreign = this.#judged(record, from);
			if (foreign === undefined) continue;
			waiting.set(record.sequence, { framed: one, record, foreign, from });
			if (held === undefined) this.#count++;
		}
	}

	/** The record, if it is whole. */
	#decoded(framed: Uint8Array, from: NodeId): ChangeRecord | undefined {
		try {
			return decodeRecord(unframe(framed));
		} catch (error) {
			if (!(error instanceof BadRecord)) throw error;
			this.#refuse(error.message, from);
			return undefined;
		}
	}

	/** Its change, if that does what the record says. */
	#judged(record: ChangeRecord, from: NodeId): ForeignChange | undefined {
		const { origin, sequence, change } = record;
		const judged = judgeForeign(record);
		if (judged.fault === undefined) return { change, plain: judged.plain };
		this.#refuse(judged.fault, from, { origin, sequence });
		return undefined;
	}

	#refuse(
		reason: string,
		peer: NodeId,
		at?: { readonly origin: Origin; readonly sequence: Sequence },
	): void {
		this.#options.diary.error(
			"refused a change that a member sent; it is asked for again",
			{ reason, peer, ...at },
		);
		if (at === undefined) return;
		this.#count -= this.#waiting.get(at.origin)?.size ?? 0;
		this.#waiting.delete(at.origin);
		const { origin, sequence } = at;
		this.#options.refused(origin, peer, { sequence, reason });
	}

	/** It came of a member that was removed meanwhile: whoever else has it is asked. */
	#isTooLate({ record, from }: Waiting): boolean {
		const { isRemoved, refused } = this.#options;
		if (!isRemoved(from)) return false;
		if (this.#waiting.get(record.origin)?.delete(record.sequence))
			this.#count--;
		refused(record.origin, from, {
			sequence: record.sequence,
			reason: "it came of a member that was removed",
		});
		return true;
	}

	/** How many records of `origin` are here or on their way into the log, without a gap: no need to ask for them. */
	expected(origin: Origin): number {
		let sequence: number = this.#options.log.vector.get(origin) ?? 0;
		const waiting = this.#waiting.get(origin);
		while (waiting?.has(sequence + 1)) sequence++;
		return sequence;
	}

	/** Drops all (their sender will be asked again). */
	drop(): void {
		this.#waiting.clear();
		this.#count = 0;
	}

	/** Applies what is ready, in causal order, and folds it. */
	take(flush: Flush): void {
		const { documents } = this.#options;
		const ready = this.#ready(flush);
		this.#taken = ready;
		flush.taken = ready.length;
		const byDocument = new Map<DocumentId, ForeignChange[]>();
		for (const { record, foreign } of ready) {
			const changes = byDocument.get(record.document);
			if (changes) changes.push(foreign);
			else byDocument.set(record.document, [foreign]);
		}
		for (const [id, changes] of byDocument) {
			const document = documents.get(id);
			documents.mayHaveChanged(id);
			try {
				document.take(changes);
			} catch (error) {
				throw new Poisoned(ready, true, error);
			}
		}
		flush.expect(ready.map(({ record }) => record));
		for (const { record } of ready) {
			const document = documents.get(record.document);
			for (const key of record.keys)
				flush.fold(new TakenKey(record, key, document));
		}
	}

	/** What is taken now must be alone in its batch: one of those that were taken before cannot be. */
	get isCareful(): boolean {
		return this.#careful > 0 && this.#taken.length > 0;
	}

	/**
	 * The batch failed, and no disk was asked yet: what was taken may be at fault, which shows when each is taken alone.
	 * `alone`: nothing else was in the batch.
	 */
	blamed(error: unknown, alone: boolean): unknown {
		const isKnown = error instanceof Temporary || error instanceof Poisoned;
		return isKnown || this.#taken.length === 0
			? error
			: new Poisoned(this.#taken, alone, error);
	}

	#ready(flush: Flush): Waiting[] {
		const { log, rules, documents } = this.#options;
		const ready: Waiting[] = [];
		const vector = new Map(log.vector);
		let keys = 0;
		for (let progress = true; progress; ) {
			progress = false;
			for (const [origin, waiting] of this.#waiting)
				for (;;) {
					const next = waiting.get((vector.get(origin) ?? 0) + 1);
					if (
						next === undefined ||
						this.#isTooLate(next) ||
						ready.length >= (this.#careful > 0 ? 1 : RECORD_BATCH_COUNT) ||
						keys >= RECORD_BATCH_KEYS ||
						(rules.causal && !covers(vector, next.record.had)) ||
						documents.isDamaged(next.record.document)
					)
						break;
					if (!this.#chained(flush, next)) break;
					flush.append(next.record, unframe(next.framed));
					vector.set(origin, next.record.sequence);
					ready.push(next);
					keys += next.record.keys.length;
					progress = true;
				}
		}
		return ready;
	}

	#chained(flush: Flush, { framed, record, from }: Waiting): boolean {
		const { origin, sequence } = record;
		const head = this.#options.log.headIn(flush.batch, origin);
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
		const mine = this.#options.log.hashAt(origin, sequence);
		if (mine !== undefined && mine !== framedHash(framed))
			this.#options.diary.error(
				"refused a change that is another one than that known by its number: damaged, forged, or its node was cloned",
				{ origin, sequence },
			);
	}

	/** What was taken is durable. */
	committed(): void {
		const taken = this.#taken;
		this.#taken = [];
		this.#careful = Math.max(0, this.#careful - taken.length);
		for (const { record } of taken)
			if (this.#waiting.get(record.origin)?.delete(record.sequence))
				this.#count--;
	}

	/** What was taken is not; of several changes that cannot be applied all are taken one by one, until one is found. */
	rolledBack(error: unknown): void {
		this.#taken = [];
		if (!(error instanceof Poisoned)) return;
		const { ready, alone, cause } = error;
		const [first] = ready;
		if (ready.length > 1 || !alone) this.#careful = ready.length;
		else if (first !== undefined) {
			const { origin, sequence } = first.record;
			this.#refuse(`it cannot be applied: ${String(cause)}`, first.from, {
				origin,
				sequence,
			});
		}
	}
}

/** A key of a record that was taken into its document. */
class TakenKey implements KeyChange {
	readonly document: DocumentId;
	readonly origin: Origin;
	readonly sequence: Sequence;
	readonly key: string;
	readonly #holder: FlatDocument;

	constructor(
		{ document, origin, sequence }: ChangeRecord,
		key: string,
		holder: FlatDocument,
	) {
		this.document = document;
		this.origin = origin;
		this.sequence = sequence;
		this.key = key;
		this.#holder = holder;
	}

	get values(): readonly Scalar[] {
		return this.#holder.values(this.key);
	}
	get valuesIfNew(): readonly Scalar[] | undefined {
		return this.#holder.valuesIfNew(this.key);
	}
}

/** A change passed every check, and cannot be taken in all the same. */
export class Poisoned extends Error {
	override name = "Poisoned";
	readonly ready: readonly Waiting[];
	/** Nothing else was in the batch. */
	readonly alone: boolean;
	constructor(ready: readonly Waiting[], alone: boolean, cause: unknown) {
		super("a change cannot be applied", { cause });
		this.ready = ready;
		this.alone = alone;
	}
}
