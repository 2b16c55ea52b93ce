/** What a start is given, and what it has begun. */
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Random } from "../../sync/ports/random.ts";

export interface NodeParts {
	readonly clock: Clock;
	readonly random: Random;
	readonly log: Log;
}

/** What has been started, to be stopped in reverse. */
export class Closing {
	readonly #steps: (() => Promise<void> | void)[] = [];
	readonly #log: Log;
	#closed: Promise<void> | undefined;

	constructor(log: Log) {
		this.#log = log;
	}
	add(step: () => Promise<void> | void): void {
		this.#steps.push(step);
	}
	close(): Promise<void> {
		this.#closed ??= this.#run();
		return this.#closed;
	}
	async #run(): Promise<void> {
		for (const step of this.#steps.reverse())
			try {
				await step();
			} catch (error) {
				this.#log.error("a part of the node did not stop in order", { error });
			}
	}
}
