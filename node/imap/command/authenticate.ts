import { ScramFault } from "../../accounts/scram.ts";
import { Refusal } from "../answer.ts";
import { ParseFault, utf8 } from "../parser.ts";
import { lineBytesMax } from "../receive.ts";
import type { Completion, Invocation, Session } from "../session.ts";
import { logIn, logInWith, requireSafety } from "./login.ts";

/** The client's side of a SASL exchange: answers challenges with octets (latin1). */
type Ask = (challenge: string) => Promise<string>;
type Mechanism = (
	session: Session,
	initial: string | undefined,
	ask: Ask,
) => Promise<Completion>;

/** Offered by these names, in this order. */
const mechanisms: Readonly<Record<string, Mechanism>> = {
	__proto__: null as never,
	PLAIN: plain,
	LOGIN: login,
	"SCRAM-SHA-256": (session, initial, ask) =>
		scram(session, initial, ask, false),
	"SCRAM-SHA-256-PLUS": (session, initial, ask) =>
		scram(session, initial, ask, true),
};

/** AUTHENTICATE, RFC 3501 §6.2.2, with an initial response (RFC 4959). */
export async function authenticate({
	parser,
	session,
}: Invocation): Promise<Completion> {
	const name = parser.word("a SASL mechanism");
	const initial = parser.take(" ") ? takeRest() : undefined;
	parser.end();
	const mechanism = mechanisms[name];
	if (mechanism === undefined)
		throw new Refusal(
			"NO",
			"CANNOT",
			`Only ${Object.keys(mechanisms).join(", ")} are offered`,
		);
	requireSafety(session);
	// RFC 4959 §3: "=" is an empty response.
	const response =
		initial === undefined ? undefined : decode(initial === "=" ? "" : initial);
	return mechanism(session, response, ask);

	function takeRest(): string {
		const start = parser.at;
		parser.at = parser.bytes.length;
		return parser.bytes.toString("latin1", start).trimEnd();
	}

	async function ask(challenge: string): Promise<string> {
		const base64 = Buffer.from(challenge, "latin1").toString("base64");
		session.output.text(`+ ${base64}\r\n`);
		const line = await session.input.line(lineBytesMax(session));
		return decode(line.toString("latin1"));
	}
}

function decode(base64: string): string {
	// RFC 3501 §6.2.2: "*" cancels.
	if (base64 === "*") throw new ParseFault("authentication cancelled");
	const bytes = Buffer.from(base64, "base64");
	if (bytes.toString("base64") !== base64)
		throw new ParseFault("the response is not base64");
	return bytes.toString("latin1");
}

/** RFC 4616: `[authzid] NUL authcid NUL password`. */
async function plain(
	session: Session,
	initial: string | undefined,
	ask: Ask,
): Promise<Completion> {
	const parts = (initial ?? (await ask(""))).split("\0");
	const [actFor, user, password] = parts;
	if (parts.length !== 3 || !user || password === undefined)
		throw new ParseFault("the response is not a PLAIN message");
	if (actFor && actFor !== user)
		throw new Refusal(
			"NO",
			"AUTHORIZATIONFAILED",
			"Acting for another user is not offered",
		);
	return logInWith(session, user, password);
}

/** draft-murchison-sasl-login: what old programs have in place of PLAIN. */
async function login(
	session: Session,
	initial: string | undefined,
	ask: Ask,
): Promise<Completion> {
	const user = initial ?? (await ask("User Name\0"));
	return logInWith(session, user, await ask("Password\0"));
}

/** RFC 5802 and RFC 7677. The server's last message needs an answer, as IMAP has no data with success (RFC 3501 §6.2.2). */
async function scram(
	session: Session,
	initial: string | undefined,
	ask: Ask,
	plus: boolean,
): Promise<Completion> {
	const { transport, surroundings } = session;
	const channel = {
		plus,
		offersPlus: transport.isSecure(),
		binding: (type: string) => transport.channelBinding(type),
	};
	const first = utf8(initial ?? (await ask("")));
	return logIn(session, async () => {
		try {
			const exchange = surroundings.authenticator.scram(
				first,
				channel,
				transport.remoteIp,
			);
			const final = utf8(await ask(exchange.serverFirst));
			const { account, serverFinal } = await exchange.finish(final);
			await ask(serverFinal);
			return account;
		} catch (error) {
			if (error instanceof ScramFault) throw new ParseFault(error.message);
			throw error;
		}
	});
}
