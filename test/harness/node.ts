/**
 * Black-box harness: real nodes as processes of their own, driven only through the operator's interface and the
 * protocols. Nothing here may import from sync/, node/ or cli/.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { ImapClient } from "./imap-client.ts";
import { freePort } from "./ports.ts";
import {
	type RunOptions,
	type RunResult,
	removeFolder,
	repository,
	run,
	spawnOwned,
	temporaryFolder,
} from "./processes.ts";
import { within } from "./until.ts";

export interface Endpoint {
	readonly host: string;
	readonly port: number;
}
export type ListenerName =
	| "smtp"
	| "submission"
	| "submissions"
	| "imap"
	| "imaps"
	| "http"
	| "dns"
	| "p2p";

/** What `status --json` and the ready line promise. */
export interface Status {
	readonly node: {
		readonly name: string;
		readonly id: string;
		readonly state: string;
		readonly version: string;
		readonly pid: number;
		readonly uptimeSeconds: number;
	};
	readonly cluster: {
		readonly id: string;
		readonly members: number;
		readonly up: number;
		readonly converged: boolean;
	};
	readonly listeners: Partial<Record<ListenerName, string>>;
	readonly peers: readonly {
		readonly name: string;
		readonly id: string;
		readonly state: string;
		readonly rttMilliseconds?: number;
		readonly missingChanges: number;
		readonly missingBodies: number;
	}[];
	readonly mail: {
		readonly accounts: number;
		readonly messages: number;
		readonly bodiesWithTooFewCopies: number;
		readonly queue: number;
	};
}

/** Options of `start` without their dashes; `true` for a switch. */
export type NodeOptions = Readonly<Record<string, string | true>>;

export interface StartNode {
	readonly name: string;
	/** Data folder; default a new temporary one, which is removed with close(). */
	readonly data?: string;
	readonly options?: NodeOptions;
	/** Join link; without it the node starts (and founds, on an empty folder). */
	readonly join?: string;
	/** Runs the node inside something, e.g. `["ip", "netns", "exec", "h1"]`. */
	readonly prefix?: readonly string[];
	/** Where a listener of the node is reached from here, when that is not where it listens (hosts.ts). */
	readonly forward?: (listener: Endpoint) => Promise<Endpoint>;
	readonly timeoutMilliseconds?: number;
	/** The command line to start, default this checkout's. */
	readonly program?: readonly string[];
	readonly env?: NodeJS.ProcessEnv;
}

/** The checkout's own command line, run by the Node that runs the tests. */
export const pmnode: readonly string[] = [
	process.execPath,
	join(repository, "cli/main.ts"),
];
/** The same with modules of this folder loaded before, which make something of it otherwise. */
export function planted(...modules: readonly string[]): readonly string[] {
	const [program = "", main = ""] = pmnode;
	const imports = modules.flatMap((module) => [
		"--import",
		join(repository, "test/harness", module),
	]);
	return [program, ...imports, main];
}

const DIARY_CHARACTERS_MAX = 400_000;
const loopbackListeners: readonly ListenerName[] = [
	"smtp",
	"submission",
	"submissions",
	"imap",
	"imaps",
	"http",
	"p2p",
];

/** `127.0.0.1:2525` or `[::1]:2525`. */
export function endpoint(text: string): Endpoint {
	const colon = text.lastIndexOf(":");
	return {
		host: text.slice(0, colon).replace(/^\[|\]$/g, ""),
		port: Number(text.slice(colon + 1)),
	};
}

/** One node over its lives: its data folder and name stay, its process may be killed and started again. */
export class TestNode {
	readonly name: string;
	readonly data: string;
	readonly #settings: StartNode;
	#child: ChildProcess | undefined;
	#ended: Promise<void> = Promise.resolve();
	#exit: { code: number | null; signal: string | null } | undefined;
	#diary = "";
	readonly #forwarded = new Map<number, Promise<Endpoint>>();
	#ready: Status | undefined;
	/** Of all its lives, where the settings say nothing else. */
	#listeners: NodeOptions | undefined;

	constructor(settings: StartNode) {
		this.#settings = settings;
		this.name = settings.name;
		this.data =
			settings.data ?? join(temporaryFolder(settings.name), settings.name);
	}

