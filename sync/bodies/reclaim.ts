/** Which blocks of a core lie here, clearing some of them, and what RocksDB takes on the disk. Decides nothing. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Hypercore } from "hypercore";
import type { BlockRange } from "../ports/bodies.ts";

/** Ascending, with gaps between them. */
export function heldBlocks({ core }: Hypercore): readonly BlockRange[] {
	const ranges: BlockRange[] = [];
	for (let end = 0; ; ) {
		const start = core.bitfield.firstSet(end);
		if (start < 0) return ranges;
		// Beyond the last page of the bitfield nothing is set.
		const next = core.bitfield.firstUnset(start);
		if (next < 0) throw new Error("a bitfield without an end");
		end = next;
		ranges.push({ start, end });
	}
}

/** One range at a time: the core is locked for each, and others want to read and append meanwhile. */
export async function clearBlocks(
	core: Hypercore,
	ranges: readonly BlockRange[],
): Promise<void> {
	for (const { start, end } of ranges)
		await core.clear(start, Math.min(end, core.length));
}

/** Tables and blob files; the write-ahead logs have a bound of their own. */
export async function databaseBytes(directory: string): Promise<number> {
	let bytes = 0;
	for (const name of await readdir(directory)) {
		if (!/\.(sst|blob)$/.test(name)) continue;
		// One that is gone by now has just been compacted.
		const found = await stat(join(directory, name)).catch(() => undefined);
		bytes += found?.size ?? 0;
	}
	return bytes;
}
