import type { Invocation } from "../session.ts";

/** CHECK, RFC 3501 §6.4.1: everything is durable already. */
export function check({ parser }: Invocation): undefined {
	parser.end();
}
