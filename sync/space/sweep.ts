/**
 * Finds what lies in the drives and no entry names: a clearing that a crash cut short, bodies whose commit failed or whose
 * client went away, bodies fetched ahead for a change that never came. A block goes when two sweeps, an hour apart, found
 * it unnamed. What this node took in and did not name for so long may not be named any more.
 */
import { RECLAIM_RANGES_COUNT } from "../limits.ts";
import type {
	BlockRange,
	BodyRef,
	ReclaimableBodies,
} from "../ports/bodies.ts";
import type { Store } from "../ports/store.ts";
import { usesOfDrive } from "./uses.ts";

export class Sweep {
	readonly #store: Store;
	readonly #bodies: ReclaimableBodies;
	/** Drive → what the last sweep found unnamed. */
	readonly #unnamed = new Map<string, readonly BlockRange[]>();
	/** Of the own drive: what was cleared in this run. A clean-up of years is some thousand ranges. */
	#gone: BlockRange[] = [];

	constructor(store: Store, bodies: ReclaimableBodies) {
		this.#store = store;
		this.#bodies = bodies;
	}

	/** Walks through one drive. Resolves to the bytes of the bodies in it that entries name. */
	async drive(drive: string): Promise<number> {
		const held = await this.#bodies.held(drive);
		// From here to the clearing in one turn: nothing is named meanwhile.
		const { unnamed, usedBytes } = this.#compare(drive, held);
		const gone = overlap(unnamed, this.#unnamed.get(drive) ?? []);
		this.#unnamed.set(drive, unnamed);
		for (let i = 0; i < gone.length; i += RECLAIM_RANGES_COUNT) {
			const slice = overlap(
				gone.slice(i, i + RECLAIM_RANGES_COUNT),
				// What was named while the last slice was cleared.
				i === 0 ? gone : this.#compare(drive, held).unnamed,
			);
			if (drive === this.#bodies.drive) this.#gone.push(...slice);
			await this.#bodies.clear(drive, slice);
		}
		return usedBytes;
	}

	/** False for a body that this node took in, did not name for hours and has cleared since. */
	mayName({ drive, blob }: BodyRef): boolean {
		return (
			drive !== this.#bodies.drive ||
			!this.#gone.some(
				({ start, end }) => start < blob[1] + blob[2] && blob[1] < end,
			)
		);
	}

	#compare(
		drive: string,
		held: readonly BlockRange[],
	): { unnamed: BlockRange[]; usedBytes: number } {
		const unnamed: BlockRange[] = [];
		let usedBytes = 0;
		let last = -1;
		const used: { start: number; end: number }[] = [];
		for (const { start, end, sizeBytes } of usesOfDrive(this.#store, drive)) {
			if (start !== last) usedBytes += sizeBytes;
			last = start;
			const before = used.at(-1);
			if (before !== undefined && start <= before.end)
				before.end = Math.max(before.end, end);
			else used.push({ start, end });
		}
		let at = 0;
		for (const { start, end } of held) {
			let from = start;
			while ((used[at]?.end ?? Number.POSITIVE_INFINITY) <= from) at++;
			for (let i = at; from < end; i++) {
				const next = used[i];
				const to = Math.min(end, next?.start ?? end);
				if (to > from) unnamed.push({ start: from, end: to });
				from = Math.max(from, next?.end ?? end);
			}
		}
		return { unnamed, usedBytes };
	}
}

/** What is in both; each ascending and disjoint. */
export function overlap(
	one: readonly BlockRange[],
	other: readonly BlockRange[],
): BlockRange[] {
	const both: BlockRange[] = [];
	for (let i = 0, j = 0; i < one.length && j < other.length; ) {
		const a = one[i] as BlockRange;
		const b = other[j] as BlockRange;
		const start = Math.max(a.start, b.start);
		const end = Math.min(a.end, b.end);
		if (start < end) both.push({ start, end });
		if (a.end < b.end) i++;
		else j++;
	}
	return both;
}
