/** What SORT and THREAD compare, read for many messages in batches so that others get their turn and memory stays small. */
import type { Ordering } from "../../mime/index.ts";
import type { Surroundings } from "../session.ts";
import { turn } from "../turn.ts";
import type { Candidate } from "./match.ts";

const BATCH = 500;

/** Gives each candidate and its ordering to `take`, in turn. Rejects with BodyUnavailable. */
export async function eachOrdering(
	{ structures }: Surroundings,
	candidates: readonly Candidate[],
	take: (candidate: Candidate, ordering: Ordering) => void,
): Promise<void> {
	for (let at = 0; at < candidates.length; at += BATCH) {
		const some = candidates.slice(at, at + BATCH);
		const orderings = await structures.orderings(
			some.map(({ message }) => message),
		);
		for (const [index, candidate] of some.entries())
			take(candidate, orderings[index] as Ordering);
		await turn();
	}
}

/** RFC 5256 §2.2: the sent date, or else the internal date. */
export const sentMilliseconds = (
	{ message }: Candidate,
	ordering: Ordering,
): number => ordering.sentMilliseconds ?? message.internalDateMilliseconds;
