/** Gives the room of what was cleared back to the disk; once at a time. */
import type CorestoreStorage from "hypercore-storage";
import type { DiskRoom } from "./room.ts";

/** Without these options RocksDB keeps the blob files as they are. */
const COMPACTION = {
	blobGarbageCollectionPolicy: 1,
	blobGarbageCollectionAgeCutoff: 1,
	bottommostLevelCompaction: 2,
	exclusive: true,
};

export class Compaction {
	readonly #storage: CorestoreStorage;
	readonly #room: DiskRoom;
	readonly #diskBytes: () => Promise<number>;
	#running: Promise<void> | undefined;

	constructor(
		storage: CorestoreStorage,
		room: DiskRoom,
		diskBytes: () => Promise<number>,
	) {
		this.#storage = storage;
		this.#room = room;
		this.#diskBytes = diskBytes;
	}

	run(): Promise<void> {
		this.#running ??= this.#run().finally(() => {
			this.#running = undefined;
		});
		return this.#running;
	}

	/** Resolves when none runs. */
	async ended(): Promise<void> {
		await this.#running?.catch(() => {});
	}

	async #run(): Promise<void> {
		// As much as is rewritten at worst must fit beside what is there.
		await this.#room.check(await this.#diskBytes());
		try {
			await this.#storage.compact(COMPACTION);
		} catch (error) {
			throw await this.#room.fault(error);
		}
	}
}
