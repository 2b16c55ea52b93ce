import type { Invocation } from "../session.ts";

/** UNSELECT, RFC 3691: as CLOSE, but expunges nothing. */
export function unselect({ parser, session }: Invocation): undefined {
	parser.end();
	session.unselect();
}
