/** Carrying a journal over into the database: what the writer thread does, and once the start of a store of an earlier version. */
import type { StoreValue, StoreWrite } from "../../ports/store.ts";
import type { Base } from "./base.ts";
import type { Commit } from "./record.ts";

/** Of several writes to a key only the last counts; in the order of keys, so that each page is touched once. */
export function carryOver(base: Base, commits: readonly Commit[]): void {
	const last = commits.at(-1);
	if (last === undefined) return;
	const values = new Map<string, StoreValue | undefined>();
	for (const { writes } of commits)
		for (const [key, value] of writes) values.set(key, value);
	const keys = [...values.keys()].sort();
	base.carry(
		keys.map((key): StoreWrite => [key, values.get(key)]),
		last.number,
	);
}
