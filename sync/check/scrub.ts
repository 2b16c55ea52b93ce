/**
 * The slow scrub: reads every body once in thirty days, a little at a time, and opens every document and compares it with
 * the members once a day; goes on after a start where it was. What it finds is said in the diary and mended.
 */
import type { ScrubReport } from "../api.ts";
import {
	CHECK_DOCUMENTS_MAX,
	SCRUB_BYTES_PER_SECOND_MAX,
	SCRUB_DOCUMENTS_MILLISECONDS,
	SCRUB_ROUND_MILLISECONDS,
	SCRUB_STEP_BODIES_MAX,
	SCRUB_STEP_MILLISECONDS,
} from "../limits.ts";
import type { Ledger } from "../log/ledger.ts";
import type { Bodies } from "../ports/bodies.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { boxOf, mailboxesOf } from "./boxes.ts";
import type { Checker } from "./checker.ts";
import { type Flaw, whatOf } from "./flaws.ts";
import { bodiesOf, documentFault } from "./held.ts";
import { OwedBodies, type OwedBodiesOptions } from "./owed.ts";
import { NotComparable } from "./peers.ts";

export interface ScrubOptions {
	readonly store: Store;
	readonly ledger: Ledger;
	readonly bodies: Bodies;
	readonly clock: Clock;
	readonly diary: Log;
	readonly checker: Checker;
	/** Brings a body here; whether it is missed here; whether it is being fetched since its entry came; whether all can be asked for it. */
	readonly fetchBody: OwedBodiesOptions["fetchBody"];
	readonly isWanted: OwedBodiesOptions["isWanted"];
	readonly isAwaited: OwedBodiesOptions["isAwaited"];
	readonly inTouch: OwedBodiesOptions["inTouch"];
	/** False while this node has no documents, or only half of them. */
	readonly isWhole: () => boolean;
}

/** As it lies in the store, under KEY. */
interface Progress {
	/** The last body row and the last document that were looked at: "" at the start, END when all were. */
	readonly row: string;
	readonly document: string;
	/** Wall clock: when this walk through the documents began, this round, and when the last one was through. */
	readonly documentsMilliseconds: number;
	readonly roundMilliseconds: number;
	readonly lastRoundMilliseconds: number | null;
	/** Of this round. */
	readonly bodies: number;
	readonly found: number;
	readonly mended: number;
}
const KEY = "meta/scrub";

export class Scrub {
	readonly #options: ScrubOptions;
	readonly #owed: OwedBodies;
	#progress: Progress;
	#keptMilliseconds: number;
	#cancel: Cancel = () => {};
	#working: Promise<void> | undefined;
	#stopped = false;
	/** Bytes per second, so that a round takes its time. */
	#rate = 0;
	/** Bytes that may be read, as time goes by. */
	#budget = 0;

	constructor(options: ScrubOptions) {
		this.#options = options;
		this.#owed = new OwedBodies(options);
		const { store, clock } = options;
		const text = store.get(KEY);
		this.#progress =
			text === undefined
				? newRound(clock.now(), null)
				: (JSON.parse(text as string) as Progress);
		this.#keptMilliseconds = clock.monotonic();
	}

	start(): void {
		this.#measure();
		this.#schedule();
	}

	report(): ScrubReport {
		const { roundMilliseconds, lastRoundMilliseconds, bodies, found, mended } =
			this.#progress;
		return {
			sinceMilliseconds: roundMilliseconds,
			lastRoundMilliseconds: lastRoundMilliseconds ?? undefined,
			bodies,
			found,
			mended,
		};
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#cancel();
		await this.#working;
	}

