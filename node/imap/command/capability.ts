import { capabilities } from "../capability.ts";
import type { Invocation } from "../session.ts";

/** CAPABILITY, RFC 3501 §6.1.1. */
export function capability({ parser, session }: Invocation): undefined {
	parser.end();
	session.output.text(`* CAPABILITY ${capabilities(session)}\r\n`);
}
