/** Which messages a search looks at: those that its numbers and UIDs allow, and of these the newest (RFC 9738 §3.1). */

import type { UidRange } from "../../../sync/ids.ts";
import { intersection, normalised } from "../../../sync/ranges.ts";
import { Refusal } from "../answer.ts";
import { limitCode } from "../message-limit.ts";
import type { Selected } from "../selected.ts";
import {
	lowerBound,
	normalise,
	SAVED,
	type SequenceSet,
} from "../sequence-set.ts";
import type { Session } from "../session.ts";
import type { Key } from "./keys.ts";

/** Indices [from, to) of what the client knows, ascending. */
type Span = readonly [from: number, to: number];
export interface LookedAt {
	readonly spans: readonly Span[];
	/** Response code where that is not all that the search is about. */
	readonly limit: string | undefined;
}

export function lookedAt(
	{ surroundings }: Session,
	selected: Selected,
	key: Key,
): LookedAt {
	const { uids } = selected.known;
	const max = surroundings.messagesPerCommandMax;
	if (uids.length <= max)
		return { spans: [[0, uids.length]], limit: undefined };
	const spans = allowed(selected, key).map(
		([low, high]): Span => [lowerBound(uids, low), lowerBound(uids, high + 1)],
	);
	const newest: Span[] = [];
	let left = max;
	for (const [from, to] of spans.reverse()) {
		if (left === 0 && to > from)
			return {
				spans: newest,
				limit: limitCode(max, uids[newest[0]?.[0] ?? 0]),
			};
		const start = Math.max(from, to - left);
		if (to > start) newest.unshift([start, to]);
		left -= to - start;
		if (start > from)
			return { spans: newest, limit: limitCode(max, uids[start]) };
	}
	return { spans: newest, limit: undefined };
}

/** RFC 9738 §3.3: what is put in order is put in order whole. Refusal where a part would have to be left out. */
export function requireWhole(
	session: Session,
	selected: Selected,
	key: Key,
): void {
	if (lookedAt(session, selected, key).limit === undefined) return;
	const max = session.surroundings.messagesPerCommandMax;
	throw new Refusal(
		"NO",
		limitCode(max),
		"Too many messages at once; narrow it down by UIDs",
	);
}

/** UIDs that the keys which must all hold allow. */
function allowed(selected: Selected, key: Key): UidRange[] {
	const { uids } = selected.known;
	const last = uids.at(-1) ?? 0;
	let ranges: UidRange[] = last === 0 ? [] : [[1, last]];
	for (const one of conjuncts(key))
		if (one.kind === "uids" && one.set !== SAVED)
			ranges = intersection(ranges, normalise(one.set, last));
		else if (one.kind === "numbers" || one.kind === "uids")
			ranges = intersection(ranges, numbered(selected, one.set));
		else if (one.kind === "not" && one.key.kind === "all") ranges = [];
		else if (
			one.kind === "not" &&
			one.key.kind === "uids" &&
			one.key.set !== SAVED
		)
			ranges = intersection(
				ranges,
				complement(normalise(one.key.set, last), last),
			);
	return ranges;
}

function numbered(
	{ known: { uids }, saved }: Selected,
	set: SequenceSet,
): UidRange[] {
	if (set === SAVED) return normalised(saved.map((uid) => [uid, uid] as const));
	return normalise(set, uids.length).flatMap(([low, high]): UidRange[] => {
		const from = uids[Math.max(low, 1) - 1];
		const to = uids[Math.min(high, uids.length) - 1];
		return from === undefined || to === undefined ? [] : [[from, to]];
	});
}

function complement(ranges: readonly UidRange[], last: number): UidRange[] {
	const left: UidRange[] = [];
	let next = 1;
	for (const [low, high] of ranges) {
		if (low > next) left.push([next, low - 1]);
		next = high + 1;
	}
	if (next <= last) left.push([next, last]);
	return left;
}

function* conjuncts(key: Key): Generator<Key> {
	if (key.kind === "and") for (const one of key.keys) yield* conjuncts(one);
	else yield key;
}
