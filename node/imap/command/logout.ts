import type { Invocation } from "../session.ts";

/** LOGOUT, RFC 3501 §6.1.3. */
export function logout({ parser, session }: Invocation): undefined {
	parser.end();
	session.unselect();
	session.output.text("* BYE Logging out\r\n");
	session.isOver = true;
}
