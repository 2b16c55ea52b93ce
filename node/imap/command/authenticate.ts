import { Refusal } from "../answer.ts";
import { ParseFault, utf8 } from "../parser.ts";
import { lineBytesMax } from "../receive.ts";
import type { Completion, Invocation } from "../session.ts";
import { logIn, requireSafety } from "./login.ts";

/** AUTHENTICATE PLAIN, RFC 3501 §6.2.2 and RFC 4616, with an initial response (RFC 4959). */
export async function authenticate({
	parser,
	session,
}: Invocation): Promise<Completion> {
	const mechanism = parser.word("a SASL mechanism");
	const initial = parser.take(" ") ? takeRest() : undefined;
	parser.end();
	if (mechanism !== "PLAIN")
		throw new Refusal("NO", "CANNOT", "Only PLAIN is offered");
	requireSafety(session);
	const response = initial ?? (await ask());
	const { user, password } = parsePlain(response);
	return logIn(session, user, password);

	function takeRest(): string {
		const start = parser.at;
		parser.at = parser.bytes.length;
		return parser.bytes.toString("latin1", start).trimEnd();
	}

	async function ask(): Promise<string> {
		session.output.text("+ \r\n");
		const line = await session.input.line(lineBytesMax(session));
		return line.toString("latin1");
	}
}

/** Base64 of `[authzid] NUL authcid NUL password`. */
function parsePlain(base64: string): { user: string; password: string } {
	// RFC 3501 §6.2.2: "*" cancels.
	if (base64 === "*") throw new ParseFault("authentication cancelled");
	const bytes = Buffer.from(base64, "base64");
	if (bytes.toString("base64") !== base64)
		throw new ParseFault("the response is not base64");
	const parts = bytes.toString("latin1").split("\0");
	const [actFor, user, password] = parts;
	if (parts.length !== 3 || !user || password === undefined)
		throw new ParseFault("the response is not a PLAIN message");
	if (actFor && actFor !== user)
		throw new Refusal(
			"NO",
			"AUTHORIZATIONFAILED",
			"Acting for another user is not offered",
		);
	return { user: utf8(user), password: utf8(password) };
}
