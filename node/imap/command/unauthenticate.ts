import { Bye, Refusal } from "../answer.ts";
import type { Invocation } from "../session.ts";

/** UNAUTHENTICATE, RFC 8437: all but TLS is as at the beginning of the connection. */
export function unauthenticate({ parser, session }: Invocation): undefined {
	parser.end();
	if (!session.surroundings.allowUnauthenticate)
		throw new Refusal("BAD", undefined, "UNAUTHENTICATE is not offered");
	// RFC 8437 §3: where the state cannot be reset the connection ends.
	if (session.transport.isCompressed())
		throw new Bye("A compressed connection cannot log in again");
	session.reset();
}
