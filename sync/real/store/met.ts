/**
 * Damage that was met while a store was in use is noted beside it. A large store is not looked through at each start, so
 * without that it would be opened, served and found damaged again and again.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { StoreDamaged } from "../../ports/store.ts";
import type { Base } from "./base.ts";

const noteOf = (file: string): string => `${file}.damaged`;

export function noteDamage(file: string, damage: StoreDamaged): void {
	try {
		writeFileSync(noteOf(file), `${damage.message}\n`, { mode: 0o600 });
	} catch {
		// A disk that takes nothing more: the damage itself is told all the same, and met again.
	}
}

/**
 * Throws StoreDamaged where the pages of the database do not hold together; in a file larger than `bytesMax` that is left
 * to whoever reads them. All of it, row by row, is looked at where damage was met before: it may have been mended since.
 */
export function checkAtStart(base: Base, bytesMax: number): void {
	const wasMet = existsSync(noteOf(base.file));
	if (!wasMet && base.sizeBytes() > bytesMax) return;
	base.checkPages();
	if (!wasMet) return;
	base.checkRows();
	rmSync(noteOf(base.file), { force: true });
}
