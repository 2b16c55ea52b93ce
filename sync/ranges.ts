/** Sets of UIDs as ascending, disjoint ranges, both ends included. Pure. */
import type { UidRange } from "./ids.ts";

/** `ranges` in any order, overlapping or not, as ascending and disjoint ones. */
export function normalised(ranges: readonly UidRange[]): UidRange[] {
	const sorted = ranges
		.filter(([low, high]) => low <= high)
		.sort(([a], [b]) => a - b);
	const joined: [number, number][] = [];
	for (const [low, high] of sorted) {
		const last = joined.at(-1);
		if (last !== undefined && low <= last[1] + 1)
			last[1] = Math.max(last[1], high);
		else joined.push([low, high]);
	}
	return joined;
}

/** What of `ranges` is not among `taken`, which ascends. */
export function without(
	ranges: readonly UidRange[],
	taken: readonly number[],
): UidRange[] {
	const left: UidRange[] = [];
	let at = 0;
	for (const [low, high] of normalised(ranges)) {
		let from = low;
		while (at < taken.length && (taken[at] as number) < low) at++;
		for (; at < taken.length && (taken[at] as number) <= high; at++) {
			const uid = taken[at] as number;
			if (uid > from) left.push([from, uid - 1]);
			from = uid + 1;
		}
		if (from <= high) left.push([from, high]);
	}
	return left;
}

/** What of `numbers`, which ascend, lies in `ranges`. */
export function among(
	ranges: readonly UidRange[],
	numbers: readonly number[],
): UidRange[] {
	const found: [number, number][] = [];
	let at = 0;
	for (const [low, high] of normalised(ranges)) {
		while (at < numbers.length && (numbers[at] as number) < low) at++;
		for (; at < numbers.length && (numbers[at] as number) <= high; at++) {
			const number = numbers[at] as number;
			const last = found.at(-1);
			if (last?.[1] === number - 1) last[1] = number;
			else found.push([number, number]);
		}
	}
	return found;
}

/** What is in both; `others` are ascending and disjoint. */
export function intersection(
	ranges: readonly UidRange[],
	others: readonly UidRange[],
): UidRange[] {
	const both: UidRange[] = [];
	let at = 0;
	for (const [low, high] of normalised(ranges)) {
		while (at < others.length && (others[at] as UidRange)[1] < low) at++;
		for (let i = at; i < others.length; i++) {
			const [start, end] = others[i] as UidRange;
			if (start > high) break;
			both.push([Math.max(low, start), Math.min(high, end)]);
		}
	}
	return both;
}

/** Where `value` stands among ascending values, or would. */
export function lowerBound<T extends number | string>(
	sorted: readonly T[],
	value: T,
): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((sorted[middle] as T) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}
