/** The bound on messages of one command (MESSAGELIMIT, RFC 9738): the newest are worked on, and the client is told so. */
import { Refusal } from "./answer.ts";
import type { Target } from "./selected.ts";
import type { Session } from "./session.ts";

/** The newest of the targets, from the highest UID down, and the response code; all, if they are not too many (RFC 9738 §3.1). */
export function newest(
	{ surroundings }: Session,
	targets: readonly Target[],
): { targets: readonly Target[]; limit: string | undefined } {
	const max = surroundings.messagesPerCommandMax;
	if (targets.length <= max) return { targets, limit: undefined };
	const some = targets.slice(-max).reverse();
	return { targets: some, limit: limitCode(max, some.at(-1)?.uid) };
}

/** All of them or none: a copy of a part is of no use (RFC 9738 §3.1). */
export function requireFew(
	{ surroundings }: Session,
	targets: readonly Target[],
): void {
	const max = surroundings.messagesPerCommandMax;
	if (targets.length > max)
		throw new Refusal(
			"NO",
			limitCode(max, targets.at(-max)?.uid),
			"Too many messages at once",
		);
}

/** `MESSAGELIMIT 1000 23221`: the lowest UID that was worked on. */
export const limitCode = (max: number, lowestUid?: number): string =>
	`MESSAGELIMIT ${max}${lowestUid === undefined ? "" : ` ${lowestUid}`}`;
