/** What fills a disk up to its last block. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const ballastIn = (folder: string): string => join(folder, "ballast");

/** Until nothing more goes in. */
export function fillDisk(folder: string): void {
	const handle = openSync(ballastIn(folder), "w");
	try {
		for (let size = 1 << 20; size >= 512; )
			try {
				writeSync(handle, Buffer.alloc(size));
			} catch {
				size >>= 1;
			}
	} finally {
		closeSync(handle);
	}
}

/** There is room again; harmless when the disk was not filled. */
export function freeDisk(folder: string): void {
	rmSync(ballastIn(folder), { force: true });
}
