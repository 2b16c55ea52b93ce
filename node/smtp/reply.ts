/** Refusals as SMTP says them: a reply code, an enhanced status code (RFC 3463) and one line for people. */
import { ClientFault, type FaultCode, Temporary } from "../../sync/faults.ts";
import { BodyUnavailable } from "../../sync/ports/bodies.ts";
import type { Log } from "../../sync/ports/log.ts";
import { StoreFull } from "../../sync/ports/store.ts";

/** Thrown to answer a command with anything but success. smtp-server reads `responseCode` and `message`. */
export class SmtpRefusal extends Error {
	override name = "SmtpRefusal";
	readonly responseCode: number;
	/** `text` without the codes. */
	constructor(responseCode: number, enhancedCode: string, text: string) {
		super(`${enhancedCode} ${text}`);
		this.responseCode = responseCode;
	}
}

const faultReplies: Record<FaultCode, readonly [number, string]> = {
	NONEXISTENT: [550, "5.1.1"],
	ALREADYEXISTS: [554, "5.5.0"],
	CANNOT: [554, "5.3.0"],
	HASCHILDREN: [554, "5.3.0"],
	LIMIT: [554, "5.5.3"],
	TOOBIG: [552, "5.3.4"],
	OVERQUOTA: [452, "4.2.2"],
	NOPERM: [550, "5.7.1"],
	CLIENTBUG: [554, "5.5.0"],
};

/** What to answer when this was thrown. What is nobody's fault but ours is logged, and the client asked to come again. */
export function refusalFor(error: unknown, log: Log): SmtpRefusal {
	if (error instanceof SmtpRefusal) return error;
	if (error instanceof ClientFault) {
		const [code, enhanced] = faultReplies[error.code];
		return new SmtpRefusal(code, enhanced, error.message);
	}
	if (error instanceof StoreFull)
		return new SmtpRefusal(452, "4.3.1", "no room at the moment; try again");
	if (error instanceof Temporary || error instanceof BodyUnavailable)
		return new SmtpRefusal(451, "4.3.0", error.message);
	log.error("a message could not be taken because of a fault in this program", {
		error,
	});
	return new SmtpRefusal(451, "4.3.0", "local error; try again");
}
