/**
 * I8, from outside: a STORE UNCHANGEDSINCE sets a keyword that nobody else uses, so the commit that brings it to the disk
 * is the one that took the command. Just before, the message must have had the flags that the client knew, or nothing
 * else have happened to it than the client knew of: a node may know less than one that the client was at before.
 */

import type { Origin } from "../ids.ts";
import {
	type EntryRow,
	flagsOf,
	type Operations,
	operationsOf,
} from "../mailbox/rows.ts";
import { Violation } from "./checkers.ts";
import type { SimMachine } from "./machine.ts";
import { rowOf } from "./rows.ts";

export interface Conditional {
	readonly keyword: string;
	readonly uid: number;
	readonly entry: string;
	/** As the client knows them. */
	readonly flags: readonly string[];
	/** What had happened to it by then, as far as the node that told them showed. */
	readonly knew?: Operations | undefined;
}

/** Watches the commits of a machine until the returned function is called. */
export function watchConditional(
	machine: SimMachine,
	store: Conditional,
	violated: (error: Violation) => void,
): () => void {
	const stop = (): void => void machine.commitListeners.delete(look);
	const look: Parameters<typeof machine.commitListeners.add>[0] = (writes) => {
		for (const [key, value] of writes) {
			if (!key.endsWith(store.entry) || typeof value !== "string") continue;
			if (!value.includes(`"${store.keyword}"`)) continue;
			const before = rowOf(key, machine.disk.get(key))?.row;
			stop();
			const error = before && check(machine.name, store, before);
			if (error) violated(error);
			return;
		}
	};
	machine.commitListeners.add(look);
	return stop;
}

function check(
	node: string,
	{ uid, keyword, flags, knew: operations }: Conditional,
	before: EntryRow,
): Violation | undefined {
	const had = [...flagsOf(before)].sort().join(" ");
	const knew = [...flags].sort().join(" ");
	if (had === knew) return undefined;
	const happened = Object.entries(operationsOf(before)) as [Origin, number][];
	if (operations && happened.every(([at, n]) => n <= (operations[at] ?? 0)))
		return undefined;
	return new Violation(
		"I8",
		`${node} takes UNCHANGEDSINCE for ${uid} (${keyword}), whose client knew the flags "${knew}", not "${had}"`,
	);
}
