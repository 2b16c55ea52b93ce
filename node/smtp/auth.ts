/** AUTH: from what smtp-server parsed to the authenticator, and from its errors to replies. */
import type { SMTPServerAuthentication } from "smtp-server";
import type { Account } from "../../sync/api.ts";
import { Temporary } from "../../sync/faults.ts";
import type { Log } from "../../sync/ports/log.ts";
import {
	type Authenticator,
	LoginRefused,
	LoginThrottled,
} from "../accounts/authenticator.ts";
import { SmtpRefusal } from "./reply.ts";

/** Checks what AUTH brought. Rejects as Authenticator.login() does. */
export async function login(
	auth: SMTPServerAuthentication,
	remoteIp: string,
	authenticator: Authenticator,
): Promise<Account> {
	const { username = "", authzid = "", password } = auth;
	// RFC 4616 §2: to act for someone else is a right that nobody has here.
	if (authzid !== "" && authzid.toLowerCase() !== username.toLowerCase())
		throw new LoginRefused("acting for another user is not possible");
	return authenticator.login(username, password ?? "", remoteIp);
}

/** The reply to an AUTH that did not work (RFC 4954 §6). */
export function loginRefusal(error: unknown, log: Log): SmtpRefusal {
	if (error instanceof SmtpRefusal) return error;
	if (error instanceof LoginRefused)
		return new SmtpRefusal(535, "5.7.8", error.message);
	if (error instanceof LoginThrottled || error instanceof Temporary)
		return new SmtpRefusal(454, "4.7.0", error.message);
	log.error("a login could not be checked because of a fault in this program", {
		error,
	});
	return new SmtpRefusal(454, "4.7.0", "local error; try again");
}
