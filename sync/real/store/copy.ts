/** Consistent copies of a store that is in use, made beside its work: for backups, and for SQLite's own check. */
import { type FileHandle, open, rm } from "node:fs/promises";
import { backup, DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { StoreFailed } from "../../ports/store.ts";

/** Pages copied in one go, while writers wait: below a millisecond. */
const PAGES = 64;
/** Synced beside the copying, so that the last sync, for which writers wait, finds little to do. */
const SYNC_PAGES = 2_000;

/**
 * Copies all that is committed, as of one moment at the end of the copying, into a new file: a SQLite database of
 * one file. Rejects when the signal is aborted, and leaves no file then.
 */
export async function copyDatabase(
	database: DatabaseSync,
	file: string,
	signal?: AbortSignal,
	progress: (done: number, total: number) => void = () => {},
): Promise<void> {
	let handle: FileHandle | undefined;
	try {
		await rm(file, { force: true });
		handle = await open(file, "wx", 0o600);
		const { sync } = syncing(handle);
		let synced = 0;
		await backup(database, file, {
			rate: PAGES,
			progress: ({ totalPages, remainingPages }) => {
				signal?.throwIfAborted();
				const done = totalPages - remainingPages;
				progress(done, totalPages);
				if (done < synced + SYNC_PAGES) return;
				synced = done;
				sync();
			},
		});
		signal?.throwIfAborted();
		await handle.close();
	} catch (error) {
		await handle?.close().catch(() => {});
		await rm(file, { force: true });
		throw error;
	}
}

/** It was a WAL database; now it is one synced file that can be read from a folder which may not be written. */
export async function settleCopy(file: string): Promise<void> {
	const copy = new DatabaseSync(file);
	copy.exec("PRAGMA journal_mode=DELETE");
	copy.close();
	const handle = await open(file, "r");
	try {
		await handle.sync();
		await handle.chmod(0o600);
	} finally {
		await handle.close();
	}
}

/** One sync at a time; a fault shows in the last one. */
function syncing(handle: FileHandle): { sync: () => void } {
	let busy = false;
	return {
		sync: () => {
			if (busy) return;
			busy = true;
			handle.datasync().then(
				() => {
					busy = false;
				},
				() => {
					busy = true;
				},
			);
		},
	};
}

/** What SQLite finds wrong with a file that nobody writes. In a thread of its own, as it takes seconds. */
export function integrityFaults(file: string): Promise<readonly string[]> {
	const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
	const worker = new Worker(
		new URL(`./integrity.${extension}`, import.meta.url),
		{ workerData: file },
	);
	return new Promise((resolve, reject) => {
		worker.once("message", resolve);
		worker.once("error", (error) =>
			reject(new StoreFailed(`cannot check ${file}: ${error.message}`)),
		);
	});
}
