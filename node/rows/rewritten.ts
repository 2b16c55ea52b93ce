/** Rows that live, written into new files without those that are gone. */
import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { readAll, writeAll } from "./bytes.ts";
import { type Head, HeadTable } from "./heads.ts";
import { laidOut, READ_BYTES, type Written } from "./layout.ts";

export const FILE_MODE = 0o600;

export interface RewrittenFrom {
	/** Of what lives, and the open file that it lies in. */
	readonly table: HeadTable;
	readonly rows: number;
	/** What the new file of records begins with. */
	readonly start: Buffer;
	/** The records take the place of the former ones; the rows are a new file. */
	readonly headsPath: string;
	readonly rowsPath: string;
}

/** Open files, where they end, and what is in them. */
export interface Rewritten {
	readonly heads: number;
	readonly headsEnd: number;
	readonly rows: number;
	readonly rowsEnd: number;
	readonly table: HeadTable;
}

/** Throws what the file system throws; the former files are as they were then. */
export function rewritten(from: RewrittenFrom): Rewritten {
	const rows = openSync(from.rowsPath, "w+", FILE_MODE);
	const fresh = `${from.headsPath}.new`;
	try {
		const { records, rowsEnd, table } = copied(from, rows);
		const bytes = Buffer.concat([from.start, ...records]);
		const heads = openSync(fresh, "w+", FILE_MODE);
		try {
			writeAll(heads, bytes, 0);
			renameSync(fresh, from.headsPath);
		} catch (error) {
			closeSync(heads);
			throw error;
		}
		return { heads, headsEnd: bytes.length, rows, rowsEnd, table };
	} catch (error) {
		closeSync(rows);
		for (const path of [fresh, from.rowsPath]) rmSync(path, { force: true });
		throw error;
	}
}

/** The rows of one file in the other, some at a time, and their records. */
function copied(
	from: RewrittenFrom,
	to: number,
): { records: Buffer[]; rowsEnd: number; table: HeadTable } {
	const table = new HeadTable();
	const records: Buffer[] = [];
	let rowsEnd = 0;
	const part = new Map<string, Written>();
	let partBytes = 0;
	const write = (): void => {
		const { heads: moved, bytes } = laidOut(part, rowsEnd);
		writeAll(to, bytes, rowsEnd);
		rowsEnd += bytes.length;
		for (const head of moved) {
			records.push(head);
			table.add(head);
		}
		part.clear();
		partBytes = 0;
	};
	for (const hash of from.table.hashes()) {
		const head = from.table.get(hash) as Head;
		const note = readAll(from.rows, head.noteOffset, head.noteBytes);
		const row = readAll(from.rows, head.rowOffset, head.rowBytes);
		// With their checksums of old: what is damaged stays so.
		part.set(hash, { ...head, note, row });
		partBytes += note.length + row.length;
		if (partBytes >= READ_BYTES) write();
	}
	write();
	return { records, rowsEnd, table };
}
