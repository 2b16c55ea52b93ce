/**
 * Fetches bodies from members: in turn, clients' reads first, so many at a time for each drive (so that one whose owner
 * is away holds up no other), each until its last waiter has given up.
 */
import type { Milliseconds } from "../ids.ts";
import {
	BODY_FETCHES_BYTES_MAX,
	BODY_FETCHES_MAX,
	BODY_FETCHES_WAITING_MAX,
	BODY_HOPE_MILLISECONDS,
	BODY_MEMORY_BYTES_MAX,
} from "../limits.ts";
import { type BodyRef, BodyUnavailable } from "../ports/bodies.ts";
import type { Clock } from "../ports/clock.ts";
import type { Hope } from "./hope.ts";
import { referenceKey } from "./reference.ts";

/** Gets the body here and durable; rejects when the signal says so, or when it cannot be had. */
export type Download = (
	reference: BodyRef,
	signal: AbortSignal,
) => Promise<void>;

export interface FetchOptions {
	/** A client waits for it: before all others, and not held up by them. */
	readonly urgent: boolean;
	/** Counted from when its turn comes for background copies, from now on for urgent ones. */
	readonly timeoutMilliseconds: Milliseconds;
}

interface Waiter {
	readonly options: FetchOptions;
	readonly resolve: () => void;
	readonly reject: (error: unknown) => void;
	cancelTimer: () => void;
}

interface Job {
	readonly reference: BodyRef;
	readonly key: string;
	readonly waiters: Set<Waiter>;
	readonly abort: AbortController;
	urgent: boolean;
	started: boolean;
}

/** What waits and runs of one drive. */
interface Lane {
	readonly urgent: Set<Job>;
	readonly background: Set<Job>;
	running: number;
	runningBytes: number;
}

const weight = (job: Job): number =>
	Math.min(job.reference.sizeBytes, BODY_MEMORY_BYTES_MAX);

export class FetchQueue {
	readonly #clock: Clock;
	readonly #download: Download;
	readonly #hope: Pick<Hope, "watch">;
	readonly #isStranded: (reference: BodyRef) => Promise<boolean>;
	readonly #jobs = new Map<string, Job>();
	readonly #lanes = new Map<string, Lane>();
	#closed = false;

	/**
	 * `hope` says when there is nobody whom a client could wait for; `isStranded`, when waiting is in vain although members
	 * have the body: they are to be asked in another way.
	 */
	constructor(
		clock: Clock,
		download: Download,
		hope: Pick<Hope, "watch">,
		isStranded: (reference: BodyRef) => Promise<boolean>,
	) {
		this.#clock = clock;
		this.#download = download;
		this.#hope = hope;
		this.#isStranded = isStranded;
	}