	#schedule(): void {
		if (this.#stopped) return;
		this.#cancel = this.#options.clock.after(SCRUB_STEP_MILLISECONDS, () => {
			this.#working = this.#run();
		});
	}

	async #run(): Promise<void> {
		try {
			if (this.#options.isWhole()) await this.#step();
		} catch (error) {
			this.#options.diary.warn(
				"the scrub could not go on now; it tries again",
				{
					error: String(error),
				},
			);
		}
		this.#schedule();
	}

	/** How fast it must go for a round in its time. */
	#measure(): void {
		const { store } = this.#options;
		let bytes = 0;
		for (const mailbox of mailboxesOf(store)) {
			const box = boxOf(store, mailbox);
			// What was not shown yet counts as the average of what was.
			const average = box.shown > 0 ? box.sizeBytes / box.shown : UNKNOWN_BYTES;
			bytes += box.live * average;
		}
		const wanted = (bytes / SCRUB_ROUND_MILLISECONDS) * 1_000;
		this.#rate = Math.min(SCRUB_BYTES_PER_SECOND_MAX, wanted + 1);
	}

	async #step(): Promise<void> {
		const most = this.#rate * (SCRUB_STEP_MILLISECONDS / 1_000);
		// Time in which nothing was read (a node that slept) is not made up for.
		this.#budget = Math.min(this.#budget + most, 2 * most);
		await this.#documentStep();
		if (await this.#owed.again()) this.#count(0, 1);
		await this.#bodiesStep();
		this.#keep(false);
	}

	async #bodiesStep(): Promise<void> {
		const { store, bodies } = this.#options;
		if (this.#progress.row === END) {
			if (
				this.#isDue(this.#progress.roundMilliseconds, SCRUB_ROUND_MILLISECONDS)
			)
				this.#newRound();
			return;
		}
		let looked = 0;
		const after =
			this.#progress.row === "" ? undefined : `${this.#progress.row}!`;
		for (const one of bodiesOf(store, after)) {
			if (this.#budget <= 0 || looked >= SCRUB_STEP_BODIES_MAX || this.#stopped)
				return;
			looked++;
			this.#budget -= one.body.sizeBytes;
			const state = await bodies.verify(one.body);
			this.#progress = {
				...this.#progress,
				row: one.key,
				bodies: this.#progress.bodies + 1,
			};
			if (state === "whole" || !this.#options.isWanted(one.body)) continue;
			const { mailbox, entry, body } = one;
			const flaw = { kind: "body", mailbox, entry, body, state } as const;
			const outcome = await this.#owed.take(flaw);
			if (outcome !== "nothing") this.#count(1, Number(outcome === "mended"));
		}
		this.#endRound();
	}

	/** Also after the wall clock went back. */
	#isDue(since: number, after: number): boolean {
		const age = this.#options.clock.now() - since;
		return age < 0 || age >= after;
	}

	/** Documents are few beside bodies: one a step, with what the members have of it. */
	async #documentStep(): Promise<void> {
		const { ledger, checker } = this.#options;
		const { document, documentsMilliseconds } = this.#progress;
		if (document === END) {
			if (this.#isDue(documentsMilliseconds, SCRUB_DOCUMENTS_MILLISECONDS))
				this.#progress = {
					...this.#progress,
					document: "",
					documentsMilliseconds: this.#options.clock.now(),
				};
			return;
		}
		const all = [...ledger.documents.ids()].sort();
		const at = all.findIndex((id) => id > document);
		if (at < 0) {
			this.#progress = { ...this.#progress, document: END };
			return;
		}
		const some = all.slice(at, at + DOCUMENTS_A_STEP);
		for (const id of some) {
			const what = documentFault(id, ledger.documents);
			if (what !== undefined)
				await this.#found({ kind: "document", document: id, what });
			await checker.breathe();
		}
		for (const member of checker.reachable())
			try {
				const next = all[at + some.length];
				for (const flaw of await checker.peers.compare(member, some, next))
					await this.#found(flaw);
			} catch (error) {
				if (!(error instanceof NotComparable)) throw error;
			}
		this.#progress = { ...this.#progress, document: some.at(-1) ?? END };
	}

	async #found(flaw: Flaw): Promise<void> {
		const { checker, diary } = this.#options;
		const mended = await checker.mender.mend(flaw);
		this.#count(1, Number(mended));
		diary[mended ? "warn" : "error"](`the scrub found: ${whatOf(flaw)}`, {
			mended,
		});
	}

	#count(found: number, mended: number): void {
		this.#progress = {
			...this.#progress,
			found: this.#progress.found + found,
			mended: this.#progress.mended + mended,
		};
	}

	#endRound(): void {
		const { bodies, found, mended } = this.#progress;
		// Nothing was there yet: what comes is not to wait for a whole round.
		if (bodies === 0) {
			this.#progress = { ...this.#progress, row: "" };
			return;
		}
		const lastRoundMilliseconds = this.#options.clock.now();
		this.#progress = { ...this.#progress, row: END, lastRoundMilliseconds };
		this.#options.diary.info("the scrub has read every body", {
			bodies,
			found,
			mended,
		});
		this.#keep(true);
	}

	#newRound(): void {
		const { document, documentsMilliseconds, lastRoundMilliseconds } =
			this.#progress;
		this.#progress = {
			...newRound(this.#options.clock.now(), lastRoundMilliseconds),
			document,
			documentsMilliseconds,
		};
		this.#measure();
	}

	/** A crash repeats some minutes of it: no sync is worth more. */
	#keep(now: boolean): void {
		const { clock, ledger } = this.#options;
		if (!now && clock.monotonic() < this.#keptMilliseconds + KEEP_MILLISECONDS)
			return;
		this.#keptMilliseconds = clock.monotonic();
		const text = JSON.stringify(this.#progress);
		ledger
			.write((tx) => tx.batch.put(KEY, text))
			.catch((error) =>
				this.#options.diary.warn("how far the scrub is was not kept", {
					error: String(error),
				}),
			);
	}
}

/** After all rows and documents. */
const END = "~";
const UNKNOWN_BYTES = 20_000;
const KEEP_MILLISECONDS = 5 * 60_000;
const DOCUMENTS_A_STEP = Math.min(4, CHECK_DOCUMENTS_MAX);

const newRound = (
	now: number,
	lastRoundMilliseconds: number | null,
): Progress => ({
	row: "",
	document: "",
	documentsMilliseconds: now,
	roundMilliseconds: now,
	lastRoundMilliseconds,
	bodies: 0,
	found: 0,
	mended: 0,
});
