import type { Invocation } from "../session.ts";

/** ENABLE, RFC 5161. Nothing that we have needs it yet; unknown names are passed over. */
export function enable({ parser, session }: Invocation): undefined {
	do parser.atom("a capability");
	while (parser.take(" "));
	parser.end();
	session.output.text("* ENABLED\r\n");
}
