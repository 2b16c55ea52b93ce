/**
 * `pmnode check`: looks at all that a node holds, against itself and its peers, while it serves, and mends what can be
 * mended. The checks themselves are pure and lie beside this file (the simulator uses them as well); here is their order, their
 * pace, and what is said of them.
 */
import type { CheckOptions, CheckResult, OperationEvent } from "../api.ts";
import type { ClusterState, Member } from "../directory/cluster.ts";
import type { FlatDocument } from "../documents/flat.ts";
import { kindOf } from "../documents/shapes.ts";
import type {
	AccountId,
	DocumentId,
	EntryId,
	MailboxId,
	Origin,
} from "../ids.ts";
import {
	CHECK_BODIES_MAX,
	CHECK_DOCUMENTS_MAX,
	CHECK_PAUSE_MILLISECONDS,
	CHECK_PROBLEMS_MAX,
	CHECK_SLICE_MILLISECONDS,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Vector } from "../log/record.ts";
import type { Mailboxes } from "../mailbox/mailboxes.ts";
import { decodeFacts, type EntryRow, lives, rowKey } from "../mailbox/rows.ts";
import type { Bodies, BodyRef } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import { type Store, StoreFull } from "../ports/store.ts";
import type { Space } from "../space/space.ts";
import { boxOf, checkBox, mailboxesOf } from "./boxes.ts";
import { adviceOf, type Flaw, mendedOf, type Step, whatOf } from "./flaws.ts";
import { checkLog, checkStore, logLength } from "./log.ts";
import { Mender } from "./mend.ts";
import { NotComparable, PeerDocuments } from "./peers.ts";
import { checkOrphans, checkSegment } from "./rows.ts";
import { checkSlots } from "./slots.ts";
import { walk } from "./walk.ts";

export interface CheckerOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly mailboxes: Mailboxes;
	readonly cluster: ClusterState;
	readonly bodies: Bodies;
	readonly network: Network;
	readonly clock: Clock;
	readonly diary: Log;
	readonly arrived: (vector: Vector) => Promise<boolean>;
	readonly directoryChanged: (account: AccountId | "cluster") => void;
	readonly adopted: Space["adopted"];
	/** Whether no member has the body. */
	readonly isLost: (body: BodyRef) => boolean;
	/** Own changes that fewer members hold than the operator wants: the first of them, the last there is, and how many. */
	readonly tooFewCopies: () => {
		readonly first: number;
		readonly head: number;
		readonly count: number;
	};
}

type Steps = Iterable<Step> | AsyncIterable<Step>;
interface Stage {
	readonly name: string;
	/** Units, as its steps count them. */
	readonly total: number;
	readonly steps: Steps;
}

export class Checker {
	readonly #options: CheckerOptions;
	readonly peers: PeerDocuments;
	readonly mender: Mender;
	/** When this turn of work began (monotonic). */
	#began = Number.NEGATIVE_INFINITY;

	constructor(options: CheckerOptions) {
		this.#options = options;
		const breathe = () => this.breathe();
		this.peers = new PeerDocuments({
			...options,
			breathe,
			member: (node) => options.cluster.member(node),
			hasMail: (id) => hasMail(options.store, id),
			mergeFrom: (member, ids) => this.mender.mergeFrom(member, ids),
		});
		this.mender = new Mender({
			...options,
			breathe,
			peers: this.peers,
			reachable: () => this.reachable(),
		});
	}

	/** The other members that can be asked now. */
	reachable(): Member[] {
		const { network, cluster } = this.#options;
		return network
			.peers()
			.filter(({ state }) => state === "up")
			.map(({ node }) => cluster.member(node))
			.filter((member) => member !== undefined);
	}

	/** After some milliseconds of work: lets others have a turn. */
	async breathe(): Promise<void> {
		const { clock } = this.#options;
		if (clock.monotonic() - this.#began < CHECK_SLICE_MILLISECONDS) return;
		await new Promise<void>((resolve) => {
			clock.after(CHECK_PAUSE_MILLISECONDS, resolve);
		});
		this.#began = clock.monotonic();
	}

	async check(options: CheckOptions): Promise<CheckResult> {
		const run = new Run(this, this.#options, options);
		const first = await run.all();
		if (first.mended === 0) return first;
		// What was mended must hold, and may have let more be seen.
		const again = new Run(
			this,
			this.#options,
			{ ...options, repair: false },
			run,
		);
		const { problems } = await again.all();
		return { problems, mended: first.mended };
	}
}

/** One pass. */
class Run {
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
		const { bodies, mailboxes, isLost } = this.#parts;
		const state = await bodies.verify(body);
		if (state === "whole") return 1;
		const row = mailboxes.row(mailbox, entry);
		// Expunged, or named otherwise, since.
		if (row === undefined || !lives(row)) return 1;
		if (decodeFacts(row.f as string).body.hash !== body.hash) return 1;
		const lost = isLost(body);
		return { kind: "body", mailbox, entry, body, state, lost };
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
					text: `${count} changes that bring mail have fewer copies than wanted; they are made when the members that are down are back`,
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

interface Named {
	readonly mailbox: MailboxId;
	readonly entry: EntryId;
	readonly body: BodyRef;
}

/** Bodies that entries name which live, after the row with key `after`. */
export function* bodiesOf(
	store: Store,
	after?: string,
): Generator<Named & { readonly key: string }> {
	for (const rows of walk(store, "ent/", 64, after))
		for (const [key, value] of rows) {
			const row = JSON.parse(value as string) as EntryRow;
			if (!lives(row)) continue;
			const [, mailbox, entry] = key.split("/");
			yield {
				key,
				mailbox: mailbox as MailboxId,
				entry: entry as EntryId,
				body: decodeFacts(row.f as string).body,
			};
		}
}

function hasMail(store: Store, id: DocumentId): boolean {
	const place = kindOf(id);
	if (place.kind !== "segment") return true;
	for (const rows of walk(store, rowKey(place.mailbox, "" as EntryId)))
		for (const [, value] of rows) {
			const row = JSON.parse(value as string) as EntryRow;
			if (row.s === place.segment && lives(row)) return true;
		}
	return false;
}

export function documentFault(
	id: DocumentId,
	documents: Ledger["documents"],
): string | undefined {
	try {
		const stored = documents.stored(id);
		const heads = stored.heads().join();
		const lacks = stored.lacks([]).length;
		stored.free();
		if (lacks > 0) return "lacks changes that others of its changes need";
		return heads === documents.get(id).heads().join()
			? undefined
			: "is not the same in the store as in memory";
	} catch (error) {
		return `cannot be opened (${(error as Error).message})`;
	}
}
