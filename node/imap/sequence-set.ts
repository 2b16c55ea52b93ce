/** Sets of message numbers (RFC 3501 §9 sequence-set): what they name in an ascending list, and how they are written. */

/** "*": the largest number in use. */
export const STAR = Number.POSITIVE_INFINITY;

/** As the client wrote it: either end may be the larger one. */
export interface SequenceRange {
	readonly from: number;
	readonly to: number;
}
export type SequenceSet = readonly SequenceRange[];

/** `$`: what the last search saved (RFC 5182). Recognised by being this very object. */
export const SAVED: SequenceSet = Object.freeze([]);

/** The same set as ascending ranges that neither touch nor overlap; "*" replaced by `star`. */
export function normalise(set: SequenceSet, star: number): [number, number][] {
	const ranges = set.map(({ from, to }): [number, number] => {
		const a = from === STAR ? star : from;
		const b = to === STAR ? star : to;
		return a <= b ? [a, b] : [b, a];
	});
	ranges.sort((a, b) => a[0] - b[0]);
	const merged: [number, number][] = [];
	for (const range of ranges) {
		const last = merged.at(-1);
		if (last !== undefined && range[0] <= last[1] + 1)
			last[1] = Math.max(last[1], range[1]);
		else merged.push(range);
	}
	return merged;
}

/** The largest number that the set names by itself; of `a:*` that is a-1 (mailbox-consistency rule 8). 0: none. */
export function largestNamed(set: SequenceSet): number {
	let largest = 0;
	for (const { from, to } of set) {
		const low = Math.min(from, to);
		const high = Math.max(from, to);
		if (low === STAR) continue;
		largest = Math.max(largest, high === STAR ? low - 1 : high);
	}
	return largest;
}

/** Whether any range, "*" being `star`, holds `value`. `ranges` as from normalise(). */
export function contains(
	ranges: readonly (readonly [number, number])[],
	value: number,
): boolean {
	let low = 0;
	let high = ranges.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		const range = ranges[middle];
		if (range === undefined) return false;
		if (value < range[0]) high = middle;
		else if (value > range[1]) low = middle + 1;
		else return true;
	}
	return false;
}

/** Index of the first element of an ascending list that is at least `value`. */
export function lowerBound(list: readonly number[], value: number): number {
	let low = 0;
	let high = list.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((list[middle] ?? 0) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Index of `value` in an ascending list, or -1. */
export function indexOf(list: readonly number[], value: number): number {
	const index = lowerBound(list, value);
	return list[index] === value ? index : -1;
}

/** `1:3,7`: ascending ranges. */
export const formatRanges = (
	ranges: readonly (readonly [number, number])[],
): string =>
	ranges
		.map(([low, high]) => (low === high ? `${low}` : `${low}:${high}`))
		.join(",");

/** `1:3,7`: numbers in the given order, runs joined. Ascending input gives the shortest form. */
export function format(numbers: readonly number[]): string {
	let text = "";
	for (let index = 0; index < numbers.length; ) {
		const first = numbers[index] ?? 0;
		let length = 1;
		while (numbers[index + length] === first + length) length++;
		if (text !== "") text += ",";
		text += length === 1 ? `${first}` : `${first}:${first + length - 1}`;
		index += length;
	}
	return text;
}
