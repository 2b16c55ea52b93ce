import type { Account } from "../../../sync/api.ts";
import { IMAP_LOGIN_FAILURES_MAX } from "../../../sync/limits.ts";
import { LoginRefused } from "../../accounts/authenticator.ts";
import { Bye, Refusal } from "../answer.ts";
import { capabilities } from "../capability.ts";
import { utf8 } from "../parser.ts";
import type { Completion, Invocation, Session } from "../session.ts";

/** LOGIN, RFC 3501 §6.2.3. */
export function login({ parser, session }: Invocation): Promise<Completion> {
	const user = parser.astring("a user name");
	parser.space();
	const password = parser.astring("a password");
	parser.end();
	requireSafety(session);
	return logInWith(session, user, password);
}

/** RFC 3501 §11.2: no passwords in the clear. */
export function requireSafety(session: Session): void {
	if (!session.mayLogin)
		throw new Refusal(
			"NO",
			"PRIVACYREQUIRED",
			"Use STARTTLS before logging in",
		);
}

/** Logs in, or rejects with what the authenticator says; Bye after too many wrong passwords. */
export async function logIn(
	session: Session,
	authenticate: () => Promise<Account>,
): Promise<Completion> {
	try {
		session.account = await authenticate();
	} catch (error) {
		if (
			error instanceof LoginRefused &&
			++session.loginFailures >= IMAP_LOGIN_FAILURES_MAX
		)
			throw new Bye("Too many wrong passwords");
		throw error;
	}
	return { code: `CAPABILITY ${capabilities(session)}`, text: "Logged in" };
}

/** The same with a password, which came as octets. */
export function logInWith(
	session: Session,
	user: string,
	password: string,
): Promise<Completion> {
	const { authenticator } = session.surroundings;
	const { remoteIp } = session.transport;
	const [name, secret] = [utf8(user), utf8(password)];
	return logIn(session, () => authenticator.login(name, secret, remoteIp));
}
