/**
 * Who may log in: user name and password against the directory, for SMTP and IMAP alike. Here live password hashing, the
 * limits on guessing and the short memory of verified logins. Never a password in clear, in memory or in the log.
 */
import { createHmac } from "node:crypto";
import type { Account, Directory } from "../../sync/api.ts";
import { Temporary } from "../../sync/faults.ts";
import {
	type AccountId,
	type Address,
	address,
	BadId,
	type Milliseconds,
} from "../../sync/ids.ts";
import {
	LOGIN_CACHE_ENTRIES_MAX,
	LOGIN_CACHE_MILLISECONDS_MAX,
	LOGIN_FAILURES_PER_MINUTE_MAX,
	LOGIN_HASHES_MAX,
	LOGIN_SOURCES_MAX,
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
} from "./authenticator.ts";
import { FairQueue, QueueFull } from "./fair-queue.ts";
import { hashOfNobody, verifyPassword } from "./password.ts";
import { sourceOf } from "./source.ts";

export interface AuthenticatorOptions {
	readonly directory: Pick<Directory, "user" | "passwordHash">;
	readonly account: (id: AccountId) => Account | undefined;
	readonly clock: Clock;
	readonly random: Random;
	readonly log: Log;
	/** Replaced in tests that count hashes. */
	readonly verify?: typeof verifyPassword;
}

/** The authenticator of a node. See Authenticator for what login() promises. */
export function createAuthenticator(
	options: AuthenticatorOptions,
): Authenticator {
	return new DirectoryAuthenticator(options);
}

class DirectoryAuthenticator implements Authenticator {
	readonly #options: AuthenticatorOptions;
	readonly #verify: typeof verifyPassword;
	readonly #nobody: string;
	readonly #cache: VerifiedLogins;
	readonly #failures: Failures;
	readonly #hashing = new FairQueue({
		running: LOGIN_HASHES_MAX,
		waiting: LOGIN_WAITING_MAX,
		waitingPerSource: LOGIN_WAITING_PER_SOURCE_MAX,
	});

	constructor(options: AuthenticatorOptions) {
		this.#options = options;
		this.#verify = options.verify ?? verifyPassword;
		this.#nobody = hashOfNobody(options.random);
		this.#cache = new VerifiedLogins(options.clock, options.random);
		this.#failures = new Failures(options.clock);
	}

	async login(
		userName: string,
		password: string,
		remoteIp: string,
	): Promise<Account> {
		const { directory, log } = this.#options;
		const name = userAddress(userName);
		const user = name === undefined ? undefined : directory.user(name);
		const stored = user && directory.passwordHash(user.account);
		const source = sourceOf(remoteIp);
		// A login that was verified is no guess: it is let in also while its source is throttled.
		if (user && stored && this.#cache.has(user.address, password, stored))
			return this.#open(user.account);

		const right = await this.#check(source, password, stored ?? this.#nobody);
		if (!right || user === undefined || stored === undefined) {
			log.info("login refused", { user: userName.slice(0, 320), remoteIp });
			throw new LoginRefused("user name or password is wrong");
		}
		this.#cache.add(user.address, password, stored);
		return this.#open(user.account);
	}

	/** Hashes when it is this source's turn, if by then it has not failed too often. */
	async #check(
		source: string,
		password: string,
		stored: string,
	): Promise<boolean> {
		this.#failures.check(source);
		const guess =
			Buffer.byteLength(password) > PASSWORD_BYTES_MAX ? "" : password;
		try {
			return await this.#hashing.run(source, async () => {
				this.#failures.check(source);
				const right = await this.#verify(guess, stored);
				// Before the next one starts, so that guesses at the same time are counted too.
				if (!right) this.#failures.add(source);
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

	#open(id: AccountId): Account {
		const account = this.#options.account(id);
		if (account === undefined)
			throw new Temporary("this account has not arrived here yet; try again");
		return account;
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

/** Logins that were right a short while ago, by a keyed digest that is worth nothing outside this process. */
class VerifiedLogins {
	readonly #clock: Clock;
	readonly #key: Uint8Array;
	/** Digest → when it expires (monotonic); oldest first. */
	readonly #expiry = new Map<string, Milliseconds>();

	constructor(clock: Clock, random: Random) {
		this.#clock = clock;
		this.#key = random.bytes(32);
	}

	has(user: string, password: string, stored: string): boolean {
		const digest = this.#digest(user, password, stored);
		const expiry = this.#expiry.get(digest);
		if (expiry === undefined) return false;
		if (expiry > this.#clock.monotonic()) return true;
		this.#expiry.delete(digest);
		return false;
	}

	add(user: string, password: string, stored: string): void {
		const digest = this.#digest(user, password, stored);
		this.#expiry.delete(digest);
		this.#expiry.set(
			digest,
			this.#clock.monotonic() + LOGIN_CACHE_MILLISECONDS_MAX,
		);
		for (const oldest of this.#expiry.keys()) {
			if (this.#expiry.size <= LOGIN_CACHE_ENTRIES_MAX) break;
			this.#expiry.delete(oldest);
		}
	}

	/** The stored hash is part of it, so a changed password ends what was remembered at once. */
	#digest(user: string, password: string, stored: string): string {
		const hmac = createHmac("sha256", this.#key);
		for (const part of [user, password, stored])
			hmac.update(`${Buffer.byteLength(part)}:`).update(part);
		return hmac.digest("base64");
	}
}

const MINUTE_MILLISECONDS = 60_000;

/** Wrong passwords of the last minute, by source. */
class Failures {
	readonly #clock: Clock;
	/** Times (monotonic) of failures, ascending, at most LOGIN_FAILURES_PER_MINUTE_MAX; the source that failed last is last. */
	readonly #times = new Map<string, Milliseconds[]>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Throws LoginThrottled when the source has used up its minute. */
	check(source: string): void {
		const oldest = this.#times.get(source)?.at(-LOGIN_FAILURES_PER_MINUTE_MAX);
		if (
			oldest !== undefined &&
			oldest > this.#clock.monotonic() - MINUTE_MILLISECONDS
		)
			throw new LoginThrottled(
				"too many wrong passwords from your address; try again in a minute",
			);
	}

	add(source: string): void {
		const times = this.#times.get(source) ?? [];
		times.push(this.#clock.monotonic());
		if (times.length > LOGIN_FAILURES_PER_MINUTE_MAX) times.shift();
		this.#times.delete(source);
		this.#times.set(source, times);
		for (const oldest of this.#times.keys()) {
			if (this.#times.size <= LOGIN_SOURCES_MAX) break;
			this.#times.delete(oldest);
		}
	}
}
