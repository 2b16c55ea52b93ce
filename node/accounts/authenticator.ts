import type { Account } from "../../sync/api.ts";
import type { ScramChannel } from "./scram.ts";

/** Wrong name or password; says no more than that. */
export class LoginRefused extends Error {
	override name = "LoginRefused";
}
/** Too many failures from this source, or on this account; others are not affected. */
export class LoginThrottled extends Error {
	override name = "LoginThrottled";
}

export interface Authenticator {
	/**
	 * `userName` is a full address. `remoteIp` is the client's address, for limits per source.
	 * Rejects with LoginRefused, LoginThrottled or Temporary.
	 */
	login(userName: string, password: string, remoteIp: string): Promise<Account>;
	/**
	 * Begins SCRAM-SHA-256 with client-first-message. Throws ScramFault (the grammar), LoginRefused or LoginThrottled.
	 * For a user who is not there it goes on like for any other.
	 */
	scram(
		clientFirst: string,
		channel: ScramChannel,
		remoteIp: string,
	): ScramLogin;
}

export interface ScramLogin {
	readonly serverFirst: string;
	/** Takes client-final-message. Rejects as scram() throws, and with Temporary. */
	finish(
		clientFinal: string,
	): Promise<{ readonly account: Account; readonly serverFinal: string }>;
}
