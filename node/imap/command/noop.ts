import type { Invocation } from "../session.ts";

/** NOOP, RFC 3501 §6.1.2: what has changed is told at the end of every command. */
export function noop({ parser }: Invocation): undefined {
	parser.end();
}
