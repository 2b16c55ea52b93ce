/**
 * Fills the index in the background: some messages at a time, with pauses that are long while the node is busy, so that
 * nobody waits for it.
 */
import type { Account } from "../../sync/api.ts";
import type { AccountId } from "../../sync/ids.ts";
import {
	PRIMED_MEMORY_BYTES_MAX,
	SEARCH_BATCH_BYTES_MAX,
	SEARCH_BATCH_MAX,
	SEARCH_RECONCILE_MILLISECONDS,
	SEARCH_WAITING_MAX,
} from "../../sync/limits.ts";
import type { BodyRef } from "../../sync/ports/bodies.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import { type SearchThread, ThreadFailed } from "./thread.ts";

/** Of a batch, so many are read from the body store. */
const READS = 8;
/** Mail that comes in a burst is let in first. */
const FIRST_MILLISECONDS = 1_000;
/** What a kill loses is found missing when somebody looks; each write fills a page of the disk or more. */
const COMMIT_MILLISECONDS = 30_000;
/** A pause is so long when nothing else happens; how much later it ends says how busy the node is. */
const PAUSE_MILLISECONDS = 4;
const BUSY_LATENESS_MILLISECONDS = 4;
const BUSY_PAUSE_MILLISECONDS = 150;
/** So many within such a pause are a burst: timers are not late then where rounds of mail leave some milliseconds free. */
const BURST_COUNT = 20;
/** Accounts whose last comparison is remembered. */
const ACCOUNTS_REMEMBERED = 10_000;

export interface FillerOptions {
	readonly thread: SearchThread;
	readonly isAtHand: (body: BodyRef) => boolean;
	readonly account: (id: AccountId) => Account | undefined;
	readonly clock: Clock;
	readonly log: Log;
	/** Reads messages into the index. What cannot be had is left out. */
	readonly fill: (messages: readonly Waiting[]) => Promise<void>;
}

export interface Waiting {
	readonly account: AccountId;
	readonly body: BodyRef;
	/** In memory when it came; it may have left that since. */
	readonly wasAtHand: boolean;
}

export class Filler {
	readonly #options: FillerOptions;
	/** Taken from the end: what came last is looked for first. */
	#waiting: Waiting[] = [];
	/** Of these, what came with its bytes in memory. */
	#atHandBytes = 0;
	/** Accounts to be compared with their index. */
	readonly #looked = new Set<AccountId>();
	/** Accounts of which something was left out since there was no room: to be compared once there is. */
	readonly #cutShort = new Set<AccountId>();
	/** When an account was compared last. */
	readonly #reconciled = new Map<AccountId, number>();
	/** When what comes was counted from, and how many came since. */
	#countedFrom = Number.NEGATIVE_INFINITY;
	#came = 0;
	/** A burst is on until then, unless more comes. */
	#burstUntil = Number.NEGATIVE_INFINITY;
	#next: Cancel | undefined;
	#commit: Cancel | undefined;
	#isRunning = false;
	#isClosed = false;

	constructor(options: FillerOptions) {
		this.#options = options;
	}

	looking({ id }: Account): void {
		const last = this.#reconciled.get(id);
		const now = this.#options.clock.monotonic();
		if (last !== undefined && now - last < SEARCH_RECONCILE_MILLISECONDS)
			return;
		this.#looked.add(id);
		this.#runAfter(FIRST_MILLISECONDS);
	}

	arrived(account: AccountId, bodies: readonly BodyRef[]): void {
		this.#count(bodies.length);
		for (const body of bodies) {
			if (this.#waiting.length >= SEARCH_WAITING_MAX) {
				this.#cutShort.add(account);
				break;
			}
			const wasAtHand = this.#options.isAtHand(body);
			if (wasAtHand) this.#atHandBytes += body.sizeBytes;
			this.#waiting.push({ account, body, wasAtHand });
		}
		this.#runAfter(FIRST_MILLISECONDS);
	}

	#count(arrivals: number): void {
		const now = this.#options.clock.monotonic();
		if (now - this.#countedFrom >= BUSY_PAUSE_MILLISECONDS) {
			this.#countedFrom = now;
			this.#came = 0;
		}
		this.#came += arrivals;
		if (this.#came >= BURST_COUNT)
			this.#burstUntil = now + BUSY_PAUSE_MILLISECONDS;
	}

