import type { Account } from "../../sync/api.ts";

/** Wrong name or password; says no more than that. */
export class LoginRefused extends Error {
	override name = "LoginRefused";
}
/** Too many failures from this source; others are not affected. */
export class LoginThrottled extends Error {
	override name = "LoginThrottled";
}

export interface Authenticator {
	/**
	 * `userName` is a full address. `remoteIp` is the client's address, for limits per source.
	 * Rejects with LoginRefused, LoginThrottled or Temporary.
	 */
	login(userName: string, password: string, remoteIp: string): Promise<Account>;
}
