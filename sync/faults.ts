/** Errors named by whose fault they are. Anything else that is thrown is a bug, and is logged and treated as one. */

/** Codes a protocol can turn into its own (RFC 9051 §7.1, RFC 3463). */
export type FaultCode =
	| "NONEXISTENT"
	| "ALREADYEXISTS"
	| "CANNOT"
	| "HASCHILDREN"
	| "LIMIT"
	| "TOOBIG"
	| "OVERQUOTA"
	| "NOPERM"
	| "CLIENTBUG";

/** Who asked must ask for something else: BAD, NO or 5xx. The message is one line for people. */
export class ClientFault extends Error {
	override name = "ClientFault";
	readonly code: FaultCode;
	constructor(code: FaultCode, message: string) {
		super(message);
		this.code = code;
	}
}

/** Not now, the same may work later: NO [UNAVAILABLE] or 451. Nothing was acknowledged. */
export class Temporary extends Error {
	override name = "Temporary";
}

/** What an operator asked for cannot be done; one line saying what is wrong and what to do. */
export class OperatorFault extends Error {
	override name = "OperatorFault";
}
