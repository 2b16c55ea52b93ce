/**
 * Who may log in: user name and password against the directory, for SMTP and IMAP alike. Here live password hashing, the
 * limits on guessing and the short memory of verified logins. Never a password in clear, in memory or in the log.
 */
import type { Account, Directory } from "../../sync/api.ts";
import { Temporary } from "../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	address,
	BadId,
} from "../../sync/ids.ts";
import {
	LOGIN_ACCOUNTS_MAX,
	LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX,
	LOGIN_FAILURES_PER_MINUTE_MAX,
	LOGIN_HASHES_MAX,
	LOGIN_SOURCES_MAX,
	LOGIN_TRUSTED_MAX,
	LOGIN_WAITING_MAX,
	LOGIN_WAITING_PER_SOURCE_MAX,
	PASSWORD_BYTES_MAX,
} from "../../sync/limits.ts";
import type { Clock } from "../../sync/ports/clock.ts";
import type { Log } from "../../sync/ports/log.ts";
import type { Random } from "../../sync/ports/random.ts";
import {
	type Authenticator,
	LoginRefused,
	LoginThrottled,
	type ScramLogin,
} from "./authenticator.ts";
import { hashOf, scramOf } from "./credentials.ts";
import { FairQueue, QueueFull } from "./fair-queue.ts";
import { hashOfNobody, verifyPassword } from "./password.ts";
import {
	parseClientFirst,
	type ScramChannel,
	ScramExchange,
	ScramRefused,
	scramNonce,
	scramOfNobody,
} from "./scram.ts";
import { sourceOf } from "./source.ts";
import { Failures, Recent } from "./throttle.ts";
import { VerifiedLogins } from "./verified.ts";

export interface AuthenticatorOptions {
	readonly directory: Pick<Directory, "user" | "passwordHash" | "secret">;
	readonly account: (id: AccountId) => Account | undefined;
	readonly clock: Clock;
	readonly random: Random;
	readonly log: Log;
	/** Replaced in tests that count hashes. */
	readonly verify?: typeof verifyPassword;
}

/** The authenticator of a node. See Authenticator for what it promises. */
export function createAuthenticator(
	options: AuthenticatorOptions,
): Authenticator {
	return new DirectoryAuthenticator(options);
}

/** Who wants to log in, from where. */
interface Attempt {
	readonly userName: string;
	/** The account that failures count against, whether it is there or not. */
	readonly name: string;
	readonly source: string;
	readonly remoteIp: string;
	readonly account: AccountId | undefined;
	/** Undefined: there is no such user. */
	readonly stored: string | undefined;
}

