/** The thread that carries journals over into the database, so that the node's own thread only appends and reads. */
import { parentPort, workerData } from "node:worker_threads";
import { StoreDamaged, StoreFull } from "../../ports/store.ts";
import { Base } from "./base.ts";
import { carryOver } from "./carry.ts";
import { readJournal } from "./journal.ts";
import type { CarryAnswer, CarryOrder } from "./writer.ts";

const { file, state } = workerData as {
	file: string;
	state: Int32Array<SharedArrayBuffer>;
};
const base = new Base(file);

function answer({ journal }: CarryOrder): CarryAnswer {
	try {
		const { commits } = readJournal(journal, base.carried(), base.salt() ?? 0);
		carryOver(base, commits);
		base.giveBack();
		return { done: true };
	} catch (error) {
		const { message } = error as Error;
		return { done: false, message, why: whyOf(error) };
	}
}

const whyOf = (error: unknown): "full" | "damaged" | "failed" => {
	if (error instanceof StoreFull) return "full";
	return error instanceof StoreDamaged ? "damaged" : "failed";
};

parentPort?.on("message", (order: CarryOrder) => {
	const given = answer(order);
	// Also for a main thread that waits for it while it closes.
	Atomics.store(state, 0, 0);
	Atomics.notify(state, 0);
	parentPort?.postMessage(given);
});
