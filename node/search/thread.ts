/** The other end of worker.ts: tasks out, results back, and what happens when the thread dies. */
import { Worker } from "node:worker_threads";
import { SEARCH_HEAP_MEBIBYTES_MAX } from "../../sync/limits.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Reply, Results, Task } from "./types.ts";

/** The thread is gone, or a bug ended the task. */
export class ThreadFailed extends Error {
	override name = "ThreadFailed";
}

interface Pending {
	readonly resolve: (value: never) => void;
	readonly reject: (error: Error) => void;
}

/** The same file before and after it was compiled. */
const workerFile = new URL(
	import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js",
	import.meta.url,
);

export class SearchThread {
	readonly #folder: string;
	readonly #log: Log;
	#worker: Worker | undefined;
	#lastId = 0;
	readonly #pending = new Map<number, Pending>();
	/** Said already; the same again is not news. */
	#lastFault: string | undefined;
	#isClosed = false;

	constructor(folder: string, log: Log) {
		this.#folder = folder;
		this.#log = log;
	}

	/** Tasks run one after the other, in order. Rejects with ThreadFailed. */
	run<T extends Task>(
		task: T,
		transfer: ArrayBuffer[] = [],
	): Promise<Results[T["op"]]> {
		if (this.#isClosed)
			return Promise.reject(new ThreadFailed("the index is closed"));
		this.start();
		const id = ++this.#lastId;
		const result = new Promise<Results[T["op"]]>((resolve, reject) => {
			this.#pending.set(id, { resolve, reject });
		});
		this.#worker?.postMessage({ id, task }, transfer);
		return result;
	}

	get isRunning(): boolean {
		return this.#worker !== undefined;
	}

	/** The thread that runs now: what it was told before, it knows. */
	get running(): object | undefined {
		return this.#worker;
	}

	/** Starts it if it does not run. */
	start(): object | undefined {
		if (!this.#isClosed) this.#worker ??= this.#start();
		return this.#worker;
	}

	async close(): Promise<void> {
		if (this.#isClosed) return;
		const worker = this.#worker;
		const done = worker && this.run({ op: "commit" }).catch(() => undefined);
		this.#isClosed = true;
		await done;
		await worker?.terminate();
		this.#failAll(new ThreadFailed("the index is closed"));
	}

	#start(): Worker {
		const worker = new Worker(workerFile, {
			workerData: { folder: this.#folder },
			resourceLimits: { maxOldGenerationSizeMb: SEARCH_HEAP_MEBIBYTES_MAX },
			// What starts the node (a test runner, say) is no business of the thread.
			execArgv: [],
		});
		worker.on("message", (reply: Reply) => this.#took(reply));
		worker.on("error", (error) => {
			this.#log.error("the thread of the search index failed", { error });
		});
		worker.on("exit", () => {
			if (this.#worker === worker) this.#worker = undefined;
			this.#failAll(new ThreadFailed("the thread of the index has ended"));
		});
		worker.unref();
		return worker;
	}

	#took({ id, value, fault, error }: Reply): void {
		const pending = this.#pending.get(id);
		this.#pending.delete(id);
		if (fault !== undefined && fault !== this.#lastFault) {
			this.#lastFault = fault;
			this.#log.warn(fault);
		}
		if (error === undefined) pending?.resolve(value as never);
		else {
			this.#log.error("the search index failed", { error });
			pending?.reject(new ThreadFailed("the index failed"));
		}
	}

	#failAll(error: Error): void {
		for (const { reject } of this.#pending.values()) reject(error);
		this.#pending.clear();
	}
}