class DirectoryAuthenticator implements Authenticator {
	readonly #options: AuthenticatorOptions;
	readonly #verify: typeof verifyPassword;
	readonly #nobody: string;
	/** Stands in while the cluster has no secret yet: then it has no users either. */
	readonly #ownSecret: Uint8Array;
	readonly #cache: VerifiedLogins;
	readonly #bySource: Failures;
	readonly #byAccount: Failures;
	/** "source account" of logins that went well: guesses from elsewhere do not lock them out. */
	readonly #trusted = new Recent(LOGIN_TRUSTED_MAX);
	readonly #hashing = new FairQueue({
		running: LOGIN_HASHES_MAX,
		waiting: LOGIN_WAITING_MAX,
		waitingPerSource: LOGIN_WAITING_PER_SOURCE_MAX,
	});

	constructor(options: AuthenticatorOptions) {
		const { clock, random } = options;
		this.#options = options;
		this.#verify = options.verify ?? verifyPassword;
		this.#nobody = hashOfNobody(random);
		this.#ownSecret = random.bytes(32);
		this.#cache = new VerifiedLogins(clock, random);
		this.#bySource = new Failures(
			clock,
			LOGIN_FAILURES_PER_MINUTE_MAX,
			LOGIN_SOURCES_MAX,
		);
		this.#byAccount = new Failures(
			clock,
			LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX,
			LOGIN_ACCOUNTS_MAX,
		);
	}

	#attempt(userName: string, remoteIp: string): Attempt {
		const { directory } = this.#options;
		const known = userAddress(userName);
		const user = known === undefined ? undefined : directory.user(known);
		return {
			userName,
			name: known ?? userName.slice(0, NAME_CHARACTERS_MAX),
			source: sourceOf(remoteIp),
			remoteIp,
			account: user?.account,
			stored: user && directory.passwordHash(user.account),
		};
	}

	async login(
		userName: string,
		password: string,
		remoteIp: string,
	): Promise<Account> {
		const attempt = this.#attempt(userName, remoteIp);
		const { name, stored } = attempt;
		// A login that was verified is no guess: it is let in also while its source is throttled.
		if (stored !== undefined && this.#cache.has(name, password, stored))
			return this.#open(attempt);
		const hash = stored === undefined ? this.#nobody : hashOf(stored);
		const right = await this.#check(attempt, password, hash);
		if (!right || stored === undefined) throw this.#refused(attempt);
		this.#cache.add(name, password, stored);
		return this.#open(attempt);
	}

	/** Hashes when it is this source's turn, if by then neither it nor the account has failed too often. */
	async #check(
		attempt: Attempt,
		password: string,
		stored: string,
	): Promise<boolean> {
		this.#mayTry(attempt);
		const guess =
			Buffer.byteLength(password) > PASSWORD_BYTES_MAX ? "" : password;
		try {
			return await this.#hashing.run(attempt.source, async () => {
				this.#mayTry(attempt);
				const right = await this.#verify(guess, stored);
				// Before the next one starts, so that guesses at the same time are counted too.
				if (!right) this.#failed(attempt);
				return right;
			});
		} catch (error) {
			if (error instanceof QueueFull)
				throw new LoginThrottled(
					"too many logins at once from your address; try again in a minute",
				);
			throw error;
		}
	}

	scram(
		clientFirst: string,
		channel: ScramChannel,
		remoteIp: string,
	): ScramLogin {
		const { random, directory } = this.#options;
		const first = parsing(() => parseClientFirst(clientFirst, channel));
		const attempt = this.#attempt(first.userName, remoteIp);
		this.#mayTry(attempt);
		// Both are made for every name, so that the time says nothing about it.
		const nobody = scramOfNobody(
			directory.secret() ?? this.#ownSecret,
			attempt.name,
			random,
		);
		const keys = attempt.stored && scramOf(attempt.stored);
		const exchange = new ScramExchange(
			first,
			keys || nobody,
			scramNonce(random),
		);
		return {
			serverFirst: exchange.serverFirst,
			finish: async (clientFinal) => {
				this.#mayTry(attempt);
				const serverFinal = parsing(
					() => exchange.finish(clientFinal),
					() => this.#failed(attempt),
					() => this.#refused(attempt),
				);
				return { account: this.#open(attempt), serverFinal };
			},
		};
	}

	/** Throws LoginThrottled when the source or the account has used up its minute. */
	#mayTry(attempt: Attempt): void {
		const { source, name } = attempt;
		if (this.#bySource.isUsedUp(source))
			throw new LoginThrottled(
				"too many wrong passwords from your address; try again in a minute",
			);
		if (this.#byAccount.isUsedUp(name) && !this.#trusted.has(trustKey(attempt)))
			throw new LoginThrottled(
				"too many wrong passwords for this account; try again in a minute",
			);
	}

	#failed({ source, name }: Attempt): void {
		this.#bySource.add(source);
		this.#byAccount.add(name);
	}

	#refused({ userName, remoteIp }: Attempt): LoginRefused {
		this.#options.log.info("login refused", {
			user: userName.slice(0, NAME_CHARACTERS_MAX),
			remoteIp,
		});
		return new LoginRefused("user name or password is wrong");
	}

	#open(attempt: Attempt): Account {
		const { account: id } = attempt;
		const account = id === undefined ? undefined : this.#options.account(id);
		if (account === undefined)
			throw new Temporary("this account has not arrived here yet; try again");
		this.#trusted.add(trustKey(attempt));
		return account;
	}
}

/** What is kept or logged of a user name that is no address. */
const NAME_CHARACTERS_MAX = 320;

const trustKey = ({ source, name }: Attempt): string => `${source} ${name}`;

/** Runs a step of SCRAM; what it refuses is a refused login. */
function parsing<T>(
	step: () => T,
	failed: () => void = () => {},
	refused: () => Error = () =>
		new LoginRefused("user name or password is wrong"),
): T {
	try {
		return step();
	} catch (error) {
		if (!(error instanceof ScramRefused)) throw error;
		failed();
		throw refused();
	}
}

function userAddress(userName: string): Address | undefined {
	try {
		return address(userName);
	} catch (error) {
		if (error instanceof BadId) return undefined;
		throw error;
	}
}
