/** Files of a data folder, and what a bad disk makes of them. */
import {
	closeSync,
	openSync,
	readdirSync,
	readSync,
	statSync,
	truncateSync,
	writeSync,
} from "node:fs";
import { join, relative } from "node:path";

/** Those that a node reads back, and that are not empty. */
export function filesOf(folder: string): string[] {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((each) => each.isFile())
		.map((each) => relative(folder, join(each.parentPath, each.name)))
		.filter((name) => !/^(pid|damaged-|forked-|control)/.test(name))
		.filter((name) => statSync(join(folder, name)).size > 0);
}

/** RocksDB numbers its files anew each time it is opened. */
export const kindOf = (name: string): string => name.replaceAll(/\d+/g, "N");

export type Damage = "flip" | "cut" | "zero";

export function damage(file: string, how: Damage, at: number): void {
	if (how === "cut") {
		truncateSync(file, at);
		return;
	}
	const handle = openSync(file, "r+");
	const bytes = Buffer.alloc(how === "zero" ? 512 : 1);
	const count = readSync(handle, bytes, 0, bytes.length, at);
	for (let i = 0; i < count; i++)
		bytes[i] = how === "zero" ? 0 : (bytes[i] as number) ^ 0x40;
	writeSync(handle, bytes, 0, count, at);
	closeSync(handle);
}
