/** A node in the foreground: settings, data folder, ready line, signals. What a node is made of is node/node.ts. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type NodeConfig, readConfig } from "../node/config.ts";
import { takeDataFolder } from "../node/folder.ts";
import { createLog } from "../node/log.ts";
import type { RunningNode } from "../node/running.ts";
import { OperatorFault } from "../sync/faults.ts";
import { StoreDamaged } from "../sync/ports/store.ts";
import { realClock } from "../sync/real/clock.ts";
import { realRandom } from "../sync/real/random.ts";
import { keepCompiledNow } from "./compiled.ts";
import { setEnvironment } from "./environment.ts";
import { failure } from "./failure.ts";
import { giveBackMemory, processMeter } from "./idle-memory.ts";
import { givenOptions } from "./options.ts";
import { wantsColour } from "./terminal.ts";

/** Above what a node needs to stop (stop() promises 10 s from the signal), so that a hang still ends in time. */
const STOP_MILLISECONDS_MAX = 9_500;

/** Resolves never: the process ends by a signal (exit 0). Rejects when the node cannot start. */
export async function runInForeground(
	dataDirectory: string,
	options: Readonly<Record<string, unknown>>,
	how: { readonly join?: string },
): Promise<void> {
	setEnvironment();
	const signals = catchSignals();
	const config = settings(dataDirectory, options);
	const folder = takeDataFolder(config.dataDirectory);
	const log = createLog({
		level: config.logLevel,
		format: config.logFormat,
		stream: process.stderr,
		clock: realClock,
		colour: wantsColour(process.stderr, process.env),
	});
	const crash = (error: unknown) => {
		// The node was told of it, and begins without what is damaged.
		if (error instanceof StoreDamaged) return;
		log.error("a bug ends this node; nothing acknowledged is lost", { error });
		process.exit(1);
	};
	process.on("uncaughtException", crash).on("unhandledRejection", crash);
	try {
		// Loaded here, since a wrong option or `pmnode status` should not wait for all of it.
		const { startNode } = await import("../node/node.ts");
		const node = await startNode(config, how, {
			clock: realClock,
			random: realRandom,
			log,
		});
		signals.onFirst(() => void stop(node, folder.release));
		void node.ended().then((error) => end(error, folder.release));
		process.stdout.write(`ready ${JSON.stringify(node.status())}\n`);
		keepCompiledNow();
		giveBackMemory(realClock, processMeter());
	} catch (error) {
		folder.release();
		throw error;
	}
}

function settings(
	dataDirectory: string,
	options: Readonly<Record<string, unknown>>,
): NodeConfig {
	return readConfig({
		dataDirectory,
		options: givenOptions(options),
		environment: process.env,
		toml: readIfThere(join(dataDirectory, "pmnode.toml")),
		machineName: hostname(),
		stderrIsTerminal: process.stderr.isTTY === true,
		warn: (line) => process.stderr.write(`pmnode: ${line}\n`),
	});
}

function readIfThere(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "ENOTDIR") return undefined;
		throw new OperatorFault(
			`cannot read ${file} (${code}); run as the user whose folder it is`,
		);
	}
}

/**
 * Before the node is ready a signal ends the process at once: it has acknowledged nothing in this run, and what it has
 * from earlier ones survives any end. Afterwards the first one runs what `onFirst` was given, the second ends at once.
 */
function catchSignals(): { onFirst(run: () => void): void } {
	let first: (() => void) | undefined;
	const signal = () => {
		if (first === undefined) process.exit(0);
		const run = first;
		first = undefined;
		run();
	};
	process.on("SIGTERM", signal).on("SIGINT", signal);
	endWithParent(signal);
	return {
		onFirst(run) {
			first = run;
		},
	};
}

/** `pmnode demo` holds the other end of stdin: when it is gone, however it ended, its nodes end too. */
function endWithParent(end: () => void): void {
	if (process.env.PMNODE_END_WITH_STDIN !== "1") return;
	process.stdin.on("error", () => {}).once("close", end);
	process.stdin.resume();
}

async function stop(node: RunningNode, release: () => void): Promise<never> {
	realClock.after(STOP_MILLISECONDS_MAX, () => {
		process.stderr.write(
			"pmnode: did not end in order within 10 s; ended at once, nothing acknowledged is lost\n",
		);
		process.exit(1);
	});
	await node.stop();
	release();
	return process.exit(0);
}

/** The node has ended by itself, for a reason that is the operator's to know. */
function end(error: Error, release: () => void): never {
	release();
	const { exitStatus, line } = failure(error, process.env);
	if (line !== undefined) process.stderr.write(`${line}\n`);
	return process.exit(exitStatus);
}
