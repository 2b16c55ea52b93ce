/**
 * What SORT compares, held between commands: of each message of a mailbox the rank of its value among all values there.
 * Comparing is then arithmetic, and what came since the last SORT is all that is looked up. What a UID names never changes,
 * so a column is only ever added to; one that holds mostly what is gone is made anew.
 */
import { SORT_COLUMNS_BYTES_MAX } from "../../../sync/limits.ts";
import { compareMapped } from "../../mime/index.ts";
import { ByteLru } from "../../mime/lru.ts";
import type { Selected } from "../selected.ts";
import type { Candidate } from "./match.ts";

export type Value = string | number;

export interface Column {
	/** Ascending. */
	readonly uids: Uint32Array;
	/** Of each of these the index of its value in `values`. */
	readonly ranks: Uint32Array;
	/** Ascending, each once. */
	readonly values: readonly Value[];
	readonly valueBytes: number;
}

/** Of some messages: equal values have equal ranks. */
export interface Ranks {
	readonly ranks: Uint32Array;
	/** Above every rank. */
	readonly count: number;
}

const EMPTY: Column = {
	uids: new Uint32Array(),
	ranks: new Uint32Array(),
	values: [],
	valueBytes: 0,
};
/** Rows of what is gone that are no reason to begin anew. */
const GONE_ROWS_MIN = 1_000;

/** Of each criterion that was asked about. */
export interface RanksBy {
	get(criterion: string): Ranks;
}

/** Values of these messages: a list for each of the criteria. */
export type ValuesOf = (
	missing: readonly Candidate[],
	criteria: readonly string[],
) => Promise<readonly (readonly Value[])[]>;

interface Wanted {
	readonly criterion: string;
	readonly column: Column;
	readonly missing: readonly Candidate[];
}

export class SortColumns {
	readonly #columns = new ByteLru<Column>(SORT_COLUMNS_BYTES_MAX);

	/**
	 * Ranks of the candidates, which ascend by UID, by each of the criteria; `valuesOf` is asked for those that are not
	 * held, once for all criteria that lack the same: to read a message costs more than to take one value of it.
	 */
	async ranks(
		selected: Selected,
		criteria: readonly string[],
		candidates: readonly Candidate[],
		valuesOf: ValuesOf,
	): Promise<RanksBy> {
		const columns = new Map<string, Column>();
		let lacking: Wanted[] = [];
		for (const criterion of criteria) {
			const column = this.#held(selected, criterion);
			columns.set(criterion, column);
			const missing = missingIn(column, candidates);
			if (missing.length > 0) lacking.push({ criterion, column, missing });
		}
		while (lacking[0] !== undefined) {
			const { missing } = lacking[0];
			const alike = lacking.filter((one) => isSame(one.missing, missing));
			lacking = lacking.filter((one) => !alike.includes(one));
			const values = await valuesOf(
				missing,
				alike.map(({ criterion }) => criterion),
			);
			const uids = missing.map(({ uid }) => uid);
			// Another session may add to the same column meanwhile: a column itself is never changed.
			for (const [at, { criterion, column }] of alike.entries()) {
				const more = extended(column, uids, values[at] as readonly Value[]);
				columns.set(criterion, more);
				this.#columns.set(keyOf(selected, criterion), more, bytesOf(more));
			}
		}
		return {
			get(criterion) {
				const column = columns.get(criterion) as Column;
				return {
					ranks: ranksIn(column, candidates),
					count: column.values.length,
				};
			},
		};
	}

	#held(selected: Selected, criterion: string): Column {
		const held = this.#columns.get(keyOf(selected, criterion));
		const rowsMax = 2 * selected.known.uids.length + GONE_ROWS_MIN;
		return held === undefined || held.uids.length > rowsMax ? EMPTY : held;
	}
}

const keyOf = ({ mailbox }: Selected, criterion: string): string =>
	`${mailbox.id}/${mailbox.uidValidity}/${criterion}`;

const isSame = (a: readonly Candidate[], b: readonly Candidate[]): boolean =>
	a === b ||
	(a.length === b.length && a.every(({ uid }, at) => uid === b[at]?.uid));

const bytesOf = ({ uids, valueBytes }: Column): number =>
	300 + 8 * uids.length + valueBytes;
const valueBytes = (value: Value): number =>
	typeof value === "string" ? 40 + 2 * value.length : 16;

function missingIn(
	{ uids }: Column,
	candidates: readonly Candidate[],
): readonly Candidate[] {
	if (uids.length === 0) return candidates;
	const missing: Candidate[] = [];
	let at = 0;
	for (const candidate of candidates) {
		while (at < uids.length && (uids[at] as number) < candidate.uid) at++;
		if (uids[at] !== candidate.uid) missing.push(candidate);
	}
	return missing;
}

function ranksIn(
	{ uids, ranks }: Column,
	candidates: readonly Candidate[],
): Uint32Array {
	const found = new Uint32Array(candidates.length);
	let at = 0;
	for (const [index, { uid }] of candidates.entries()) {
		while ((uids[at] as number) < uid) at++;
		found[index] = ranks[at] as number;
	}
	return found;
}

