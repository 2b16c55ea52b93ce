/** Mod-sequences on the wire (RFC 7162): when they are told, and how they are read. */
import type { Parser } from "./parser.ts";
import type { Selected } from "./selected.ts";
import type { Session } from "./session.ts";
import { tellBefore } from "./tell.ts";

/**
 * The client has used mod-sequences: from now on they are in each untagged FETCH. If that happens with a mailbox
 * selected, it learns where it stands (RFC 7162 §3.1).
 */
export function enableCondstore(session: Session): void {
	if (session.condstore) return;
	session.enabled.add("CONDSTORE");
	const { selected, output } = session;
	if (selected !== undefined)
		output.text(
			`* OK [HIGHESTMODSEQ ${selected.known.settledModSeq}] Mod-sequences are told from now on\r\n`,
		);
}

/** The client names a mod-sequence that some node told it: this node's are above it from now on (rules 8 and 11). */
export async function nameToken(
	session: Session,
	selected: Selected,
	token: number,
): Promise<void> {
	await selected.mailbox.tokenNamed(token);
	await tellBefore(session);
	enableCondstore(session);
}

/** `MODSEQ (4711)` */
export const modSeqItem = (value: number): string => `MODSEQ (${value})`;

/** No higher number is ever given: such a one means the same as this. */
const GIVEN_MAX = Number.MAX_SAFE_INTEGER;
/** RFC 7162 §7 has 2^63-1; so large, digits count only about. */
const WRITTEN_MAX = 2 ** 63.01;

/** RFC 7162 §7 mod-sequence-valzer. */
export const parseModSeq = (parser: Parser): number =>
	Math.min(parser.number("a mod-sequence", WRITTEN_MAX), GIVEN_MAX);
