/** Other programs: run to their end or kept running; each is ended by its own process id when the test process ends. */
import {
	type ChildProcess,
	type SpawnOptions,
	spawn,
} from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../..", import.meta.url));

const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.once("exit", () => {
	for (const child of children) child.kill("SIGKILL");
	for (const folder of folders)
		rmSync(folder, { recursive: true, force: true });
});

/** A new empty folder, mode 0700, under the system's temporary folder; removed at the latest when this process ends. */
export function temporaryFolder(label: string): string {
	const folder = mkdtempSync(join(tmpdir(), `pmnode-${label}-`));
	folders.add(folder);
	return folder;
}

export function removeFolder(folder: string): void {
	rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
	folders.delete(folder);
}

/** Spawns and remembers, so that the child never outlives this process. */
export function spawnOwned(
	command: string,
	args: readonly string[],
	options: SpawnOptions = {},
): ChildProcess {
	const child = spawn(command, args, options);
	children.add(child);
	child.once("exit", () => children.delete(child));
	child.once("error", () => children.delete(child));
	return child;
}

export interface RunResult {
	/** Exit status; undefined when a signal ended it. */
	readonly code: number | undefined;
	readonly signal: string | undefined;
	readonly stdout: string;
	readonly stderr: string;
}
export interface RunOptions {
	readonly input?: string | Uint8Array;
	readonly timeoutMilliseconds?: number;
	readonly cwd?: string;
	readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end and resolves to what it said, whatever its exit status. Rejects when it cannot be started. */
export function run(
	command: string,
	args: readonly string[],
	options: RunOptions = {},
): Promise<RunResult> {
	return new Promise((resolve, reject) => {
		const child = spawnOwned(command, args, {
			cwd: options.cwd ?? repository,
			env: options.env ?? process.env,
			stdio: "pipe",
		});
		const timer = setTimeout(
			() => child.kill("SIGKILL"),
			options.timeoutMilliseconds ?? 60_000,
		);
		const out: Buffer[] = [];
		const err: Buffer[] = [];
		child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
		child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
		child.once("error", (error) => {
			clearTimeout(timer);
			reject(error);
		});
		child.once("close", (code, signal) => {
			clearTimeout(timer);
			resolve({
				code: code ?? undefined,
				signal: signal ?? undefined,
				stdout: Buffer.concat(out).toString(),
				stderr: Buffer.concat(err).toString(),
			});
		});
		// A program that ends without reading its input is not an error of ours.
		child.stdin?.on("error", () => {});
		child.stdin?.end(options.input ?? "");
	});
}

/** As run(), but rejects unless the exit status is 0. Resolves to stdout. */
export async function runOk(
	command: string,
	args: readonly string[],
	options: RunOptions = {},
): Promise<string> {
	const result = await run(command, args, options);
	if (result.code !== 0)
		throw new Error(
			`${command} ${args.join(" ")} ended with ${result.code ?? result.signal}:\n${result.stdout}${result.stderr}`,
		);
	return result.stdout;
}
