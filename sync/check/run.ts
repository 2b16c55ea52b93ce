/** One pass of a check: its stages in order, what they find, and what is said of it. */
import type { CheckOptions, CheckResult, OperationEvent } from "../api.ts";
import type { ClusterState } from "../directory/cluster.ts";
import type { FlatDocument } from "../documents/flat.ts";
import { kindOf } from "../documents/shapes.ts";
import type { DocumentId, EntryId, MailboxId, Origin } from "../ids.ts";
import {
	CHECK_BODIES_MAX,
	CHECK_DOCUMENTS_MAX,
	CHECK_PROBLEMS_MAX,
} from "../limits.ts";
import { decodeFacts, lives } from "../mailbox/rows.ts";
import {
	type BodyRef,
	type BodyState,
	BodyUnavailable,
} from "../ports/bodies.ts";
import { StoreFull } from "../ports/store.ts";
import { boxOf, checkBox, mailboxesOf } from "./boxes.ts";
import type { Checker, CheckerOptions } from "./checker.ts";
import {
	adviceOf,
	type Flaw,
	haveFewerCopies,
	mendedOf,
	type Step,
	whatOf,
} from "./flaws.ts";
import { bodiesOf, documentFault } from "./held.ts";
import { checkLog, checkStore, logLength } from "./log.ts";
import { NotComparable } from "./peers.ts";
import { checkOrphans, checkSegment } from "./rows.ts";
import { checkSlots } from "./slots.ts";

type Steps = Iterable<Step> | AsyncIterable<Step>;
interface Stage {
	readonly name: string;
	/** Units, as its steps count them. */
	readonly total: number;
	readonly steps: Steps;
}

/** One pass. */
export class Run {
	readonly #checker: Checker;
	readonly #parts: CheckerOptions;
	readonly #options: CheckOptions;
	/** The pass before, which mended. */
	readonly #before: Run | undefined;
	/** What was said of what could not be mended, so that a second pass does not say it again. */
	readonly #told = new Set<string>();
	#problems = 0;
	#mended = 0;

	constructor(
		checker: Checker,
		parts: CheckerOptions,
		options: CheckOptions,
		before?: Run,
	) {
		this.#checker = checker;
		this.#parts = parts;
		this.#options = options;
		this.#before = before;
	}

	async all(): Promise<CheckResult> {
		for (const stage of this.#stages()) await this.#run(stage);
		if (this.#problems > CHECK_PROBLEMS_MAX)
			this.#tell({
				kind: "note",
				text: `${this.#problems - CHECK_PROBLEMS_MAX} more problems are not listed`,
			});
		return { problems: this.#problems, mended: this.#mended };
	}

	/** What others are made from comes first, so that it is sound when they are mended. */
	*#stages(): Generator<Stage> {
		const { store, ledger, cluster } = this.#parts;
		const { documents, log } = ledger;
		const ids = [...documents.ids()];
		const boxes = [...mailboxesOf(store)].map((id) => boxOf(store, id));
		const live = boxes.reduce((sum, box) => sum + Math.max(0, box.live), 0);
		yield { name: "store", total: 0, steps: this.#store() };
		yield { name: "log", total: logLength(log), steps: checkLog(store) };
		yield { name: "documents", total: ids.length, steps: this.#documents(ids) };
		yield {
			name: "members",
			total: ids.length * this.#checker.reachable().length,
			steps: this.#members(),
		};
		yield { name: "messages", total: live, steps: this.#messages() };
		yield { name: "mailboxes", total: live, steps: this.#boxes() };
		yield { name: "bodies", total: live, steps: this.#bodies() };
		yield {
			name: "slots",
			total: 0,
			steps: checkSlots(
				[...new Set(cluster.incarnations().map(({ origin }) => origin))].map(
					(origin): [Origin, ReturnType<ClusterState["slots"]>] => [
						origin,
						cluster.slots(origin),
					],
				),
			),
		};
		yield { name: "copies", total: 0, steps: this.#copies() };
	}

	async #run({ name, total, steps }: Stage): Promise<void> {
		let done = 0;
		const progress = () =>
			this.#tell({
				kind: "progress",
				stage: name,
				done: total > 0 ? Math.min(done, total) : done,
				total,
			});
		progress();
		for await (const step of steps) {
			this.#options.signal.throwIfAborted();
			if (typeof step === "number") {
				done += step;
				progress();
			} else await this.#found(step);
			await this.#checker.breathe();
		}
	}

	said(what: string): boolean {
		return this.#told.has(what);
	}

	async #found(flaw: Flaw): Promise<void> {
		const { repair } = this.#options;
		const mended = repair && (await this.#checker.mender.mend(flaw));
		if (mended) this.#mended++;
		this.#problems++;
		const what = whatOf(flaw);
		if (!mended) this.#told.add(what);
		if (this.#problems > CHECK_PROBLEMS_MAX || this.#before?.said(what)) return;
		this.#tell({
			kind: "problem",
			what,
			todo: mended
				? mendedOf(flaw)
				: adviceOf(flaw, repair || this.#before !== undefined),
			mended,
		});
	}

	#tell(event: OperationEvent): void {
		this.#options.tell(event);
	}

	/** One that does not open was told by an earlier stage. */
	readonly #open = (id: DocumentId): FlatDocument | undefined => {
		try {
			return this.#parts.ledger.documents.get(id);
		} catch {
			return undefined;
		}
	};

	// ------------------------------------------------------------------ stages

	async *#store(): AsyncGenerator<Step> {
		const { store } = this.#parts;
		yield* checkStore(store);
		try {
			const faults = (await store.damage?.(this.#options.signal)) ?? [];
			for (const what of faults) yield { kind: "store", what };
		} catch (error) {
			if (!(error instanceof StoreFull)) throw error;
			this.#tell({
				kind: "note",
				text: "the file of the store was read, but not checked by SQLite: there is no room for a copy of it",
			});
		}
	}

