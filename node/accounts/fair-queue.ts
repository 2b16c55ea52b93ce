/** A bounded queue for work of limited parallelism that takes turns among sources, so that none keeps others out. */

/** The queue is full, as far as this source is concerned. */
export class QueueFull extends Error {
	override name = "QueueFull";
}

export interface FairQueueLimits {
	/** Jobs that run at once. */
	readonly running: number;
	/** Jobs that wait, of all sources together. When it is reached, the source with most of them loses its last one. */
	readonly waiting: number;
	readonly waitingPerSource: number;
}

interface Job {
	start(): void;
	refuse(): void;
}

export class FairQueue {
	readonly #limits: FairQueueLimits;
	/** Sources in the order of their turns; a source has at least one job waiting. */
	readonly #waiting = new Map<string, Job[]>();
	#waitingCount = 0;
	#running = 0;

	constructor(limits: FairQueueLimits) {
		this.#limits = limits;
	}

	/** Runs `work` when it is this source's turn, and answers what it answers. Rejects with QueueFull. */
	async run<T>(source: string, work: () => Promise<T>): Promise<T> {
		if (this.#running < this.#limits.running) this.#running++;
		else await this.#turn(source);
		try {
			return await work();
		} finally {
			// The place goes straight to whoever is next, so that nobody slips in between.
			if (!this.#startNext()) this.#running--;
		}
	}

	#turn(source: string): Promise<void> {
		const jobs = this.#waiting.get(source) ?? [];
		if (jobs.length >= this.#limits.waitingPerSource)
			return Promise.reject(new QueueFull());
		if (this.#waitingCount >= this.#limits.waiting && !this.#makeRoom(jobs))
			return Promise.reject(new QueueFull());
		return new Promise((resolve, reject) => {
			jobs.push({ start: resolve, refuse: () => reject(new QueueFull()) });
			this.#waiting.set(source, jobs);
			this.#waitingCount++;
		});
	}

	/** Takes the last job of the source that has most, unless the newcomer's source has as many. */
	#makeRoom(ofNewcomer: readonly Job[]): boolean {
		let most: Job[] = [];
		let mostSource = "";
		for (const [source, jobs] of this.#waiting)
			if (jobs.length > most.length) {
				most = jobs;
				mostSource = source;
			}
		if (most.length <= ofNewcomer.length + 1) return false;
		most.pop()?.refuse();
		if (most.length === 0) this.#waiting.delete(mostSource);
		this.#waitingCount--;
		return true;
	}

	#startNext(): boolean {
		const first = this.#waiting.entries().next();
		if (first.done) return false;
		const [source, jobs] = first.value;
		const job = jobs.shift();
		this.#waiting.delete(source);
		// To the end of the round: each source has one turn before any has its second.
		if (jobs.length > 0) this.#waiting.set(source, jobs);
		this.#waitingCount--;
		job?.start();
		return true;
	}
}
