/**
 * The RocksDB below the drives. hypercore-storage makes its column family with options of its own, some of which cannot
 * be given to it and cost writes here; so it is handed a database that makes it otherwise.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import CorestoreStorage from "hypercore-storage";
import RocksDB, {
	type ColumnFamily,
	type ColumnFamilyOptions,
} from "rocksdb-native";
import { BODY_BLOB_BYTES_MIN, BODY_WRITE_BUFFER_BYTES } from "../limits.ts";

const tuned: ColumnFamilyOptions = {
	/**
	 * A smaller value lies in the tables, which are written anew whenever they are merged: all small mail would be. A larger
	 * one lies in a blob file and stays where it is.
	 */
	minBlobSize: BODY_BLOB_BYTES_MIN,
	/**
	 * Merging tables must not move what lies in the oldest blob files, a quarter of all mail each time. What is cleared there
	 * is given back by Bodies.compact(), once it is worth the while.
	 */
	blobGarbageCollectionAgeCutOff: 0,
	writeBufferSize: BODY_WRITE_BUFFER_BYTES,
};

class BodyDatabase extends RocksDB {
	override columnFamily(family: ColumnFamily): RocksDB {
		return super.columnFamily(
			new RocksDB.ColumnFamily(family.name, { ...family._options, ...tuned }),
		);
	}
}

/** Where RocksDB has its files. */
export const databaseFolder = (drives: string): string => join(drives, "db");

/** Opens or makes the storage of all drives in this folder, which exists. */
export const openStorage = (drives: string): CorestoreStorage =>
	new CorestoreStorage(
		new BodyDatabase(databaseFolder(drives), {
			writeBufferSize: BODY_WRITE_BUFFER_BYTES,
		}),
		// Else a folder that was copied here would not open.
		{ allowBackup: true },
	);

/**
 * What RocksDB left out of its log when it was opened just now, as it says itself: it opens without an error where the log
 * is damaged, and whatever came after the damage is gone. After a power cut that may be what was never synced.
 */
export async function droppedAtOpen(
	drives: string,
): Promise<string | undefined> {
	const text = await readFile(join(databaseFolder(drives), "LOG"), "latin1");
	for (const line of text.split("\n")) {
		const at = line.indexOf(": dropping ");
		if (at > 0 && line.includes("Corruption", at))
			return line.slice(line.lastIndexOf("] ", at) + 2);
	}
	return undefined;
}
