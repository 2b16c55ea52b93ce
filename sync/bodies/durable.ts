/**
 * Makes durable what RocksDB has written. It never syncs its write-ahead log by itself here, so after a power cut all of
 * it would be gone; what it moved from the log into tables it syncs on its own. A sync belongs between every write and
 * the moment someone is told of it.
 */
import { fstatSync, readdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Resolves when all that was written before the call is on the disk. */
export type SyncToDisk = () => Promise<void>;

interface LogFile {
	readonly file: FileHandle;
	syncedBytes: number;
}

const isMissing = (error: unknown): boolean =>
	(error as NodeJS.ErrnoException).code === "ENOENT";

export async function syncDirectory(path: string): Promise<void> {
	const directory = await open(path, "r");
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}

/** The write-ahead logs of the RocksDB in one folder. Not reentrant: see GroupSync. */
export class WriteAheadLogs {
	readonly #directory: string;
	readonly #logs = new Map<string, LogFile>();
	#closed = false;

	/** `directory` is RocksDB's own, where the `*.log` files are. */
	constructor(directory: string) {
		this.#directory = directory;
	}

	/** After opening: also the folders above, so that a new store is found again. */
	async syncAll(): Promise<void> {
		await this.sync();
		await syncDirectory(this.#directory);
		const parent = dirname(this.#directory);
		await syncDirectory(parent);
		await syncDirectory(dirname(parent));
	}

	/**
	 * Syncs each log that has grown since it was last synced. The log may rotate between a write and this call, so the
	 * older ones are looked at too; one that is gone has been moved into tables, which RocksDB synced before. What the
	 * kernel knows by heart is asked at once: a thread for it would cost ten times as much, and delay the sync.
	 */
	async sync(): Promise<void> {
		if (this.#closed) throw new Error("the body store is closed");
		const names = readdirSync(this.#directory).filter((name) =>
			name.endsWith(".log"),
		);
		let appeared = false;
		for (const name of names) {
			const known = this.#logs.get(name);
			const log = known ?? (await this.#open(name));
			if (log === undefined) continue;
			appeared ||= known === undefined;
			const { size } = fstatSync(log.file.fd);
			if (size === log.syncedBytes) continue;
			await log.file.datasync();
			log.syncedBytes = size;
		}
		if (appeared) await syncDirectory(this.#directory);
		await this.#forgetAllBut(new Set(names));
	}

	async close(): Promise<void> {
		this.#closed = true;
		await this.#forgetAllBut(new Set());
	}

	async #open(name: string): Promise<LogFile | undefined> {
		try {
			// fdatasync works on a read-only descriptor.
			const file = await open(join(this.#directory, name), "r");
			const log = { file, syncedBytes: -1 };
			this.#logs.set(name, log);
			return log;
		} catch (error) {
			if (isMissing(error)) return undefined;
			throw error;
		}
	}

	async #forgetAllBut(names: ReadonlySet<string>): Promise<void> {
		for (const [name, { file }] of this.#logs) {
			if (names.has(name)) continue;
			this.#logs.delete(name);
			await file.close();
		}
	}
}

/** One sync for all who wait: whoever comes during a sync shares the next one, which starts after they came. */
export class GroupSync {
	readonly #sync: SyncToDisk;
	#running: Promise<void> | undefined;
	#next: Promise<void> | undefined;
	#failure: unknown;

	constructor(sync: SyncToDisk) {
		this.#sync = sync;
	}

	/**
	 * Resolves after a sync that started no earlier than this call. After a failed sync nobody can know what is on the
	 * disk (the kernel reports the loss once), so all later calls fail as well, until the store is opened anew.
	 */
	durable(): Promise<void> {
		if (this.#next !== undefined) return this.#next;
		if (this.#running === undefined) return this.#start();
		const start = () => {
			this.#next = undefined;
			return this.#start();
		};
		this.#next = this.#running.then(start, start);
		return this.#next;
	}

	#start(): Promise<void> {
		if (this.#failure !== undefined) return Promise.reject(this.#failure);
		const run = async () => {
			try {
				await this.#sync();
			} catch (error) {
				this.#failure = error;
				throw error;
			} finally {
				this.#running = undefined;
			}
		};
		this.#running = run();
		return this.#running;
	}
}