/** The column with these added, which ascend and are not in it. */
export function extended(
	column: Column,
	uids: readonly number[],
	values: readonly Value[],
): Column {
	const { distinct, places } = numbered(values);
	const compare = comparison([column.values, distinct]);
	const order = orderOf(distinct, compare);
	const merged: Value[] = [];
	const moved = new Uint32Array(column.values.length);
	/** Of each distinct value. */
	const ranks = new Uint32Array(distinct.length);
	let addedBytes = 0;
	for (let old = 0, next = 0; ; ) {
		const a = column.values[old];
		const b = distinct[order[next] ?? -1];
		if (a === undefined && b === undefined) break;
		const step = a === undefined ? 1 : b === undefined ? -1 : compare(a, b);
		if (step <= 0) moved[old++] = merged.length;
		else addedBytes += valueBytes(b as Value);
		if (step >= 0) ranks[order[next++] as number] = merged.length;
		merged.push((step <= 0 ? a : b) as Value);
	}
	const size = column.uids.length + uids.length;
	const result = {
		uids: new Uint32Array(size),
		ranks: new Uint32Array(size),
		values: merged,
		valueBytes: column.valueBytes + addedBytes,
	};
	for (let at = 0, old = 0, next = 0; at < size; at++) {
		const a = column.uids[old] ?? Number.POSITIVE_INFINITY;
		const b = uids[next] ?? Number.POSITIVE_INFINITY;
		result.uids[at] = Math.min(a, b);
		result.ranks[at] =
			a < b
				? (moved[column.ranks[old++] as number] as number)
				: (ranks[places[next++] as number] as number);
	}
	return result;
}

/** Each value once, and where among these each of them stands. */
function numbered(values: readonly Value[]): {
	distinct: Value[];
	places: Uint32Array;
} {
	const known = new Map<Value, number>();
	const distinct: Value[] = [];
	const places = new Uint32Array(values.length);
	for (let at = 0; at < values.length; at++) {
		const value = values[at] as Value;
		let place = known.get(value);
		if (place === undefined) {
			place = distinct.length;
			known.set(value, place);
			distinct.push(value);
		}
		places[at] = place;
	}
	return { distinct, places };
}

/** Places of these values, the lowest first. All of them are texts or all of them numbers. */
function orderOf(
	distinct: readonly Value[],
	compare: (a: Value, b: Value) => number,
): Uint32Array {
	const order = Uint32Array.from(distinct, (_, at) => at);
	return order.sort((a, b) =>
		compare(distinct[a] as Value, distinct[b] as Value),
	);
}

/** By i;unicode-casemap (RFC 5256 §2.1): as octets of UTF-8, which UTF-16 does not always order alike. */
function comparison(
	lists: readonly (readonly Value[])[],
): (a: Value, b: Value) => number {
	const needsCare = lists.some((values) =>
		values.some(
			(value) => typeof value === "string" && /[\ud800-\uffff]/.test(value),
		),
	);
	if (needsCare) return (a, b) => compareMapped(a as string, b as string);
	return (a, b) => (a === b ? 0 : a < b ? -1 : 1);
}

/** Ranks of numbers that are at hand. */
export function rankNumbers(values: Float64Array): Ranks {
	const sorted = values.slice().sort();
	let count = 0;
	for (const value of sorted)
		if (count === 0 || value !== sorted[count - 1]) sorted[count++] = value;
	const distinct = sorted.subarray(0, count);
	const ranks = new Uint32Array(values.length);
	for (let at = 0; at < values.length; at++)
		ranks[at] = placeIn(distinct, values[at] as number);
	return { ranks, count };
}

/** Where in an ascending list a value of it stands. */
function placeIn(ascending: Float64Array, value: number): number {
	let low = 0;
	let high = ascending.length - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((ascending[middle] as number) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Positions 0 to `length` - 1 ordered by the ranks of the first criterion, then of the next, then by themselves. */
export function orderBy(
	length: number,
	criteria: readonly (Ranks & { readonly reverse: boolean })[],
): Float64Array {
	let keys = new Float64Array(length);
	/** Above every key. */
	let count = 1;
	const widen = (by: number): void => {
		if (count * by < Number.MAX_SAFE_INTEGER) return;
		const dense = rankNumbers(keys);
		keys = Float64Array.from(dense.ranks);
		count = dense.count;
	};
	for (const { ranks, count: values, reverse } of criteria) {
		widen(values);
		for (let at = 0; at < length; at++) {
			const rank = ranks[at] as number;
			keys[at] =
				(keys[at] as number) * values + (reverse ? values - 1 - rank : rank);
		}
		count *= values;
	}
	widen(length);
	for (let at = 0; at < length; at++)
		keys[at] = (keys[at] as number) * length + at;
	keys.sort();
	return keys.map((key) => key % length);
}