	/** Each opens as the store has it, and is then what it is in memory. */
	*#documents(ids: readonly DocumentId[]): Generator<Step> {
		const { documents } = this.#parts.ledger;
		for (const document of ids) {
			const what = documentFault(document, documents);
			if (what !== undefined) yield { kind: "document", document, what };
			yield 1;
		}
	}

	async *#members(): AsyncGenerator<Step> {
		const { ledger } = this.#parts;
		for (const member of this.#checker.reachable()) {
			const ids = [...ledger.documents.ids()].sort();
			try {
				for (let i = 0; i < ids.length; i += CHECK_DOCUMENTS_MAX) {
					const some = ids.slice(i, i + CHECK_DOCUMENTS_MAX);
					yield* await this.#checker.peers.compare(
						member,
						some,
						ids[i + CHECK_DOCUMENTS_MAX],
					);
					yield some.length;
				}
			} catch (error) {
				if (!(error instanceof NotComparable)) throw error;
				this.#tell({
					kind: "note",
					text: `not all documents were compared: ${error.message}`,
				});
			}
		}
		const { network, cluster } = this.#parts;
		for (const { node, state } of network.peers())
			if (state !== "up")
				this.#tell({
					kind: "note",
					text: `${cluster.member(node)?.name ?? node} is ${state}: its documents were not compared`,
				});
	}

	*#messages(): Generator<Step> {
		const { store, ledger } = this.#parts;
		for (const id of [...ledger.documents.ids()]) {
			const place = kindOf(id);
			if (place.kind === "segment")
				yield* checkSegment(store, this.#open, place.mailbox, place.segment);
		}
	}

	*#boxes(): Generator<Step> {
		const { store } = this.#parts;
		for (const mailbox of mailboxesOf(store)) {
			yield* checkOrphans(store, this.#open, mailbox);
			for (const step of checkBox(store, mailbox))
				yield typeof step === "number" ? 0 : step;
		}
	}

	/** Each body once, as far as its copies lie near one another. */
	async *#bodies(): AsyncGenerator<Step> {
		const seen = new Set<string>();
		let looking: Promise<Step>[] = [];
		for (const { mailbox, entry, body } of bodiesOf(this.#parts.store)) {
			if (seen.has(body.hash)) {
				yield 1;
				continue;
			}
			seen.add(body.hash);
			if (seen.size > SEEN_MAX) seen.clear();
			looking.push(this.#look(mailbox, entry, body));
			if (looking.length < CHECK_BODIES_MAX) continue;
			yield* await Promise.all(looking);
			looking = [];
		}
		yield* await Promise.all(looking);
	}

	async #look(
		mailbox: MailboxId,
		entry: EntryId,
		body: BodyRef,
	): Promise<Step> {
		const { mailboxes, isLost } = this.#parts;
		const state = await this.#stateOf(body);
		if (state === "whole") return 1;
		const row = mailboxes.row(mailbox, entry);
		// Expunged, or named otherwise, since.
		if (row === undefined || !lives(row)) return 1;
		if (decodeFacts(row.f as string).body.hash !== body.hash) return 1;
		const lost = isLost(body);
		return { kind: "body", mailbox, entry, body, state, lost };
	}

	/** What its entry brought a moment ago is on its way, and waited for as whoever reads it would. */
	async #stateOf(body: BodyRef): Promise<BodyState> {
		const { bodies, isAwaited } = this.#parts;
		const state = await bodies.verify(body);
		if (state !== "missing" || !isAwaited(body)) return state;
		try {
			await bodies.fetch(body);
		} catch (error) {
			if (!(error instanceof BodyUnavailable)) throw error;
		}
		return await bodies.verify(body);
	}

	/** Copies that are being made, or cannot be since members are down, are no fault of the data. */
	async *#copies(): AsyncGenerator<Step> {
		const { tooFewCopies, network, clock } = this.#parts;
		const { head } = tooFewCopies();
		const giveUp = clock.monotonic() + COPIES_SETTLE_MILLISECONDS;
		for (;;) {
			const { first, count } = tooFewCopies();
			if (first > head || count === 0) return;
			const down = network.peers().some(({ state }) => state !== "up");
			if (down) {
				this.#tell({
					kind: "note",
					text: `${haveFewerCopies(count)}; the copies are made when the members that are down are back`,
				});
				return;
			}
			if (clock.monotonic() >= giveUp) {
				yield { kind: "copies", count };
				return;
			}
			await new Promise<void>((resolve) => {
				clock.after(COPIES_LOOK_MILLISECONDS, resolve);
			});
			yield 0;
		}
	}
}

const COPIES_SETTLE_MILLISECONDS = 10_000;
const COPIES_LOOK_MILLISECONDS = 250;

/** Hashes remembered, so that copies of a message are not read again. */
const SEEN_MAX = 100_000;
