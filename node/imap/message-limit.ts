/** The bound on messages of one command (MESSAGELIMIT, RFC 9738): the newest are worked on, and the client is told so. */
import { Refusal } from "./answer.ts";
import type { Target } from "./selected.ts";
import type { Session } from "./session.ts";

/** The newest of the targets, and the response code if there were more (RFC 9738 §3.1). */
export function newest(
	{ surroundings }: Session,
	targets: readonly Target[],
): { targets: readonly Target[]; code: string | undefined } {
	const max = surroundings.messagesPerCommandMax;
	if (targets.length <= max) return { targets, code: undefined };
	const some = targets.slice(-max);
	return { targets: some, code: limitCode(max, some[0]?.uid) };
}

/** All of them or none: a copy of a part is of no use (RFC 9738 §3.1). */
export function requireFew(
	{ surroundings }: Session,
	targets: readonly Target[],
): void {
	const max = surroundings.messagesPerCommandMax;
	if (targets.length > max)
		throw new Refusal("NO", limitCode(max), "Too many messages at once");
}

/** `MESSAGELIMIT 1000 23221`: the lowest UID that was worked on. */
export const limitCode = (max: number, lowestUid?: number): string =>
	`MESSAGELIMIT ${max}${lowestUid === undefined ? "" : ` ${lowestUid}`}`;
