/** What a body store consists of on the disk: opens all of it, or nothing. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import Corestore from "corestore";
import type Hyperblobs from "hyperblobs";
import type CorestoreStorage from "hypercore-storage";
import Hyperdrive from "hyperdrive";
import type { Log } from "../ports/log.ts";
import { cutFiles } from "./cut-files.ts";
import { databaseFolder, droppedAtOpen, openStorage } from "./database.ts";
import { WriteAheadLogs } from "./durable.ts";
import { DriveShort, openFault } from "./faults.ts";
import { takeFormat } from "./format.ts";
import { HandedBodies } from "./handed.ts";

export interface Parts {
	readonly storage: CorestoreStorage;
	/** RocksDB's folder. */
	readonly database: string;
	readonly store: Corestore;
	readonly own: Hyperdrive;
	readonly blobs: Hyperblobs;
	readonly logs: WriteAheadLogs;
	readonly handed: HandedBodies;
	/** Folder of what is being written; empty at first. */
	readonly spool: string;
	/** What its log was damaged by, so that bodies are gone; undefined where it was whole. */
	readonly dropped: string | undefined;
	/** Its files of values that are shorter than they were, or gone. */
	readonly cutFiles: readonly string[];
}

/** Rejects as openBodies() does. */
export async function openParts(options: {
	readonly directory: string;
	readonly drive: {
		readonly name: string;
		readonly lengthBlocksAtLeast: number;
	};
	readonly log: Log;
}): Promise<Parts> {
	const { directory, drive } = options;
	const spool = join(directory, "spool");
	// A folder of its own: corestore moves what it does not know out of the way.
	const drives = join(directory, "drives");
	let store: Corestore | undefined;
	let storage: CorestoreStorage | undefined;
	try {
		await rm(spool, { recursive: true, force: true });
		await mkdir(spool, { recursive: true, mode: 0o700 });
		await mkdir(drives, { recursive: true, mode: 0o700 });
		await takeFormat(directory);
		const handed = await HandedBodies.open(join(directory, "handed"));
		storage = openStorage(drives);
		store = new Corestore(storage);
		await store.ready();
		const own = new Hyperdrive(store.namespace(drive.name));
		await own.ready();
		const blobs = await own.getBlobs();
		if (blobs.core.length < drive.lengthBlocksAtLeast)
			throw new DriveShort(blobs.core.length, drive.lengthBlocksAtLeast);
		const logs = new WriteAheadLogs(databaseFolder(drives));
		// What a killed process wrote without a sync is made durable before members see it.
		await logs.syncAll();
		return {
			storage,
			store,
			own,
			blobs,
			logs,
			handed,
			spool,
			database: databaseFolder(drives),
			dropped: await droppedAtOpen(drives),
			cutFiles: await cutFiles(databaseFolder(drives), options.log),
		};
	} catch (error) {
		await store?.close().catch(() => {});
		// A store that did not become ready leaves it open, and nobody could open this folder again.
		await storage?.close().catch(() => {});
		throw error instanceof DriveShort ? error : openFault(error, directory);
	}
}