	/** Resolves when the body is here, right and durable; rejects with BodyUnavailable after the time or when it is wrong. */
	fetch(reference: BodyRef, options: FetchOptions): Promise<void> {
		return new Promise((resolve, reject) => {
			if (this.#closed) throw new BodyUnavailable("the body store is closed");
			const job = this.#job(reference);
			const waiter: Waiter = {
				options,
				resolve,
				reject,
				cancelTimer: () => {},
			};
			job.waiters.add(waiter);
			if (options.urgent || job.started) this.#limit(job, waiter);
			const lane = this.#lane(reference.drive);
			if (options.urgent && !job.urgent) {
				job.urgent = true;
				lane.background.delete(job);
			}
			if (!job.started) (job.urgent ? lane.urgent : lane.background).add(job);
			this.#startMore(lane);
		});
	}

	/** The body has come in another way. */
	arrived(reference: BodyRef): void {
		const job = this.#jobs.get(referenceKey(reference));
		for (const waiter of [...(job?.waiters ?? [])])
			if (job !== undefined) this.#leave(job, waiter);
	}

	/** Ends all with BodyUnavailable. */
	close(): void {
		this.#closed = true;
		for (const job of [...this.#jobs.values()])
			for (const waiter of [...job.waiters])
				this.#leave(job, waiter, "the body store is closed");
	}

	#job(reference: BodyRef): Job {
		const key = referenceKey(reference);
		const known = this.#jobs.get(key);
		if (known !== undefined) return known;
		if (this.#jobs.size >= BODY_FETCHES_WAITING_MAX)
			throw new BodyUnavailable("too many bodies are being fetched");
		const job: Job = {
			reference,
			key,
			waiters: new Set(),
			abort: new AbortController(),
			urgent: false,
			started: false,
		};
		this.#jobs.set(key, job);
		return job;
	}

	#lane(drive: string): Lane {
		let lane = this.#lanes.get(drive);
		if (lane === undefined) {
			lane = {
				urgent: new Set(),
				background: new Set(),
				running: 0,
				runningBytes: 0,
			};
			this.#lanes.set(drive, lane);
		}
		return lane;
	}

	#limit(job: Job, waiter: Waiter): void {
		if (waiter.options.urgent) this.#limitUrgent(job, waiter);
		else this.#limitBackground(job, waiter);
	}

	#limitUrgent(job: Job, waiter: Waiter): void {
		const name = nameOf(job);
		const cancelTimer = this.#clock.after(
			waiter.options.timeoutMilliseconds,
			() => this.#leave(job, waiter, `${name} could not be had in time`),
		);
		const unwatch = this.#hope.watch(job.reference, () =>
			this.#leave(job, waiter, `no connected member has ${name}`),
		);
		waiter.cancelTimer = () => {
			cancelTimer();
			unwatch();
		};
	}

	#limitBackground(job: Job, waiter: Waiter): void {
		const { timeoutMilliseconds } = waiter.options;
		const first = Math.min(BODY_HOPE_MILLISECONDS, timeoutMilliseconds);
		const giveUp = () =>
			this.#leave(job, waiter, `${nameOf(job)} could not be had in time`);
		waiter.cancelTimer = this.#clock.after(first, () => {
			if (first === timeoutMilliseconds) return giveUp();
			const left = timeoutMilliseconds - first;
			waiter.cancelTimer = this.#clock.after(left, giveUp);
			void this.#lookStranded(job, waiter);
		});
	}

	async #lookStranded(job: Job, waiter: Waiter): Promise<void> {
		const isStranded = await this.#isStranded(job.reference).catch(() => false);
		if (isStranded && job.waiters.has(waiter))
			this.#leave(
				job,
				waiter,
				`members that have ${nameOf(job)} cannot prove where it lies`,
			);
	}

	/** Without a reason: it is here. */
	#leave(job: Job, waiter: Waiter, why?: string): void {
		waiter.cancelTimer();
		job.waiters.delete(waiter);
		if (why === undefined) waiter.resolve();
		else waiter.reject(new BodyUnavailable(why));
		if (job.waiters.size > 0) return;
		// Nobody waits: whoever asks from now on begins anew.
		this.#jobs.delete(job.key);
		job.abort.abort();
		const lane = this.#lane(job.reference.drive);
		lane.urgent.delete(job);
		lane.background.delete(job);
		this.#forgetIdle(job.reference.drive, lane);
	}

	#startMore(lane: Lane): void {
		for (;;) {
			const job = next(lane.urgent) ?? next(lane.background);
			if (job === undefined || !hasRoom(lane, job)) return;
			(job.urgent ? lane.urgent : lane.background).delete(job);
			void this.#run(lane, job);
		}
	}

	/** Never rejects: its outcome goes to the waiters. */
	async #run(lane: Lane, job: Job): Promise<void> {
		job.started = true;
		lane.running++;
		lane.runningBytes += weight(job);
		for (const waiter of job.waiters)
			if (!waiter.options.urgent) this.#limit(job, waiter);
		let failure: unknown;
		try {
			await this.#download(job.reference, job.abort.signal);
		} catch (error) {
			failure = error ?? new BodyUnavailable("the fetch failed");
		}
		lane.running--;
		lane.runningBytes -= weight(job);
		if (this.#jobs.get(job.key) === job) this.#jobs.delete(job.key);
		for (const waiter of job.waiters) {
			waiter.cancelTimer();
			if (failure === undefined) waiter.resolve();
			else waiter.reject(failure);
		}
		this.#startMore(lane);
		this.#forgetIdle(job.reference.drive, lane);
	}

	#forgetIdle(drive: string, lane: Lane): void {
		if (lane.running + lane.urgent.size + lane.background.size === 0)
			this.#lanes.delete(drive);
	}
}

const nameOf = ({ reference }: Job): string =>
	`body ${reference.hash.slice(0, 16)}`;

const next = (jobs: ReadonlySet<Job>): Job | undefined =>
	jobs.values().next().value;

/** Urgent ones have as much room again, so that background copies that wait in vain never hold them up. */
function hasRoom(lane: Lane, job: Job): boolean {
	const share = job.urgent ? 2 : 1;
	return (
		lane.running < share * BODY_FETCHES_MAX &&
		(lane.running === 0 ||
			lane.runningBytes + weight(job) <= share * BODY_FETCHES_BYTES_MAX)
	);
}
