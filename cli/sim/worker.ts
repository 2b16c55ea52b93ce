/** A thread that runs seeds, one after another: its jobs come as messages, and results go back as messages. */
import { parentPort } from "node:worker_threads";
import { CONFIGS } from "../../sync/sim/plan.ts";
import { run } from "../../sync/sim/run.ts";
import type { Job } from "./pool.ts";

let last: Promise<void> = Promise.resolve();

parentPort?.on("message", ({ config, seed, rules, steps }: Job) => {
	last = last.then(async () => {
		const result = await run({ seed, config: CONFIGS[config], rules, steps });
		parentPort?.postMessage(result);
	});
});