	/** The ready line of the current life. */
	get ready(): Status {
		if (!this.#ready) throw new Error(`node ${this.name} is not ready`);
		return this.#ready;
	}
	get pid(): number {
		const pid = this.#child?.pid;
		if (pid === undefined || this.#exit)
			throw new Error(`node ${this.name} is not running`);
		return pid;
	}
	get running(): boolean {
		return this.#child !== undefined && this.#exit === undefined;
	}
	/** How the last process ended, if it has. */
	get exit() {
		return this.#exit;
	}
	/** What the node said on stderr, over all its lives (the last 400,000 characters). */
	get diary(): string {
		return this.#diary;
	}

	listener(name: ListenerName): Endpoint {
		const text = this.ready.listeners[name];
		if (!text || text === "off")
			throw new Error(`node ${this.name} has no listener ${name}`);
		return endpoint(text);
	}

	/** As listener(), but as it is reached from this process. */
	reach(name: ListenerName): Promise<Endpoint> {
		const at = this.listener(name);
		const { forward } = this.#settings;
		if (!forward) return Promise.resolve(at);
		const known = this.#forwarded.get(at.port) ?? forward(at);
		this.#forwarded.set(at.port, known);
		return known;
	}

	/** Starts the process and waits for its ready line. On failure the error carries what the node said. */
	async start(): Promise<this> {
		if (this.running) throw new Error(`node ${this.name} runs already`);
		const again = this.#ready !== undefined;
		this.#listeners ??= await freeListeners();
		const command = [
			...(this.#settings.prefix ?? []),
			...(this.#settings.program ?? pmnode),
			...this.#arguments(again),
		];
		this.#exit = undefined;
		this.#note(`--- ${command.join(" ")}\n`);
		const child = spawnOwned(command[0] ?? "", command.slice(1), {
			cwd: repository,
			env: { ...process.env, ...this.#settings.env },
			stdio: ["ignore", "pipe", "pipe"],
		});
		this.#child = child;
		this.#ended = new Promise((resolve) => {
			const ended = (code: number | null, signal: string | null) => {
				this.#exit ??= { code, signal };
			};
			child.once("exit", ended);
			// Only then all that it said was read.
			child.once("close", resolve);
			child.once("error", (error) => {
				this.#note(`${error.message}\n`);
				ended(null, null);
				resolve();
			});
		});
		child.stderr?.setEncoding("utf8").on("data", (t: string) => this.#note(t));
		try {
			this.#ready = await within(
				`the ready line of node ${this.name}`,
				this.#settings.timeoutMilliseconds ?? 90_000,
				this.#readyLine(child),
			);
		} catch (error) {
			await this.kill9();
			throw new Error(
				`${error instanceof Error ? error.message : error}\n${this.tail()}`,
			);
		}
		return this;
	}

	/** SIGKILL, and waits until the process is gone. */
	async kill9(): Promise<void> {
		this.#child?.kill("SIGKILL");
		await this.#ended;
	}

	/** SIGTERM; resolves to the exit status. Rejects when it takes longer than the promised 10 s (and some for load). */
	async stop(timeoutMilliseconds = 20_000): Promise<number | null> {
		if (!this.running) return this.#exit?.code ?? null;
		this.#child?.kill("SIGTERM");
		try {
			await within(
				`node ${this.name} to end after SIGTERM`,
				timeoutMilliseconds,
				this.#ended,
			);
		} catch (error) {
			await this.kill9();
			throw new Error(`${error}\n${this.tail()}`);
		}
		return this.#exit?.code ?? null;
	}

	/** Ends the process (gracefully unless told otherwise) and starts it on the same data and ports. */
	async restart(how: "stop" | "kill9" = "stop"): Promise<this> {
		await this[how]();
		return await this.start();
	}

	/** Stops time for the process: SIGSTOP, and SIGCONT. */
	freeze(): void {
		process.kill(this.pid, "SIGSTOP");
	}
	thaw(): void {
		process.kill(this.pid, "SIGCONT");
	}

	/** Runs a pmnode command on this node's data folder; resolves whatever its exit status. */
	cli(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
		const [command = "", ...rest] = [
			...(this.#settings.program ?? pmnode),
			...args,
			"--data",
			this.data,
		];
		return run(command, rest, options);
	}

	/** As cli(), but rejects unless the exit status is 0. Resolves to stdout. */
	async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
		const result = await this.cli(args, options);
		if (result.code !== 0)
			throw new Error(
				`pmnode ${args.join(" ")} on ${this.name} ended with ${result.code ?? result.signal}: ${result.stderr}${result.stdout}\n${this.tail()}`,
			);
		return result.stdout;
	}

	/** What `status --json` prints, from the status page: a command takes seconds on a busy machine, and facts pass. */
	async status(): Promise<Status> {
		const { host, port } = await this.reach("http");
		return await new Promise<Status>((resolve, reject) => {
			const asked = get(
				{ host, port, path: "/status.json", agent: false, timeout: 60_000 },
				(answer) =>
					json(answer).then((said) => resolve(said as Status), reject),
			);
			asked.on("error", reject);
			asked.on("timeout", () =>
				asked.destroy(new Error(`no status of ${this.name}`)),
			);
		});
	}

	async invite(): Promise<string> {
		return (await this.ok(["invite"])).trim();
	}

	async addUser(address: string, password: string): Promise<void> {
		await this.ok(
			["user", "add", address, "--password-stdin", "--create-domain"],
			{ input: `${password}\n` },
		);
	}

	/** `wait --converged`: rejects at the time limit. */
	async converged(timeoutSeconds = 60): Promise<void> {
		await this.ok(["wait", "--converged", "--timeout", `${timeoutSeconds}s`], {
			timeoutMilliseconds: (timeoutSeconds + 30) * 1000,
		});
	}

	/** A logged-in IMAP connection in the clear. */
	async imap(user: string, password: string): Promise<ImapClient> {
		const client = await ImapClient.connect(await this.reach("imap"));
		await client.login(user, password);
		return client;
	}

	/** Kills what still runs and removes the data folder if it was made here. */
	async close(): Promise<void> {
		await this.kill9();
		if (!this.#settings.data) removeFolder(join(this.data, ".."));
	}

	/** The end of the node's diary, for error messages. */
	tail(lines = 30): string {
		return `--- node ${this.name} said last:\n${this.#diary.trimEnd().split("\n").slice(-lines).join("\n")}`;
	}

	#arguments(again: boolean): string[] {
		const { join: link, options } = this.#settings;
		const merged: Record<string, string | true> = {
			...this.#listeners,
			name: this.name,
			...options,
		};
		// Peers and clients know the old ports: a later life takes the same ones.
		for (const [name, address] of Object.entries(this.#ready?.listeners ?? {}))
			if (name in merged && address !== undefined && merged[name] !== "off")
				merged[name] = address;
		const joins = link !== undefined && !again && !existsSync(this.data);
		return [
			...(joins ? ["join", link] : ["start"]),
			"--data",
			this.data,
			...Object.entries(merged).flatMap(([key, value]) =>
				value === true ? [`--${key}`] : [`--${key}`, value],
			),
		];
	}

	/** Reads stdout for the whole life of the process, so that it can never fill up. */
	#readyLine(child: ChildProcess): Promise<Status> {
		return new Promise((resolve, reject) => {
			if (!child.stdout) throw new Error("no stdout");
			createInterface({ input: child.stdout }).on("line", (line) => {
				if (!line.startsWith("ready ")) return this.#note(`(stdout) ${line}\n`);
				try {
					resolve(JSON.parse(line.slice("ready ".length)) as Status);
				} catch {
					reject(new Error(`not JSON in the ready line: ${line}`));
				}
			});
			void this.#ended.then(() =>
				reject(
					new Error(
						`node ${this.name} ended with ${this.#exit?.code ?? this.#exit?.signal} before it was ready`,
					),
				),
			);
		});
	}

	#note(text: string): void {
		this.#diary = (this.#diary + text).slice(-DIARY_CHARACTERS_MAX);
		if (process.env.PMNODE_TEST_VERBOSE)
			process.stderr.write(text.replace(/^/gm, `[${this.name}] `));
	}
}

async function freeListeners(): Promise<NodeOptions> {
	const listeners: Record<string, string> = { dns: "off" };
	for (const name of loopbackListeners)
		listeners[name] = `127.0.0.1:${await freePort()}`;
	return listeners;
}

/** Starts a node and waits until it is ready. */
export const startNode = (settings: StartNode): Promise<TestNode> =>
	new TestNode(settings).start();
