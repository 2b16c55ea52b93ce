/** One node of the demo: a child process that runs `pmnode start` or `join`, and what is known of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { askWithin } from "../../node/control/client.ts";
import { LISTENER_NAMES, type StatusJson } from "../../node/status.ts";
import { OperatorFault } from "../../sync/faults.ts";
import { realClock } from "../../sync/real/clock.ts";
import type { Listeners } from "./ports.ts";

/** `ready`, or why the node does not answer. */
export type MemberState = "starting" | "running" | "cut" | "killed" | "gone";

/** Longer than a join may take (40 s), so that the node's own words are heard first. */
const READY_MILLISECONDS_MAX = 45_000;
const ANSWER_MILLISECONDS_MAX = 900;

export class Member {
	readonly name: string;
	readonly dataDirectory: string;
	state: MemberState = "gone";
	/** Its listeners with real ports; the same are taken again at the next start. */
	listeners: Listeners;
	/** Runs when the process ends without having been told to. */
	onUnexpectedEnd: (how: string) => void = () => {};
	readonly #log: WriteStream;
	#child: ChildProcess | undefined;
	#lastWords = "";

	constructor(name: string, folder: string, listeners: Listeners) {
		this.name = name;
		this.dataDirectory = join(folder, name);
		this.listeners = listeners;
		this.#log = createWriteStream(join(folder, `${name}.log`), {
			flags: "a",
			mode: 0o600,
		});
	}

	get pid(): number | undefined {
		return this.#child?.pid;
	}

	/** Starts the process. Resolves with its ready line; rejects with OperatorFault and its last words. */
	async start(link?: string): Promise<string> {
		const child = spawn(process.execPath, this.#arguments(link), {
			// A group of its own: ^C on the terminal is for the demo, which then ends its nodes in order.
			detached: true,
			stdio: ["pipe", "pipe", "pipe"],
			env: { ...process.env, PMNODE_END_WITH_STDIN: "1" },
		});
		this.#child = child;
		this.state = "starting";
		child.stdin.on("error", () => {}); // it ended: its exit tells
		createInterface(child.stderr).on("line", (line) => {
			this.#lastWords = line;
			this.#log.write(`${line}\n`);
		});
		child.once("exit", (code, signal) => this.#ended(child, signal ?? code));
		const line = await this.#readyLine(child);
		const status = JSON.parse(line.slice("ready ".length)) as StatusJson;
		this.listeners = status.listeners;
		this.state = "running";
		return line;
	}

	/** What the node says of itself; undefined when it does not answer. */
	async status(): Promise<StatusJson | undefined> {
		if (this.state !== "running") return undefined;
		return askWithin(ANSWER_MILLISECONDS_MAX, realClock, {
			dataDirectory: this.dataDirectory,
			method: "status",
		}).catch(() => undefined) as Promise<StatusJson | undefined>;
	}

	kill(): void {
		this.state = "killed";
		this.#child?.kill("SIGKILL");
	}

	/** Stopped in the middle, it answers nobody: to the others it looks like a cut line. */
	cut(): void {
		if (this.#child?.kill("SIGSTOP")) this.state = "cut";
	}

	heal(): void {
		if (this.#child?.kill("SIGCONT")) this.state = "running";
	}

	/** Ends the process in order, or by force when it takes too long. Resolves when it is gone. */
	async stop(): Promise<void> {
		const child = this.#child;
		if (child === undefined) return this.#closeLog();
		this.state = "killed";
		const exited = once(child, "exit");
		child.kill("SIGCONT");
		child.kill("SIGTERM");
		const force = realClock.after(11_000, () => child.kill("SIGKILL"));
		await exited;
		force();
		return this.#closeLog();
	}

	/** The last resort, when the demo itself must end at once. */
	killNow(): void {
		this.#child?.kill("SIGKILL");
	}

	async #closeLog(): Promise<void> {
		await new Promise((resolve) => this.#log.end(resolve));
	}

	#arguments(link: string | undefined): string[] {
		const listeners = LISTENER_NAMES.flatMap((name) => [
			`--${name}`,
			this.listeners[name],
		]);
		return [
			mainScript(),
			...(link === undefined ? ["start"] : ["join", link]),
			...["--data", this.dataDirectory, "--name", this.name],
			...["--hostname", `${this.name}.localhost`, "--log-format", "json"],
			...listeners,
		];
	}

	async #readyLine(child: ChildProcess): Promise<string> {
		const { promise, resolve, reject } = Promise.withResolvers<string>();
		if (child.stdout === null) throw new Error("the child has no stdout");
		createInterface(child.stdout).on("line", (line) => {
			if (line.startsWith("ready ")) resolve(line);
		});
		// Not "exit": by "close" its last words have been read.
		child.once("close", () => {
			const words = this.#lastWords.replace(/^pmnode: /, "");
			reject(new OperatorFault(`node ${this.name} did not start: ${words}`));
		});
		const late = new OperatorFault(
			`node ${this.name} was not ready within ${READY_MILLISECONDS_MAX / 1000} s; its log is ${this.dataDirectory}.log`,
		);
		const cancel = realClock.after(READY_MILLISECONDS_MAX, () => reject(late));
		try {
			return await promise;
		} finally {
			cancel();
		}
	}

	#ended(child: ChildProcess, how: string | number | null): void {
		if (this.#child !== child) return;
		this.#child = undefined;
		const told = this.state === "killed" || this.state === "starting";
		if (this.state !== "killed") this.state = "gone";
		if (!told)
			this.onUnexpectedEnd(
				typeof how === "string" ? `by ${how}` : `with exit status ${how}`,
			);
	}
}

/** cli/main.ts in the checkout, dist/cli/main.js in the package: whichever this file lies beside. */
const mainScript = (): string => {
	const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
	return fileURLToPath(new URL(`../main.${extension}`, import.meta.url));
};
