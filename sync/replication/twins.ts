/**
 * Two processes with the same identity (a cloned disk): each link of one closes that of the other, so a process that was
 * seen before comes back after another one was seen. Of the two the one that was started later must end; every member
 * decides the same. Pure.
 */
import type { NodeId } from "../ids.ts";
import type { Life } from "./frames.ts";

/** Processes of one member that are remembered. */
const RUNS_MAX = 8;

export class Twins {
	/** Node → its processes, in the order in which they were first seen. */
	readonly #runs = new Map<NodeId, Life[]>();
	readonly #latest = new Map<NodeId, string>();
	readonly #mustEnd = new Set<string>();

	/** A process of the member says hello. Returns whether it must end. */
	seen(node: NodeId, life: Life): boolean {
		const runs = this.#runs.get(node) ?? [];
		this.#runs.set(node, runs);
		const latest = this.#latest.get(node);
		const known = runs.some(({ run }) => run === life.run);
		if (known && latest !== undefined && latest !== life.run) {
			const other = runs.find(({ run }) => run === latest);
			if (other !== undefined)
				this.#mustEnd.add(isLater(life, other) ? life.run : other.run);
		}
		if (!known) runs.push(life);
		if (runs.length > RUNS_MAX) runs.shift();
		this.#latest.set(node, life.run);
		return this.#mustEnd.has(life.run);
	}
}

const isLater = (one: Life, other: Life): boolean =>
	one.startedMilliseconds > other.startedMilliseconds ||
	(one.startedMilliseconds === other.startedMilliseconds &&
		one.run > other.run);
