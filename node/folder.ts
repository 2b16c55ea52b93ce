/**
 * The data folder: made with mode 0700, owned by who runs the node, and in use by one process at a time. The lock is
 * SQLite's on the file `lock`: the kernel lets go of it however the process ends, so nothing stale is ever left.
 */
import {
	chmodSync,
	mkdirSync,
	readFileSync,
	rmSync,
	type Stats,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { OperatorFault } from "../sync/faults.ts";

/** What lies where in the folder. Each store in it has a format of its own beside this. */
const FORMAT = 1;

export interface DataFolder {
	/** Lets another process use the folder. Harmless to call again. */
	release(): void;
}

/**
 * Makes the folder where there is none and takes it for this process. Throws OperatorFault: it cannot be made, is of
 * another user, or another process uses it.
 */
export function takeDataFolder(dataDirectory: string): DataFolder {
	makePrivate(dataDirectory);
	const lock = takeLock(dataDirectory);
	try {
		takeFormat(dataDirectory);
	} catch (error) {
		lock.close();
		throw error;
	}
	const pidFile = join(dataDirectory, "pid");
	tolerate(() => writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 }));
	let held = true;
	return {
		release() {
			if (!held) return;
			held = false;
			tolerate(() => rmSync(pidFile, { force: true }));
			lock.close();
		},
	};
}

/** The process that has the folder, as its file `pid` says; undefined if that process is gone. */
export function folderUser(dataDirectory: string): number | undefined {
	let pid: number;
	try {
		pid = Number(readFileSync(join(dataDirectory, "pid"), "utf8"));
		if (!Number.isSafeInteger(pid) || pid < 1) return undefined;
		process.kill(pid, 0);
	} catch {
		return undefined; // no such file or process
	}
	return pid;
}

function makePrivate(dataDirectory: string): void {
	let found: Stats;
	try {
		mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
		found = statSync(dataDirectory);
	} catch (error) {
		throw new OperatorFault(
			`cannot use ${dataDirectory} as data folder (${codeOf(error)}); choose a folder you may write to with --data`,
		);
	}
	if (process.getuid !== undefined && found.uid !== process.getuid())
		throw new OperatorFault(
			`${dataDirectory} belongs to another user (uid ${found.uid}); run as that user, or choose another folder with --data`,
		);
	if ((found.mode & 0o777) !== 0o700) chmodSync(dataDirectory, 0o700);
}

/** A folder without the file is of the first format. */
function takeFormat(dataDirectory: string): void {
	const file = join(dataDirectory, "format");
	let text: string | undefined;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT")
			throw new OperatorFault(
				`cannot read ${file} (${codeOf(error)}); see that it belongs to you and that the disk is sound`,
			);
	}
	const format = Number(text ?? FORMAT);
	if (format > FORMAT)
		throw new OperatorFault(
			`${dataDirectory} has format ${format}, newer than this version knows (${FORMAT}); run a newer pmnode`,
		);
	if (text === undefined || format !== FORMAT)
		tolerate(() => writeFileSync(file, `${FORMAT}\n`, { mode: 0o600 }));
}

function takeLock(dataDirectory: string): DatabaseSync {
	let lock: DatabaseSync | undefined;
	try {
		lock = new DatabaseSync(join(dataDirectory, "lock"), { timeout: 0 });
		// Held to the end; nothing is ever written, so no journal is wanted on the disk.
		lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
		return lock;
	} catch (error) {
		lock?.close();
		if (!/locked/.test(String(error)))
			throw new OperatorFault(
				`cannot lock ${join(dataDirectory, "lock")} (${codeOf(error)}); see that the disk has room and the folder may be written`,
			);
		const pid = folderUser(dataDirectory);
		throw new OperatorFault(
			`${dataDirectory} is in use by another process${pid === undefined ? "" : ` (pid ${pid})`}; stop that one first, or choose another folder with --data`,
		);
	}
}

const codeOf = (error: unknown): string =>
	error instanceof Error
		? ((error as NodeJS.ErrnoException).code ?? error.message)
		: String(error);

/** The pid file only makes messages better: a full disk must not keep a node from starting. */
function tolerate(run: () => void): void {
	try {
		run();
	} catch {
		// as said above
	}
}
