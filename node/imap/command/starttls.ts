import { Refusal } from "../answer.ts";
import type { Completion, Invocation } from "../session.ts";

/** STARTTLS, RFC 3501 §6.2.1. The handshake begins after the tagged OK, see `afterwards`. */
export function startTls({ parser, session }: Invocation): Completion {
	parser.end();
	if (session.transport.isSecure())
		throw new Refusal("BAD", undefined, "TLS is on already");
	return {
		text: "Begin TLS negotiation now",
		afterwards: () => {
			// What came in the clear after STARTTLS may be an attacker's (CVE-2011-0411).
			session.input.discard();
			return session.transport.startTls();
		},
	};
}
