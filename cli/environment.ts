/**
 * Settings of the C library and of V8 that a process must have from its start. A node replaces itself by itself with them
 * (execve: the same process id, the same open files), so it does not matter how it was called.
 */
import { setFlagsFromString } from "node:v8";

const WANTED: Readonly<Record<string, string>> = {
	// Else each password hash leaves its 19 MiB in the heap of the thread that made it: 100 MB after a few logins.
	MALLOC_MMAP_THRESHOLD_: "131072",
	// Else each thread has a heap of its own, and what one has freed the others cannot use: some 40 MB after a load.
	MALLOC_ARENA_MAX: "2",
	// Password hashes and disk syncs share these threads: with the default four, logins would hold up mail.
	UV_THREADPOOL_SIZE: "8",
};

/**
 * Under a load most of what a message leaves behind dies within some thousand messages, but outlives a generation of 16 MB,
 * and is then copied twice, by four threads: an eighth of all processor time, with this a twentieth.
 */
const YOUNG_GENERATION = "--max-semi-space-size=64";
/**
 * V8's last compiler took a fifth of the processor time of a node's first thousand messages: it compiles again and again
 * what it has not seen enough of. So it waits for as many calls as V8 itself has it wait on battery.
 */
const LATE_OPTIMIZATION = "--invocation-count-for-turbofan=15000";

/** Returns where all is set already, or the system cannot; else does not return. Call it before anything is opened. */
export function setEnvironment(): void {
	setFlagsFromString(LATE_OPTIMIZATION);
	const { env, execPath, execArgv, argv } = process;
	if (Object.keys(WANTED).every((name) => env[name] !== undefined)) return;
	if (process.platform !== "linux" || process.execve === undefined) return;
	const wanted = { ...WANTED, ...env } as NodeJS.ProcessEnv;
	process.execve(
		execPath,
		// What was given by hand comes later, and wins.
		[execPath, YOUNG_GENERATION, ...execArgv, ...argv.slice(1)],
		wanted,
	);
}
