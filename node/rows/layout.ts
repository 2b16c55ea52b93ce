/** How rows lie in their file: what is written at once, and what is read at once. */
import { encodeHead, type Part } from "./heads.ts";

/** Read or written at once: what lies near one another, or a stretch of records. */
export const READ_BYTES = 1024 * 1024;
/** What is read in vain to read once instead of twice. */
const GAP_BYTES = 8 * 1024;

/** Part of a file that is wanted. */
export interface Wanted {
	readonly hash: string;
	readonly part: Part;
}

/** What is written of one row. */
export interface Written {
	readonly note: Uint8Array;
	readonly row: Uint8Array;
	readonly noteCrc: number;
	readonly rowCrc: number;
}

/** Notes, then rows, as they are to lie from `offset` on, and the records that say so. */
export function laidOut(
	written: ReadonlyMap<string, Written>,
	offset: number,
): { heads: Buffer[]; bytes: Buffer } {
	const all = [...written];
	const heads: Buffer[] = [];
	let noteOffset = offset;
	let rowOffset = all.reduce((sum, [, { note }]) => sum + note.length, offset);
	for (const [hash, { note, row, noteCrc, rowCrc }] of all) {
		const lengths = { noteBytes: note.length, rowBytes: row.length };
		heads.push(
			encodeHead(hash, {
				noteOffset,
				rowOffset,
				...lengths,
				noteCrc,
				rowCrc,
			}),
		);
		noteOffset += note.length;
		rowOffset += row.length;
	}
	const bytes = Buffer.concat([
		...all.map(([, { note }]) => note),
		...all.map(([, { row }]) => row),
	]);
	return { heads, bytes };
}

export interface Group {
	readonly wanted: Wanted[];
	readonly start: number;
	end: number;
}

/** What lies near one another is read at once. */
export function* groups(ascending: readonly Wanted[]): Generator<Group> {
	let group: Group | undefined;
	for (const one of ascending) {
		const { start } = one.part;
		const end = start + one.part.length;
		if (
			group !== undefined &&
			start <= group.end + GAP_BYTES &&
			end - group.start <= READ_BYTES
		) {
			group.wanted.push(one);
			group.end = Math.max(group.end, end);
			continue;
		}
		if (group !== undefined) yield group;
		group = { wanted: [one], start, end };
	}
	if (group !== undefined) yield group;
}
