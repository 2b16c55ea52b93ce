/** Blob files of the body store that are shorter than they were, or gone: what a stat of each tells, without a value read. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../ports/log.ts";
import { blobFilesOf, UnknownManifest } from "./manifest.ts";

/** For people, and the same as long as it is the same damage. `database` is RocksDB's folder, just opened. */
export async function cutFiles(
	database: string,
	log: Log,
): Promise<readonly string[]> {
	try {
		return await lookedFor(database);
	} catch (error) {
		if (!(error instanceof UnknownManifest)) throw error;
		// Of another release of RocksDB: as long as nobody has taught us to read it, reading bodies and the scrub find them.
		log.warn("the sizes of the files of bodies are not known", { error });
		return [];
	}
}

async function lookedFor(database: string): Promise<readonly string[]> {
	const cut: string[] = [];
	for (const [name, sizeBytes] of await named(database)) {
		const has = await bytesOf(join(database, name));
		if (has !== undefined && has >= sizeBytes) continue;
		// One of which nothing was left may have been removed just now: the MANIFEST says so before.
		if (!(await named(database)).has(name)) continue;
		cut.push(
			has === undefined
				? `${name} is gone, and had ${sizeBytes} bytes`
				: `${name} has ${has} bytes, and had ${sizeBytes}`,
		);
	}
	return cut;
}

async function named(database: string): Promise<Map<string, number>> {
	const current = await readFile(join(database, "CURRENT"), "latin1");
	return blobFilesOf(await readFile(join(database, current.trim())));
}

async function bytesOf(file: string): Promise<number | undefined> {
	try {
		return (await stat(file)).size;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
