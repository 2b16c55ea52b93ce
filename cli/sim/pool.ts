/** Runs of the simulator on all processors. Each run is a world of its own, so they share nothing and need no order. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Rules } from "../../sync/rules.ts";
import type { ConfigName, Step } from "../../sync/sim/plan.ts";
import type { RunResult } from "../../sync/sim/run.ts";

export interface Job {
	readonly config: ConfigName;
	readonly seed: number;
	readonly rules: Rules;
	readonly steps: readonly Step[];
}

export interface Ran {
	readonly job: Job;
	readonly result: RunResult;
}

/** Jobs that each thread has before it, so that it never waits for the next one. */
const JOBS_AHEAD = 2;
/** The compiled package has no .ts files. */
const WORKER_FILE = new URL(
	import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js",
	import.meta.url,
);

/** Results in the order of the jobs, which are asked for as they can be done. Threads end when it is left. */
export async function* runAll(
	jobs: Iterable<Job>,
	threads = availableParallelism(),
): AsyncGenerator<Ran, void> {
	const runners: Runner[] = [];
	const ahead: { job: Job; result: Promise<RunResult> }[] = [];
	try {
		for (const job of jobs) {
			if (runners.length < threads) runners.push(new Runner());
			const [freest] = [...runners].sort((a, b) => a.waiting - b.waiting);
			if (freest === undefined) return;
			ahead.push({ job, result: freest.run(job) });
			if (ahead.length >= threads * JOBS_AHEAD) yield await first(ahead);
		}
		while (ahead.length > 0) yield await first(ahead);
	} finally {
		// Nobody asks any more how those that are under way end.
		for (const { result } of ahead) result.catch(() => {});
		await Promise.all(runners.map((runner) => runner.stop()));
	}
}

async function first(
	ahead: { job: Job; result: Promise<RunResult> }[],
): Promise<Ran> {
	const { job, result } = ahead.shift() as (typeof ahead)[number];
	return { job, result: await result };
}

interface Waiting {
	readonly resolve: (result: RunResult) => void;
	readonly reject: (error: Error) => void;
}

class Runner {
	readonly #worker = new Worker(WORKER_FILE);
	readonly #waiting: Waiting[] = [];

	constructor() {
		this.#worker.on("message", (result: RunResult) =>
			this.#waiting.shift()?.resolve(result),
		);
		this.#worker.on("error", (error) => this.#failed(error as Error));
		this.#worker.on("exit", () =>
			this.#failed(new Error("a thread of the simulator ended")),
		);
	}

	get waiting(): number {
		return this.#waiting.length;
	}

	run(job: Job): Promise<RunResult> {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ resolve, reject });
			this.#worker.postMessage(job);
		});
	}

	async stop(): Promise<void> {
		await this.#worker.terminate();
	}

	#failed(error: Error): void {
		for (const { reject } of this.#waiting.splice(0)) reject(error);
	}
}
