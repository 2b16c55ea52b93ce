/** AUTH SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 4954, RFC 7677), which the package lacks, as a dialogue. */
import type { Account } from "../../sync/api.ts";
import type { ScramLogin } from "../accounts/authenticator.ts";
import { type ScramChannel, ScramFault } from "../accounts/scram.ts";
import { SmtpRefusal } from "./reply.ts";

/** Sends a challenge and resolves to the line that answers it. */
export type Ask = (base64: string) => Promise<string>;

/** The server's last message is a challenge too: RFC 4954 §4 has no data with success. Rejects as the login does. */
export async function scramDialogue(
	initial: string | undefined,
	ask: Ask,
	begin: (clientFirst: string) => ScramLogin,
): Promise<Account> {
	try {
		const exchange = begin(decode(initial ?? (await ask(""))));
		const final = decode(await ask(encode(exchange.serverFirst)));
		const { account, serverFinal } = await exchange.finish(final);
		decode(await ask(encode(serverFinal)));
		return account;
	} catch (error) {
		if (error instanceof ScramFault)
			throw new SmtpRefusal(501, "5.5.2", error.message);
		throw error;
	}
}

const encode = (text: string): string => Buffer.from(text).toString("base64");

function decode(base64: string): string {
	// RFC 4954 §4: "*" cancels, "=" is an empty response.
	if (base64 === "*")
		throw new SmtpRefusal(501, "5.7.0", "authentication cancelled");
	const bytes = Buffer.from(base64 === "=" ? "" : base64, "base64");
	if (base64 !== "=" && bytes.toString("base64") !== base64)
		throw new SmtpRefusal(501, "5.5.2", "the response is not base64");
	return bytes.toString("utf8");
}

export const scramChannel = (
	mechanism: string,
	isSecure: boolean,
	binding: ScramChannel["binding"],
): ScramChannel => ({
	plus: mechanism.endsWith("-PLUS"),
	offersPlus: isSecure,
	binding,
});
