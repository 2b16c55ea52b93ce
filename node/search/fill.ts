/**
 * Fills the index in the background: some messages at a time, with pauses that are long while the node is busy, so that
 * nobody waits for it.
 */
import type { Account } from "../../sync/api.ts";
import type { AccountId } from "../../sync/ids.ts";
import {
	SEARCH_RECONCILE_MILLISECONDS,
	SEARCH_WAITING_MAX,
} from "../../sync/limits.ts";
import {
	type Bodies,
	type BodyRef,
	BodyUnavailable,
} from "../../sync/ports/bodies.ts";
import type { Cancel, Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import { type SearchThread, ThreadFailed } from "./thread.ts";

const BATCH = 8;
/** Mail that comes in a burst is let in first. */
const FIRST_MILLISECONDS = 1_000;
/** What a kill loses is found missing when somebody looks. */
const COMMIT_MILLISECONDS = 5_000;
/** A pause is so long when nothing else happens; how much later it ends says how busy the node is. */
const PAUSE_MILLISECONDS = 4;
const BUSY_LATENESS_MILLISECONDS = 4;
const BUSY_PAUSE_MILLISECONDS = 150;
/** Accounts whose last comparison is remembered. */
const ACCOUNTS_REMEMBERED = 10_000;

export interface FillerOptions {
	readonly thread: SearchThread;
	readonly bodies: Bodies;
	readonly account: (id: AccountId) => Account | undefined;
	readonly clock: Clock;
	readonly log: Log;
	/** Reads a message into the index. */
	readonly read: (account: AccountId, body: BodyRef) => Promise<void>;
}

interface Waiting {
	readonly account: AccountId;
	readonly body: BodyRef;
}

export class Filler {
	readonly #options: FillerOptions;
	/** Taken from the end: what came last is looked for first. */
	#waiting: Waiting[] = [];
	/** Accounts to be compared with their index. */
	readonly #looked = new Set<AccountId>();
	/** When an account was compared last. */
	readonly #reconciled = new Map<AccountId, number>();
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
		for (const body of bodies) {
			if (this.#waiting.length >= SEARCH_WAITING_MAX) {
				// What is dropped is found when somebody looks.
				this.#reconciled.delete(account);
				break;
			}
			this.#waiting.push({ account, body });
		}
		this.#runAfter(FIRST_MILLISECONDS);
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
		this.#looked.clear();
	}

	#runAfter(milliseconds: number): void {
		if (this.#isRunning || this.#isClosed || this.#next !== undefined) return;
		const { clock } = this.#options;
		const due = clock.monotonic() + milliseconds;
		this.#next = clock.after(milliseconds, () => {
			this.#next = undefined;
			if (clock.monotonic() - due > BUSY_LATENESS_MILLISECONDS)
				this.#runAfter(BUSY_PAUSE_MILLISECONDS);
			else void this.#run();
		});
	}

	/** One batch, or one account to be compared; then a pause. */
	async #run(): Promise<void> {
		this.#isRunning = true;
		const { log } = this.#options;
		try {
			const [account] = this.#looked;
			if (account !== undefined && this.#waiting.length < SEARCH_WAITING_MAX)
				await this.#reconcile(account);
			else await this.#readSome();
		} catch (error) {
			if (!this.#isClosed && !(error instanceof ThreadFailed))
				log.warn("a message could not be read into the search index", {
					error,
				});
		}
		this.#isRunning = false;
		if (this.#waiting.length > 0 || this.#looked.size > 0)
			this.#runAfter(PAUSE_MILLISECONDS);
	}

	async #readSome(): Promise<void> {
		const some = this.#waiting.splice(-BATCH).reverse();
		this.commitSoon();
		await Promise.all(
			some.map(async ({ account, body }) => {
				try {
					// What is not here is no reason to fetch it: it will be, or a search asks for it.
					if (await this.#options.bodies.has(body))
						await this.#options.read(account, body);
				} catch (error) {
					if (!(error instanceof BodyUnavailable)) throw error;
				}
			}),
		);
	}

	async #reconcile(id: AccountId): Promise<void> {
		const { account, clock, thread } = this.#options;
		this.#looked.delete(id);
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
		// The youngest, which come last, first; and what there is no room for at the next look.
		if (missing.length > room) this.#reconciled.delete(id);
		for (const at of missing.subarray(-room))
			this.#waiting.push({ account: id, body: list[at] as BodyRef });
	}
}
