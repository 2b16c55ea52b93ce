import { SEPARATOR } from "../names.ts";
import type { Invocation } from "../session.ts";

/** NAMESPACE, RFC 2342: one personal namespace, no others. */
export function namespace({ parser, session }: Invocation): undefined {
	parser.end();
	session.output.text(`* NAMESPACE (("" "${SEPARATOR}")) NIL NIL\r\n`);
}
