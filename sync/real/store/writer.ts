/** The main thread's end of the writer thread (writer-thread.ts). One order at a time. */
import { Worker } from "node:worker_threads";

export interface CarryOrder {
	readonly journal: string;
}
export type CarryAnswer =
	| { readonly done: true }
	| {
			readonly done: false;
			readonly message: string;
			readonly why: "full" | "damaged" | "failed";
	  };

const LAST_CARRY_MILLISECONDS_MAX = 10_000;

export class Writer {
	readonly #worker: Worker;
	/** [1 while an order is worked on]. */
	readonly #state = new Int32Array(new SharedArrayBuffer(4));

	constructor(file: string, answered: (answer: CarryAnswer) => void) {
		const { url } = import.meta;
		const own = url.slice(url.lastIndexOf("."));
		this.#worker = new Worker(new URL(`./writer-thread${own}`, url), {
			workerData: { file, state: this.#state },
		});
		this.#worker.on("message", answered);
		this.#worker.on("error", (error) => {
			Atomics.store(this.#state, 0, 0);
			answered({ done: false, message: String(error), why: "failed" });
		});
		this.#worker.unref();
	}

	carry(order: CarryOrder): void {
		Atomics.store(this.#state, 0, 1);
		this.#worker.postMessage(order);
	}

	/** Waits for the order that is worked on, for a bounded time; what it leaves undone is done at the next start. */
	close(): void {
		Atomics.wait(this.#state, 0, 1, LAST_CARRY_MILLISECONDS_MAX);
		void this.#worker.terminate();
	}
}