	commitSoon(): void {
		this.#commit ??= this.#options.clock.after(COMMIT_MILLISECONDS, () => {
			this.#commit = undefined;
			if (this.#options.thread.isRunning)
				this.#options.thread.run({ op: "commit" }).catch(() => undefined);
		});
	}

	close(): void {
		this.#isClosed = true;
		this.#next?.();
		this.#commit?.();
		this.#waiting = [];
		this.#atHandBytes = 0;
		this.#looked.clear();
		this.#cutShort.clear();
	}

	#runAfter(milliseconds: number): void {
		if (this.#isRunning || this.#isClosed || this.#next !== undefined) return;
		const { clock } = this.#options;
		const due = clock.monotonic() + milliseconds;
		this.#next = clock.after(milliseconds, () => {
			this.#next = undefined;
			const now = clock.monotonic();
			const isBusy =
				now - due > BUSY_LATENESS_MILLISECONDS || now < this.#burstUntil;
			if (isBusy && !this.#isCrowded) this.#runAfter(BUSY_PAUSE_MILLISECONDS);
			else void this.#run();
		});
	}

	/** One batch, or one account to be compared; then a pause. */
	async #run(): Promise<void> {
		this.#isRunning = true;
		const { log } = this.#options;
		try {
			const account = this.#toCompare();
			if (account !== undefined) await this.#reconcile(account);
			else await this.#readSome();
		} catch (error) {
			if (!this.#isClosed && !(error instanceof ThreadFailed))
				log.warn("a message could not be read into the search index", {
					error,
				});
		}
		this.#isRunning = false;
		if (this.#waiting.length + this.#looked.size + this.#cutShort.size > 0)
			this.#runAfter(PAUSE_MILLISECONDS);
	}

	/** Comparing walks through a whole account: what was left out of one is not looked for before there is room for much of it. */
	#toCompare(): AccountId | undefined {
		if (this.#waiting.length >= SEARCH_WAITING_MAX) return undefined;
		const [looked] = this.#looked;
		if (looked !== undefined) return looked;
		if (this.#waiting.length > SEARCH_WAITING_MAX / 2) return undefined;
		const [cutShort] = this.#cutShort;
		return cutShort;
	}

	async #readSome(): Promise<void> {
		this.commitSoon();
		await this.#options.fill(this.#takeSome());
	}

	/** What came last; few of what must be read from the disk. */
	#takeSome(): Waiting[] {
		const some: Waiting[] = [];
		let bytes = 0;
		let reads = 0;
		while (some.length < SEARCH_BATCH_MAX && reads < READS) {
			const next = this.#waiting.at(-1);
			if (next === undefined) break;
			bytes += next.body.sizeBytes;
			if (some.length > 0 && bytes > SEARCH_BATCH_BYTES_MAX) break;
			if (!this.#options.isAtHand(next.body)) reads++;
			this.#waiting.pop();
			if (next.wasAtHand) this.#atHandBytes -= next.body.sizeBytes;
			some.push(next);
		}
		return some;
	}

	/** What waits in memory would soon have to be read from the disk: that costs everybody more than to do it now. */
	get #isCrowded(): boolean {
		return this.#atHandBytes > PRIMED_MEMORY_BYTES_MAX / 2;
	}

	async #reconcile(id: AccountId): Promise<void> {
		const { account, clock, thread } = this.#options;
		this.#looked.delete(id);
		this.#cutShort.delete(id);
		this.#reconciled.delete(id);
		this.#reconciled.set(id, clock.monotonic());
		for (const [oldest] of this.#reconciled) {
			if (this.#reconciled.size <= ACCOUNTS_REMEMBERED) break;
			this.#reconciled.delete(oldest);
		}
		const found = account(id);
		if (found === undefined) return;
		const bodies = new Map<string, BodyRef>();
		for (const { name } of found.mailboxes())
			for (const { body } of found.messages(name)) bodies.set(body.hash, body);
		const missing = await thread.run({
			op: "reconcile",
			account: id,
			hashes: [...bodies.keys()].join(""),
		});
		const list = [...bodies.values()];
		const room = SEARCH_WAITING_MAX - this.#waiting.length;
		// The youngest, which come last, first.
		if (missing.length > room) this.#cutShort.add(id);
		for (const at of missing.subarray(-room))
			this.#waiting.push({
				account: id,
				body: list[at] as BodyRef,
				wasAtHand: false,
			});
	}
}
